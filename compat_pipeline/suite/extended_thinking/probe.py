"""Thinking is asked for with an effort, comes back signed, and its signature goes back unchanged with the next turn.

Source: Anthropic's extended thinking documentation (a replayed thinking block must be unmodified); LiteLLM bugs
#36507 and #38809 (effort dropped, thinking swallowed on Converse). On Converse the turns meet both shapes in which
Bedrock is known to end a reasoning block (with and without an empty text delta); the third replays the second's.
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks
from compat_pipeline.suite.ways import in_either_shape

_TURNS = 3


def probe(run: CellRun) -> Outcome:
    """A conversation that meets both shapes; a red one says if only one of them is to blame."""
    return in_either_shape(run, _converse)


def _converse(run: CellRun) -> Outcome:
    """Three user turns in one conversation at high effort."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    turn = ({"type": "text", "text": prompt},)
    talk = run.converse(nonce, messages=(turn,) * _TURNS, turns=_TURNS, effort="high")

    signatures: list[str] = []
    for number, (client, exchange) in enumerate(zip(talk.client, talk.exchanges, strict=True), start=1):
        asked = exchange.request.get("thinking") or {}
        prove(asked.get("type") in ("enabled", "adaptive"), f"turn {number} did not ask for thinking: {asked}")
        wanted, got = _effort(client.request), _effort(exchange.request)
        prove(wanted in (None, got), f"turn {number} asked for {wanted} effort, the upstream got {got or 'none'}")
        prove(
            replayed(exchange.request) == signatures,
            f"turn {number} should carry {len(signatures)} signed thinking block(s), it carries "
            f"{len(replayed(exchange.request))}, or a signature was changed",
        )
        sent = thinking_blocks((exchange.reply or {})["content"])
        expect_of_model(bool(sent), f"the model was led to think, but did not in turn {number}")
        signatures += [block["signature"] for block in sent]
    told = [block.signature for block in talk.result.thinking]
    prove(
        told == signatures,
        f"{len(signatures)} signed thinking block(s) left the upstream, {len(told)} reached the CLI or were changed",
    )
    talk.prove_answer(nonce)
    return run.passed()


def _effort(request: dict[str, Any]) -> str | None:
    """How hard the model is to think; models that take a budget instead are not asked."""
    config: dict[str, Any] = request.get("output_config") or {}
    return config.get("effort")


def replayed(request: dict[str, Any]) -> list[str]:
    """The signatures of all thinking blocks that a request carries back."""
    return [
        block["signature"]
        for message in request["messages"]
        if message["role"] == "assistant"
        for block in thinking_blocks(blocks(message))
    ]


def thinking_blocks(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The signed thinking blocks among content blocks."""
    return [block for block in content if block.get("type") == "thinking" and block.get("signature")]
