"""Whom it is held against that the tool of an MCP server is not there: the machine, if the server did not start."""

from __future__ import annotations

from typing import Any

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.suite.mcp_tool.probe import probe
from compat_pipeline_tests.suite.stage import Side, Stage, asked, exchange, result

DRAW = {"name": "mcp__lottery__draw", "description": "Draws a word.", "input_schema": {}}


def judged(stage: Stage, status: str, *tools: dict[str, Any]) -> Outcome:
    """How the row is judged if the CLI tells this of its server, offers these tools, and none is called."""

    def play(call: ClaudeCall) -> Side:
        servers = [{"name": "lottery", "status": status, "source": "dynamic"}]
        init = {"type": "system", "subtype": "init", "tools": [], "mcp_servers": servers}
        request = {"stream": True, "messages": [{"role": "user", "content": call.prompt}], "tools": list(tools)}
        return result(events=(init,)), [asked(request=request)], [exchange(request=request)]

    try:
        return probe(stage.plays(play))
    except Judged as ended:
        return ended.outcome


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_a_server_that_did_not_start_judges_no_product(stage: Stage, status: str) -> None:
    outcome = judged(stage, status)
    assert (outcome.status, getattr(outcome, "cause", None)) == ("inconclusive", "environment")
    assert status in str(outcome)


def test_a_server_that_started_and_whose_tool_is_not_offered_is_held_against_claude_code(stage: Stage) -> None:
    outcome = judged(stage, "connected")
    assert (outcome.status, getattr(outcome, "cause", None)) == ("fail", "client")


def test_a_server_whose_tool_is_offered_has_started_whatever_was_told_before(stage: Stage) -> None:
    outcome = judged(stage, "pending", DRAW)
    assert (outcome.status, getattr(outcome, "cause", None)) == ("fail", "gateway")
