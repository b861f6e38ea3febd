"""How a fault changes a request: its body, its content blocks, its cache markers, its headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from compat_pipeline.wire.client_exchange import Json, Operation
from compat_pipeline.wire.faults.fault import Asked

OnRequest = Callable[[Asked], Asked]
BlockChange = Callable[[Json], "Json | None"]
"""Gives a content block as it goes on, the very same one to leave it alone, None to drop it."""

_REMINDER = "<system-reminder>"


def in_body(change: Callable[[Json], Json], operation: Operation = "messages") -> OnRequest:
    """`change` the body of every request of `operation`."""

    def on_request(asked: Asked) -> Asked:
        if asked.operation != operation:
            return asked
        body = change(asked.body)
        return asked if body == asked.body else replace(asked, body=body)

    return on_request


def without(*names: str, operation: Operation = "messages") -> OnRequest:
    """Drop top-level fields."""
    return in_body(lambda body: {name: value for name, value in body.items() if name not in names}, operation)


def in_headers(change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> OnRequest:
    """`change` the headers of every request."""

    def on_request(asked: Asked) -> Asked:
        headers = change(asked.headers)
        return asked if headers == asked.headers else replace(asked, headers=headers)

    return on_request


def in_blocks(change: BlockChange, role: str = "user") -> OnRequest:
    """`change` the content blocks of every message of `role`."""
    return in_body(lambda body: with_messages(body, change, role))


def in_results(change: BlockChange) -> OnRequest:
    """`change` the content blocks inside every tool result."""
    return in_blocks(
        lambda block: {**block, "content": _changed(block["content"], change)} if is_result(block) else block
    )


def in_tools(change: BlockChange) -> OnRequest:
    """`change` every tool on offer."""

    def on_body(body: Json) -> Json:
        return {**body, "tools": _changed(body["tools"], change)} if body.get("tools") else body

    return in_body(on_body)


def in_markers(change: BlockChange, places: Sequence[str] = ("tools", "system", "messages")) -> OnRequest:
    """`change` every `cache_control` in these parts of the prompt."""

    def mark(block: Json) -> Json:
        if "cache_control" not in block:
            return block
        marker = change(block["cache_control"])
        rest = {name: value for name, value in block.items() if name != "cache_control"}
        return rest if marker is None else {**rest, "cache_control": marker}

    def on_body(body: Json) -> Json:
        flat = {part: _changed(body[part], mark) for part in places if part != "messages" and body.get(part)}
        if "messages" in places:
            flat["messages"] = [{**one, "content": _changed(one["content"], mark)} for one in body.get("messages", [])]
        return {**body, **flat}

    return in_body(on_body)


def drop_type(kind: str) -> BlockChange:
    """Drops blocks of one type."""
    return lambda block: None if block.get("type") == kind else block


def is_result(block: Json) -> bool:
    return block.get("type") == "tool_result" and bool(block.get("content"))


def is_prompt(block: Json) -> bool:
    """Whether a block holds words of the user, not of the CLI."""
    return block.get("type") == "text" and not block.get("text", "").lstrip().startswith(_REMINDER)


def blocks_of(content: Any) -> list[Json]:
    """A message's content as blocks, whichever of the two forms it came in."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def with_messages(body: Json, change: BlockChange, role: str) -> Json:
    """A body with `change` made to the content blocks of every message of `role`."""
    messages = [
        {**message, "content": _changed(message["content"], change)} if message["role"] == role else message
        for message in body.get("messages", [])
    ]
    return {**body, "messages": messages}


def _changed(content: Any, change: BlockChange) -> Any:
    """Content with `change` made; in the form it came in where nothing changed."""
    blocks = blocks_of(content)
    after = [new for block in blocks if (new := change(block)) is not None]
    return content if after == blocks else after
