"""What the persona's scripts are made of: the turn they answer, and what they can say."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.server_tools import TOOL_SEARCH_TYPE, server_tool, tool_search
from compat_pipeline.emulator.tokens import CHARACTERS_PER_TOKEN, tokens_of_text

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>|\ATool loaded\.\Z", re.DOTALL)  # the CLI's own words
_SUMMARY = "This session is being continued from a previous conversation"  # likewise, before a summary
_TOOL_ID_PREFIX = {"vertex_ai": "toolu_vrtx_", "bedrock_invoke": "toolu_bdrk_", "bedrock_converse": "tooluse_"}
_CLIENT_SEARCH = "ToolSearch"  # Claude Code's own

Said = tuple[list[Json], str]
"""Content blocks and the stop reason."""


@dataclass(frozen=True)
class Turn:
    """The last thing the user really said, what was shown with it or since, and the tool results since, oldest first.

    What a tool search brought is none of them: it says which tools there are, not what one did.
    """

    prompt: str
    beside: tuple[Json, ...]
    tool_results: tuple[Json, ...]

    def blocks(self, kind: str) -> list[Json]:
        """The blocks of one type (`image`, `document`) beside the prompt or after it."""
        return [block for block in self.beside if block.get("type") == kind]


@dataclass(frozen=True)
class Script:
    """What the persona does when the prompt holds `pattern`."""

    pattern: re.Pattern[str]
    say: Callable[[Call, Turn, re.Match[str]], Said]


def last_turn(call: Call) -> Turn:
    """The turn to answer; without a word of the user in it, the prompt is ''."""
    results: list[Json] = []
    shown: list[Json] = []
    for message in reversed(call.messages):
        if message.get("role") != "user":
            continue
        blocks = [block for block in blocks_of(message) if not _is_summary(block)]
        results = [block for block in blocks if _is_tool_result(block)] + results
        shown = [block for block in blocks if block.get("type") not in ("text", "tool_result")] + shown
        prompt = words(blocks)
        if any(map(str.isalnum, prompt)):  # a lone full stop fills a turn in which nothing was said
            return Turn(prompt, tuple(shown), tuple(results))
    return Turn("", tuple(shown), tuple(results))


def _is_summary(block: Json) -> bool:
    """Whether a block holds what was said before a conversation was compacted."""
    return str(block.get("text", "")).lstrip().startswith(_SUMMARY)


def _is_tool_result(block: Json) -> bool:
    return block.get("type") == "tool_result" and not any(
        part.get("type") == "tool_reference" for part in blocks_of(block)
    )


def words(blocks: list[Json]) -> str:
    """All text of content blocks, without the reminders that the CLI adds to it."""
    said = (_REMINDER.sub("", block["text"]).strip() for block in blocks if block.get("type") == "text")
    return "\n".join(text for text in said if text)


def result_text(block: Json) -> str:
    """What a tool result says."""
    return words(blocks_of(block))


def text(call: Call, said: str) -> Said:
    """Plain text, cut off where `max_tokens` ends."""
    limit = call.request.get("max_tokens")
    if isinstance(limit, int) and tokens_of_text(said) > limit:
        return [{"type": "text", "text": said[: CHARACTERS_PER_TOKEN * limit]}], "max_tokens"
    return [{"type": "text", "text": said}], "end_turn"


def tool_use(call: Call, name: str, arguments: Json) -> Json:
    """A call of a tool, with an id as the provider makes them."""
    tool_id = _TOOL_ID_PREFIX.get(call.provider, "toolu_") + secrets.token_hex(12)
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def uses(*calls: Json) -> Said:
    """Tool calls, and a stop to wait for their results."""
    return list(calls), "tool_use"


def use(call: Call, name: str, arguments: Json) -> Said | None:
    """Call the tool `name`, after one search for it if it is deferred; None when the model has no such tool."""
    if offers(call, name):
        return uses(tool_use(call, name, arguments))
    if not any(tool.get("name") == name and tool.get("defer_loading") for tool in call.tools):
        return None
    if server_tool(call, TOOL_SEARCH_TYPE):
        return [*tool_search(call, name, [name]), tool_use(call, name, arguments)], "tool_use"
    if offers(call, _CLIENT_SEARCH) and not _searched(call):
        return uses(tool_use(call, _CLIENT_SEARCH, {"query": f"select:{name}", "max_results": 5}))
    return None


def _searched(call: Call) -> bool:
    """Whether the client was asked to search before; it will not find more the second time."""
    return any(block.get("name") == _CLIENT_SEARCH for message in call.messages for block in blocks_of(message))


def offers(call: Call, name: str) -> bool:
    """Whether the model may call the tool `name`: a deferred one only once a search has found it."""
    if call.setting("tool_choice").get("type") == "none":
        return False
    return any(
        tool.get("name") == name and (not tool.get("defer_loading") or name in call.referenced_tools)
        for tool in call.tools
    )
