"""What the persona answers when Claude Code searches the web: its nested request carries the query and nothing else."""

from __future__ import annotations

import re

from compat_pipeline.emulator.contract import Call
from compat_pipeline.emulator.script import Said, Script, Turn, text
from compat_pipeline.emulator.server_tools import WEB_SEARCH_TYPE, server_tool, web_search


def _search(call: Call, _: Turn, match: re.Match[str]) -> Said:
    if server_tool(call, WEB_SEARCH_TYPE) is None:
        return text(call, "I cannot search the web.")
    return web_search(call, match[1].strip()), "end_turn"


SCRIPTS = (Script(re.compile(r"Perform a web search for the query: (.+)"), _search),)
