"""The persona: answers from what the request holds, as a model would that follows instructions to the letter."""

from __future__ import annotations

from compat_pipeline.emulator import (
    scripts_basic,
    scripts_conversation,
    scripts_documents,
    scripts_search,
    scripts_tools,
)
from compat_pipeline.emulator.contract import Call, Json
from compat_pipeline.emulator.json_answer import held_to_schema
from compat_pipeline.emulator.script import Said, Turn, last_turn, text
from compat_pipeline.emulator.shapes import shows
from compat_pipeline.emulator.thinking import thoughts

SCRIPTS = (
    *scripts_basic.SCRIPTS,
    *scripts_conversation.SCRIPTS,
    *scripts_documents.SCRIPTS,
    *scripts_search.SCRIPTS,
    *scripts_tools.SCRIPTS,
)


def reply_to(call: Call) -> tuple[list[Json], str]:
    """Content blocks and stop_reason."""
    turn = last_turn(call)
    content, stop_reason = _say(call, turn)
    content = held_to_schema(call, content)
    if shows("M2", call):
        content = [*thoughts(call, turn.prompt), *content]
    return content, stop_reason


def _say(call: Call, turn: Turn) -> Said:
    for script in SCRIPTS:
        if match := script.pattern.search(turn.prompt):
            return script.say(call, turn, match)
    return text(call, "Hello! How can I help you today?")
