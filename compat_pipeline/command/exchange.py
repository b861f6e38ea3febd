"""One exchange in a few lines: what was asked, what was answered, and what LiteLLM changed on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from compat_pipeline.command.output import printable
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import Exchange

_TOLD_CHARS = 400
_VALUE_CHARS = 60
_CHANGES_TOLD = 12
_OK = 200
_BETAS = "anthropic-beta"
_OTHER_HEADERS = ("anthropic-version", "user-agent")
_REMINDER = re.compile(r"<system-reminder>.*?(?:</system-reminder>|$)", re.DOTALL)
_OF_ANSWER = ("content", "stop_reason", "usage")

Row = tuple[str, str]


def request_rows(exchange: ClientExchange) -> Iterator[Row]:
    """What the CLI sent."""
    asked = exchange.request
    if not asked:
        return
    named = [f"{name} {_short(asked[name])}" for name in ("max_tokens", "thinking", "output_config") if name in asked]
    tools = [str(tool.get("name") or tool.get("type")) for tool in _mappings(asked.get("tools"))]
    if tools:
        named.append(f"{len(tools)} tools ({_cut(', '.join(tools), _VALUE_CHARS)})")
    marks = Counter(place for place in ("system", "tools", "messages") for _ in _cache_marks(asked.get(place)))
    if marks:
        named.append("cache marks " + ", ".join(f"{place} {count}" for place, count in marks.items()))
    how = "streamed" if exchange.streamed else "not streamed"
    yield "sent", ", ".join([f"to {asked.get('model')}", how, *named])
    for message in _mappings(asked.get("messages"))[-1:]:
        yield str(message.get("role")), _content(message.get("content"))


def answer_rows(exchange: ClientExchange) -> Iterator[Row]:
    """What came back to the CLI, and what is wrong with it."""
    message = exchange.message
    if message is not None:
        yield "got", _message(message)
    elif exchange.body is not None:
        yield ("got" if exchange.status == _OK else "refused"), one_line(json.dumps(exchange.body, ensure_ascii=False))
    elif exchange.unreadable:
        yield "refused", one_line(exchange.unreadable)
    for wrong in (exchange.broken, *exchange.violations):
        if wrong:
            yield "wrong", one_line(wrong)


def upstream_rows(exchange: Exchange) -> Iterator[Row]:
    """What the upstream was asked, in a line, and what it answered."""
    how = "streamed" if exchange.streamed else "not streamed"
    yield "upstream", f"{exchange.provider} {exchange.operation} of {exchange.model}, {how}: {exchange.status}"
    if exchange.reply is not None:
        yield "answered", _message(exchange.reply)
    if exchange.error is not None:
        rule = f" (rule {exchange.rule})" if exchange.rule else ""
        yield "refused", one_line(exchange.error) + rule


def changed_rows(client: ClientExchange, upstream: Exchange) -> Iterator[Row]:
    """What LiteLLM added (+), took away (-) and altered (~): in the request, the headers that count, and the answer."""
    sent, seen = client.request_headers, upstream.headers
    lines = [
        *changes(_without_names(client.request), _without_names(upstream.request)),
        *_lost_and_gained(_entries(sent.get(_BETAS, "")), _entries(seen.get(_BETAS, ""))),
        *changes(_only(_OTHER_HEADERS, sent), _only(_OTHER_HEADERS, seen)),
    ]
    for line in _counted(lines):
        yield "changed", line
    if upstream.reply is not None and client.message is not None:
        for line in _counted([*changes(_only(_OF_ANSWER, upstream.reply), _only(_OF_ANSWER, client.message))]):
            yield "came back", line


def changes(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """How one JSON value differs from another, a line each, with the place of the difference.

    A text and the same text as the one block of a list are no difference: the Messages API takes both.
    """
    if (isinstance(before, str) and isinstance(after, list)) or (isinstance(before, list) and isinstance(after, str)):
        before, after = _blocks(before), _blocks(after)
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            place = f"{at}.{name}" if at else name
            if name not in after:
                yield f"- {place} {_short(before[name])}"
            elif name not in before:
                yield f"+ {place} {_short(after[name])}"
            else:
                yield from changes(before[name], after[name], place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from changes(one, other, f"{at}[]")
    elif isinstance(before, list) and isinstance(after, list):
        yield f"~ {at}: {len(before)} → {len(after)} entries"
    elif before != after:
        yield f"~ {at}: {_short(before)} → {_short(after)}"


def one_line(text: str) -> str:
    """`text` fit for a terminal: in one line, cut where it is long, nothing in it that would steer the terminal."""
    return _cut(printable(text), _TOLD_CHARS)


def _without_names(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without what differs for every upstream: the name of the model, and how a stream is asked for."""
    return {name: value for name, value in request.items() if name not in ("model", "stream")}


def _only(names: Sequence[str], of: Mapping[str, Any]) -> dict[str, Any]:
    return {name: of.get(name) for name in names}


def _entries(header: str) -> list[str]:
    return [entry.strip() for entry in header.split(",") if entry.strip()]


def _lost_and_gained(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """A line each for the betas that went and those that came."""
    for sign, one, other in (("-", before, after), ("+", after, before)):
        if only := [entry for entry in one if entry not in other]:
            yield f"{sign} {_BETAS} {', '.join(only)}"


def _counted(lines: Sequence[str]) -> Iterator[str]:
    """Each line once, with how often it came; of many the first."""
    counts = Counter(lines)
    for line in list(counts)[:_CHANGES_TOLD]:
        yield line + (f"  (x{counts[line]})" if counts[line] > 1 else "")
    if len(counts) > _CHANGES_TOLD:
        yield f"and {len(counts) - _CHANGES_TOLD} more"


def _message(message: Mapping[str, Any]) -> str:
    usage = {name: count for name, count in _mapping(message.get("usage")).items() if isinstance(count, int) and count}
    tokens = ", ".join(f"{name.removesuffix('_tokens')} {count}" for name, count in usage.items())
    return f"{_content(message.get('content'))}  [{message.get('stop_reason')}; tokens: {tokens or 'none'}]"


def _content(content: Any) -> str:
    return _cut("; ".join(filter(None, map(_block, _blocks(content)))), _TOLD_CHARS) or "nothing"


def _block(block: Mapping[str, Any]) -> str:
    """A content block in a few words; empty for what the CLI itself reminds the model of."""
    match block.get("type"):
        case "text":
            words = one_line(_REMINDER.sub("", str(block.get("text"))))
            return f"“{words}”" if words else ""
        case "thinking":
            signed = "signed" if block.get("signature") else "unsigned"
            return f"thinking ({len(str(block.get('thinking')))} chars, {signed})"
        case "tool_use" | "server_tool_use":
            return f"{block.get('name')}({_short(block.get('input'))})"
        case "tool_result":
            what = "error" if block.get("is_error") else "result"
            return f"{what} of {block.get('tool_use_id')}: {_content(block.get('content'))}"
        case "image" | "document":
            source = _mapping(block.get("source"))
            return f"{block['type']} {source.get('media_type')} ({len(str(source.get('data', '')))} chars)"
        case kind:
            return str(kind)


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else _mappings(content)


def _cache_marks(value: Any) -> Iterator[Any]:
    """Every `cache_control` in a part of a request."""
    if isinstance(value, dict):
        if value.get("cache_control"):
            yield value["cache_control"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _cache_marks(one)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _short(value: Any) -> str:
    return _cut(one_line(json.dumps(value, ensure_ascii=False)), _VALUE_CHARS)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"
