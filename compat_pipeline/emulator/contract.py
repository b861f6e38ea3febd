"""What the wires, the rules and the persona say to each other: a call, an answer to it, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic_core import from_json

from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.models import ModelFacts, facts_of
from compat_pipeline.wire.exchange import NONCE_PATTERN

Json = dict[str, Any]
Provider = Literal["anthropic", "azure", "bedrock_invoke", "bedrock_converse", "vertex_ai"]
ErrorKind = Literal[
    "invalid_request", "authentication", "not_found", "rate_limited", "overloaded", "account", "server_error"
]
AuthKind = Literal["key", "bearer", "signed"]

BREAK_AFTER_EVENTS = 3
"""How far a stream gets that is broken off."""

PAUSE_AFTER_EVENTS = 6
"""How far a stream gets before it pauses: some content has come then, on each wire."""

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-amz-security-token"})


class Refused(Exception):
    """The provider says no. `kind` picks its status, type and words; `message` and `type` put others in their place.

    `rule` is the id of the request rule that was broken, None when the request was not at fault. `retry_after_s` is
    the advice sent along, if any.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str = "",
        *,
        type: str = "",
        rule: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message or kind)
        self.kind = kind
        self.message = message
        self.type = type
        self.rule = rule
        self.retry_after_s = retry_after_s


def broken(error: Exception) -> str:
    """What is said and recorded of a fault of the emulator's own; no provider ever sends it."""
    return f"the emulator broke: {type(error).__name__}: {error}"


@dataclass(frozen=True)
class Incoming:
    """One HTTP request as it arrived; `headers` are lowercased, `target` is the undecoded path with its query."""

    operation: str
    method: str
    target: str
    headers: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Call:
    """One request in canonical form: `request` is an Anthropic Messages request, `body` what the wire carried.

    `size_bytes` is the length of that body, 0 if unknown. `shapes_shown`: whether its answer takes the shapes that a
    provider's answers are known to take now and then; None: on some turns.
    """

    provider: Provider
    operation: str
    model: str
    streamed: bool
    betas: frozenset[str]
    request: Json
    body: Json
    size_bytes: int = 0
    shapes_shown: bool | None = None

    @property
    def family(self) -> str:
        """Whose models signed a thinking block: Bedrock's two wires are one."""
        return "bedrock" if self.provider.startswith("bedrock") else self.provider

    @cached_property
    def facts(self) -> ModelFacts:
        """What is known of the model; raises Refused when the provider serves none of that name."""
        facts = facts_of(self.provider, self.model)
        if facts is None:
            raise Refused("not_found")
        return facts

    @cached_property
    def messages(self) -> list[Json]:
        return _objects(self.request.get("messages"))

    @property
    def tools(self) -> list[Json]:
        return _objects(self.request.get("tools"))

    @cached_property
    def referenced_tools(self) -> frozenset[str]:
        """Names in `tool_reference` blocks: deferred tools that a search has brought into the model's context."""
        found = (part for _, _, block in self.blocks() for part in _search_results(block))
        return frozenset(str(part.get("tool_name")) for part in found if part.get("type") == "tool_reference")

    def setting(self, name: str) -> Json:
        """A field of the request that is an object, such as `thinking`; empty when it is not there."""
        value = self.request.get(name)
        return value if isinstance(value, dict) else {}

    def blocks(self) -> Iterator[tuple[str, Json, Json]]:
        """Every content block: its path (`messages.0.content.1`), its message and the block."""
        for number, message in enumerate(self.messages):
            for index, block in enumerate(blocks_of(message)):
                yield f"messages.{number}.content.{index}", message, block

    def cacheable_blocks(self) -> Iterator[Json]:
        """Tools, system and message blocks, in the order in which a cached prefix runs through them."""
        yield from self.tools
        yield from blocks_of({"content": self.request.get("system")})
        for message in self.messages:
            yield from blocks_of(message)

    @property
    def turn(self) -> int:
        """The number of the assistant turn this call asks for, from 1."""
        return 1 + len([message for message in self.messages if message.get("role") == "assistant"])

    @cached_property
    def nonces(self) -> frozenset[str]:
        """Every nonce in the texts of the messages, malformed ones included."""
        found = (re.findall(NONCE_PATTERN, text) for text in texts(self.body.get("messages")))
        return frozenset(nonce for nonces in found for nonce in nonces)


@dataclass(frozen=True)
class Answer:
    """A canonical Message and how it is cut for a stream: `deltas[i]` are the pieces of content block i.

    `broken_off` is an error that the stream ends with, after HTTP 200.
    """

    message: Json
    deltas: tuple[tuple[str, ...], ...]
    broken_off: Refused | None = None


@dataclass(frozen=True)
class Transfer:
    """How a reply travels: after `delay_s`, with a pause of `stall_s` within a stream, or `cut`.

    `at_once` and `midway` are by a reset; a stream that is cut `short` ends in its middle as if that were its end.
    """

    delay_s: float = 0.0
    stall_s: float = 0.0
    cut: Literal["at_once", "midway", "short"] | None = None


@dataclass(frozen=True)
class Reply:
    """Bytes for the client: whole, or one piece per stream event; all of them are made before the first one leaves."""

    status: int
    media_type: str
    body: bytes | tuple[bytes, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    transfer: Transfer = Transfer()


@dataclass(frozen=True)
class Wire:
    """One provider's way of speaking.

    `routes` are (path template, operation). `authenticate` raises Refused for a wrong credential; `read` decodes
    without judging, so that even a malformed request can be recorded, and raises Refused only where there is no
    JSON object. `whole` and `stream` encode an answer, `counted` a number of input tokens.
    """

    provider: Provider
    routes: tuple[tuple[str, str], ...]
    authenticate: Callable[[Incoming, EmulatorCredentials], AuthKind]
    read: Callable[[Incoming], Call]
    whole: Callable[[Call, Answer], Reply]
    stream: Callable[[Call, Answer], Reply]
    counted: Callable[[int], Json] = lambda tokens: {"input_tokens": tokens}


def json_object(body: bytes) -> Json:
    """The JSON object in `body`; raises Refused."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refused("invalid_request", "The request body is not valid JSON.")
    return value


def blocks_of(message: Json) -> list[Json]:
    """The content blocks of a message or tool result; a plain string is one text block."""
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else _objects(content)


def _search_results(block: Json) -> list[Json]:
    """What a client's search, or the provider's own, found."""
    if block.get("type") == "tool_search_tool_result":
        content = block.get("content")
        return _objects(content.get("tool_references")) if isinstance(content, dict) else []
    return blocks_of(block) if block.get("type") == "tool_result" else []


def _objects(value: object) -> list[Json]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def texts(value: object) -> Iterator[str]:
    """Every string anywhere in a JSON value, encoded pictures and documents excepted."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("data", "bytes"):
                yield from texts(item)
