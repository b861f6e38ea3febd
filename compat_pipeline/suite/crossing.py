"""What changed between the two sides of the proxy that must not: the words, the tools' input, the way it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import Exchange

_TOLD_CHARS = 160
_BILLING_LINE = "x-anthropic-billing-header:"


def harm(client: Sequence[ClientExchange], upstream: Sequence[Exchange]) -> list[str]:
    """Each thing that the proxy changed, in plain words; both sides oldest first.

    Where their numbers do not tell which request led to which exchange, only the proxy's streams are looked at. A
    thinking block is left to the rows that are about thinking: its loss breaks nothing else.
    """
    found = [f"the proxy's event stream breaks its grammar: {rule}" for one in client for rule in one.violations]
    for told, seen in _pairs(client, upstream):
        found += _request_harm(told.request, seen.request)
        if told.message is not None and seen.reply is not None:
            found += _answer_harm(told.message, seen.reply)
    return found


def _pairs(client: Sequence[ClientExchange], upstream: Sequence[Exchange]) -> Iterable[tuple[ClientExchange, Exchange]]:
    """All requests, or all that were answered well, with the exchanges they led to; none where there are more or less.

    A request that the proxy could not pass on led to none: it must not be held against the next one's exchange.
    """
    well = [one for one in client if one.refusal is None]
    fitting: Sequence[ClientExchange] = next((side for side in (client, well) if len(side) == len(upstream)), ())
    return zip(fitting, upstream, strict=False)


def _request_harm(sent: Mapping[str, Any], arrived: Mapping[str, Any]) -> Iterator[str]:
    for what, text_of in (("the system prompt", system_text), ("the user's words", user_text)):
        if text_of(sent) != text_of(arrived):
            yield f"{what} did not reach the upstream whole"
    if sent.get("max_tokens") != arrived.get("max_tokens"):
        yield f"max_tokens {sent.get('max_tokens')} was asked for, the upstream got {arrived.get('max_tokens')}"


def _answer_harm(told: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[str]:
    for what, part_of in (("text", said), ("tool calls", _tool_calls), ("stop reason", _stop_reason)):
        if part_of(told) != part_of(sent):
            yield f"the upstream sent the {what} {_cut(part_of(sent))}, the CLI was given {_cut(part_of(told))}"


def blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message's content as blocks, whichever of the two forms it came in."""
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def user_text(request: Mapping[str, Any]) -> str:
    """All text a user wrote in a Messages request, in order.

    A text without a letter or digit beside a document says nothing: Bedrock's Converse takes no document without a
    text, and where the user wrote none, LiteLLM puts one there.
    """
    return "\n".join(
        block["text"]
        for message in request.get("messages", [])
        if message["role"] == "user"
        for block in _with_words(blocks(message))
    )


def _with_words(content: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    shows_document = any(block.get("type") == "document" for block in content)
    texts = [block for block in content if block.get("type") == "text"]
    return [block for block in texts if not shows_document or any(map(str.isalnum, block["text"]))]


def system_text(request: Mapping[str, Any]) -> str:
    """The system prompt without Claude Code's billing line, which LiteLLM passes on to Anthropic only."""
    parts = blocks({"content": request.get("system")})
    return "".join(part["text"] for part in parts if not part["text"].startswith(_BILLING_LINE))


def said(message: Mapping[str, Any]) -> str:
    """All text of a message."""
    return "".join(block["text"] for block in blocks(message) if block.get("type") == "text")


def _tool_calls(message: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [(block["name"], block["input"]) for block in blocks(message) if block.get("type") == "tool_use"]


def _stop_reason(message: Mapping[str, Any]) -> object:
    return message.get("stop_reason")


def _cut(value: object) -> str:
    told = str(value)
    return repr(told if len(told) <= _TOLD_CHARS else f"{told[:_TOLD_CHARS]} ...")
