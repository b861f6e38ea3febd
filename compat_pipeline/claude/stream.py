"""What the CLI says: its stream-json lines and the way it ended, as one typed result. Pure."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from compat_pipeline.ground.child import ChildRun

ErrorKind = Literal["api", "timeout", "crash", "connection", "other"]

_API_ERROR = re.compile(r"^API Error\b(?::? ?(?:Request rejected )?\(?(\d{3})\b)?")
_CONNECTION = re.compile(
    r"ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|Connection ?(Refused|Reset|Closed|error)|Unable to connect"
    r"|socket hang up|socket connection was closed",
    re.IGNORECASE,
)
_UNREADABLE_KEPT_CHARS = 500
_STDERR_TOLD_CHARS = 2000


@dataclass(frozen=True)
class CliError:
    """Why a call did not end well. `status` is that of the proxy's answer where the CLI told one."""

    kind: ErrorKind
    status: int | None
    message: str


@dataclass(frozen=True)
class ToolCall:
    id: str
    name: str
    input: dict[str, Any]


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back; `content` is text or content blocks."""

    tool_use_id: str
    content: Any
    is_error: bool


@dataclass(frozen=True)
class Thinking:
    """One thinking block as the CLI shows it; an unsigned one has the signature ''."""

    text: str
    signature: str


@dataclass(frozen=True)
class Usage:
    """Tokens of the whole call, every turn added up; `ephemeral_1h` are a part of the cache creation."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


@dataclass(frozen=True)
class ClaudeResult:
    """One CLI call. `text` is the answer of its last turn; `error` is None only if every turn ended well.

    `events` are all lines of stream-json; `stream_events` the API's own events among them, in order, if partial
    messages were asked for; `unreadable` the lines that are no stream-json (each cut). `argv`, `env` and `stdin`
    repeat the call by hand; the token is not in them.
    """

    text: str
    events: tuple[dict[str, Any], ...]
    tool_calls: tuple[ToolCall, ...]
    tool_results: tuple[ToolResult, ...]
    thinking: tuple[Thinking, ...]
    stream_events: tuple[dict[str, Any], ...]
    usage: Usage
    model_usage: dict[str, Any]
    structured_output: Any
    unreadable: tuple[str, ...]
    error: CliError | None
    exit_code: int
    stderr: str
    started_at: float
    duration_s: float
    cpu_s: float
    argv: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    stdin: str = ""

    @property
    def answers(self) -> list[str]:
        """What the CLI told at the end of each user turn."""
        return [_text(event.get("result")) for event in self.events if event.get("type") == "result"]

    @property
    def mcp_servers(self) -> dict[str, str]:
        """How the CLI told each MCP server to be when it began, by its name: connected, failed, pending."""
        begun = next((event for event in self.events if event.get("subtype") == "init"), {})
        servers = begun.get("mcp_servers")
        told = map(_mapping, servers if isinstance(servers, list) else [])
        return {_text(server.get("name")): _text(server.get("status")) for server in told}


def ends_turn(line: bytes) -> bool:
    """Whether this line of stream-json is the `result` that ends a user turn."""
    return b'"result"' in line and (_event(line) or {}).get("type") == "result"


