"""What the persona's scripts are made of: the turn they answer, and what they can say."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from compat_pipeline.emulator.contract import Call, Json, blocks_of
from compat_pipeline.emulator.tokens import tokens_of_text

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_TOOL_ID_PREFIX = {"vertex_ai": "toolu_vrtx_", "bedrock_invoke": "toolu_bdrk_", "bedrock_converse": "tooluse_"}

Said = tuple[list[Json], str]
"""Content blocks and the stop reason."""


@dataclass(frozen=True)
class Turn:
    """The last thing the user really said, the other blocks beside it, and the tool results since, oldest first."""

    prompt: str
    beside: tuple[Json, ...]
    tool_results: tuple[Json, ...]

    def blocks(self, kind: str) -> list[Json]:
        """The blocks of one type (`image`, `document`) beside the prompt."""
        return [block for block in self.beside if block.get("type") == kind]


@dataclass(frozen=True)
class Script:
    """What the persona does when the prompt holds `pattern`."""

    pattern: re.Pattern[str]
    say: Callable[[Call, Turn, re.Match[str]], Said]


def last_turn(call: Call) -> Turn:
    """The turn to answer; without a word of the user in it, the prompt is ''."""
    results: list[Json] = []
    for message in reversed(call.messages):
        if message.get("role") != "user":
            continue
        blocks = blocks_of(message)
        results = [block for block in blocks if block.get("type") == "tool_result"] + results
        if prompt := words(blocks):
            return Turn(prompt, tuple(block for block in blocks if block.get("type") != "text"), tuple(results))
    return Turn("", (), tuple(results))


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
        return [{"type": "text", "text": said[: 4 * limit]}], "max_tokens"
    return [{"type": "text", "text": said}], "end_turn"


def tool_use(call: Call, name: str, arguments: Json) -> Json:
    """A call of a tool, with an id as the provider makes them."""
    tool_id = _TOOL_ID_PREFIX.get(call.provider, "toolu_") + secrets.token_hex(12)
    return {"type": "tool_use", "id": tool_id, "name": name, "input": arguments}


def uses(*calls: Json) -> Said:
    """Tool calls, and a stop to wait for their results."""
    return list(calls), "tool_use"


def offers(call: Call, name: str) -> bool:
    """Whether the model may call the tool `name`."""
    return call.setting("tool_choice").get("type") != "none" and any(tool.get("name") == name for tool in call.tools)
