"""Redacted thinking reaches Claude Code, and goes back with the next turn as it came.

Source: Anthropic, extended thinking (redacted blocks are passed back unmodified; the text that makes a model answer
with them, recorded with Claude 4.5). AWS writes that Claude 4 does not redact; LiteLLM bug #25375 (dropped on
Converse, the next turn refused) shows it on Bedrock all the same. A model that does not is no fault of the proxy.
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks
from compat_pipeline.suite.extended_thinking.probe import prove_thinking_asked

_TRIGGER = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)


def probe(run: CellRun) -> Outcome:
    """Two user turns in one conversation at high effort, the model's thinking redacted in both."""
    nonce = run.nonce()
    turn = ({"type": "text", "text": f"{_TRIGGER} Reply with exactly this code and nothing else: {nonce}"},)
    talk = run.converse(nonce, messages=(turn, turn), turns=2, effort="high")

    prove_thinking_asked(talk.client[0], talk.exchanges[0], "the first turn")
    sent = _redacted(talk.replies[0]["content"])
    expect_of_model(bool(sent), "the model was led to redact its thinking, but did not")
    told = _redacted(blocks(talk.client[0].message or {}))
    prove(told == sent, f"{len(sent)} redacted block(s) left the upstream, {len(told)} arrived or were changed")
    replayed = [data for message in talk.exchanges[1].request["messages"] for data in _redacted(blocks(message))]
    prove(replayed == sent, f"{len(sent)} redacted block(s) should have gone back, {len(replayed)} did or were changed")
    talk.prove_answer(nonce)
    return run.passed()


def _redacted(content: list[dict[str, Any]]) -> list[str]:
    """What the redacted thinking blocks among content blocks hold, in order."""
    return [block.get("data", "") for block in content if block.get("type") == "redacted_thinking"]