def read_stream(run: ChildRun, turns: int = 1) -> ClaudeResult:
    """The result of a process that was given `turns` user turns. Never raises, whatever the lines hold.

    Events and fields of unknown kinds are left out; other CLI versions may say more or less.
    """
    events, unreadable = _events(run.stdout)
    results = [event for event in events if event.get("type") == "result"]
    last = results[-1] if results else {}
    assistant, user = _blocks(events, "assistant"), _blocks(events, "user")
    return ClaudeResult(
        text=_text(last.get("result")),
        events=tuple(events),
        tool_calls=tuple(
            ToolCall(_text(block.get("id")), _text(block.get("name")), _mapping(block.get("input")))
            for block in assistant
            if block.get("type") == "tool_use"
        ),
        tool_results=tuple(
            ToolResult(_text(block.get("tool_use_id")), block.get("content"), bool(block.get("is_error")))
            for block in user
            if block.get("type") == "tool_result"
        ),
        thinking=tuple(
            Thinking(_text(block.get("thinking")), _text(block.get("signature")))
            for block in assistant
            if block.get("type") == "thinking"
        ),
        stream_events=tuple(_mapping(event.get("event")) for event in events if event.get("type") == "stream_event"),
        usage=_usage(results),
        model_usage=_mapping(last.get("modelUsage")),
        structured_output=last.get("structured_output"),
        unreadable=tuple(unreadable),
        error=_error(results, run, turns),
        exit_code=run.exit_code,
        stderr=run.stderr,
        started_at=run.started_at,
        duration_s=run.duration_s,
        cpu_s=run.cpu_s,
    )


def _events(lines: Iterable[bytes]) -> tuple[list[dict[str, Any]], list[str]]:
    events, unreadable = [], []
    for line in lines:
        event = _event(line)
        if event is not None:
            events.append(event)
        elif line.strip():
            unreadable.append(line.decode(errors="replace")[:_UNREADABLE_KEPT_CHARS])
    return events, unreadable


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _blocks(events: Iterable[Mapping[str, Any]], role: str) -> list[dict[str, Any]]:
    contents = [_mapping(event.get("message")).get("content") for event in events if event.get("type") == role]
    return [block for content in contents if isinstance(content, list) for block in content if isinstance(block, dict)]


def _usage(results: Iterable[Mapping[str, Any]]) -> Usage:
    told = [_mapping(result.get("usage")) for result in results]
    split = [_mapping(usage.get("cache_creation")) for usage in told]

    def total(counts: Iterable[Mapping[str, Any]], name: str) -> int:
        return sum(_count(count.get(name)) for count in counts)

    return Usage(
        input_tokens=total(told, "input_tokens"),
        output_tokens=total(told, "output_tokens"),
        cache_creation_input_tokens=total(told, "cache_creation_input_tokens"),
        cache_read_input_tokens=total(told, "cache_read_input_tokens"),
        ephemeral_1h_input_tokens=total(split, "ephemeral_1h_input_tokens"),
    )


def _error(results: Sequence[Mapping[str, Any]], run: ChildRun, turns: int) -> CliError | None:
    """The first turn that failed counts; a process that ended badly although every turn ended well is a crash.

    So is one that a signal ended, whatever it had told before: what it did not tell any more was not its choice.
    """
    told = next((error for error in map(_told, results) if error), None)
    if run.timed_out:
        heard = f"; before that: {told.message}" if told else ""
        return CliError("timeout", None, f"no end after {run.duration_s:.0f} s, ended by us{heard}")
    if told and run.exit_code >= 0:
        return told
    if run.exit_code == 0 and len(results) >= turns:
        return None
    ending = _ending(run.exit_code)
    gap = "" if len(results) >= turns else f" after {len(results)} of {turns} result(s)"
    words = run.stderr.strip()[-_STDERR_TOLD_CHARS:]
    return CliError("crash", None, f"the CLI {ending}{gap}" + (f": {words}" if words else ""))


def _told(result: Mapping[str, Any]) -> CliError | None:
    """What a `result` event says went wrong. Some versions call an API error a success: its text gives it away."""
    text, subtype = _text(result.get("result")), _text(result.get("subtype"))
    found = _API_ERROR.match(text)
    if not (result.get("is_error") or subtype not in ("", "success") or found):
        return None
    stated = result.get("api_error_status")
    status = stated if isinstance(stated, int) else int(found[1]) if found and found[1] else None
    errors = result.get("errors")
    message = text or "; ".join(map(str, errors if isinstance(errors, list) else [])) or subtype
    if status is None and _CONNECTION.search(message):
        return CliError("connection", None, message)
    return CliError("api" if status is not None or found else "other", status, message)


def _ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
