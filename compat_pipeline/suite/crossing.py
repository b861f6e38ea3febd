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

    Where a transfer ended early, or their numbers do not tell which request led to which exchange, only the proxy's
    streams are looked at. A thinking block is left to the rows that are about thinking: its loss breaks nothing else.
    """
    found = [f"the proxy's event stream breaks its grammar: {rule}" for one in client for rule in one.violations]
    for told, seen in _pairs(client, upstream):
        found += _request_harm(told.request, seen.request)
        if told.message is not None and seen.reply is not None:
            found += _answer_harm(told.message, seen.reply)
    return found


def _pairs(client: Sequence[ClientExchange], upstream: Sequence[Exchange]) -> Iterable[tuple[ClientExchange, Exchange]]:
    """All requests, or all that were answered well, with the exchanges they led to; none where there are more or less.

    A request that the proxy could not pass on led to none: it must not be held against the next one's exchange. None
    fit where a transfer ended early: Claude Code may hang up on a stream that makes no sense, and ask again.
    """
    if any(one.broken for one in client):
        return ()
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
    for block in _malformed(told.get("content")):
        yield f"the CLI was given {_cut(block)} for a content block"


def _malformed(content: object) -> list[object]:
    """What stands among content blocks and is none, or is a text without words."""
    listed = content if isinstance(content, list) else []
    return [
        block
        for block in listed
        if not isinstance(block, dict) or (block.get("type") == "text" and not isinstance(block.get("text"), str))
    ]


def blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A message's content as blocks, whichever of the two forms it came in; what is no block is passed over."""
    content = message.get("content") or []
    return [{"type": "text", "text": content}] if isinstance(content, str) else _objects(content)


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _words(block: Mapping[str, Any]) -> str:
    words = block.get("text")
    return words if isinstance(words, str) else ""


def user_text(request: Mapping[str, Any]) -> str:
    """All text a user wrote in a Messages request, in order.

    A text without a letter or digit beside a document says nothing: Bedrock's Converse takes no document without a
    text, and where the user wrote none, LiteLLM puts one there.
    """
    return "\n".join(
        _words(block)
        for message in _objects(request.get("messages"))
        if message.get("role") == "user"
        for block in _with_words(blocks(message))
    )


def _with_words(content: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    shows_document = any(block.get("type") == "document" for block in content)
    texts = [block for block in content if block.get("type") == "text"]
    return [block for block in texts if not shows_document or any(map(str.isalnum, _words(block)))]


def system_text(request: Mapping[str, Any]) -> str:
    """The system prompt without Claude Code's billing line, which LiteLLM passes on to Anthropic only."""
    parts = blocks({"content": request.get("system")})
    return "".join(words for words in map(_words, parts) if not words.startswith(_BILLING_LINE))


def said(message: Mapping[str, Any]) -> str:
    """All text of a message."""
    return "".join(_words(block) for block in blocks(message) if block.get("type") == "text")


def _tool_calls(message: Mapping[str, Any]) -> list[tuple[object, object]]:
    return [(block.get("name"), block.get("input")) for block in blocks(message) if block.get("type") == "tool_use"]


def _stop_reason(message: Mapping[str, Any]) -> object:
    return message.get("stop_reason")


def _cut(value: object) -> str:
    told = str(value)
    return repr(told if len(told) <= _TOLD_CHARS else f"{told[:_TOLD_CHARS]} ...")
