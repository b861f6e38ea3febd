"""A feature that Claude Code did not even ask for is not LiteLLM's fault."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from compat_pipeline.domain.observation import Fail, Outcome
from compat_pipeline.suite.cell_run import Judged, Talk
from compat_pipeline_tests.suite.stage import NONCE, REQUEST, asked, exchange, result

PLAIN = REQUEST | {
    "stream": True,
    "system": [{"type": "text", "text": "Be good.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "Bash", "input_schema": {}}],
}
"""A request like Claude Code's, with nothing in it that has to be asked for."""


def plainly_asked(*_: object, turns: int = 1, **__: object) -> Talk:
    return Talk(result(), [asked(request=PLAIN)] * turns, [exchange(request=PLAIN)] * turns)


def judged(row: str) -> Outcome:
    cell: Any = SimpleNamespace(provider="anthropic", model="claude-sonnet-4-6", target="anthropic/claude-sonnet-4-6")
    run = SimpleNamespace(cell=cell, behaviour="", findings=[], fault=None, attempts=1)
    run.nonce, run.sandbox, run.converse, run.passed = lambda: NONCE, nullcontext, plainly_asked, object
    try:
        outcome: Outcome = importlib.import_module(f"compat_pipeline.suite.{row}.probe").probe(run)
    except Judged as ended:
        outcome = ended.outcome
    return outcome


@pytest.mark.parametrize(
    "row",
    [
        "context_1m",
        "extended_thinking",
        "prompt_caching_1h",
        "redacted_thinking",
        "thinking_with_tools",
        "tool_use_streaming",
    ],
)
def test_what_claude_code_did_not_ask_for_is_held_against_claude_code(row: str) -> None:
    outcome = judged(row)
    assert isinstance(outcome, Fail)
    assert outcome.cause == "client"
