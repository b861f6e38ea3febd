"""What the persona answers where one conversation leads to another: a search, a sub-agent, a resumed session."""

from __future__ import annotations

import re

from compat_pipeline.emulator.contract import Call
from compat_pipeline.emulator.script import Said, Script, Turn, result_text, text, use
from compat_pipeline.wire.exchange import NONCE_PATTERN

_TITLE = re.compile(r'"title":\s*"([^"]+)"')


def _look_up(call: Call, turn: Turn, match: re.Match[str]) -> Said:
    query, nonce = match.groups()
    if turn.tool_results:
        title = _TITLE.search(result_text(turn.tool_results[-1]))
        return text(call, f"{nonce} {title[1] if title else 'no page'}")
    return use(call, "WebSearch", {"query": query}) or text(call, f"{nonce} I have no WebSearch tool.")


SCRIPTS = (
    Script(
        re.compile(
            r"Use the WebSearch tool once, with exactly this query: `([^`]+)`\. "
            rf"Then reply with the code ({NONCE_PATTERN}) followed by the title"
        ),
        _look_up,
    ),
)
