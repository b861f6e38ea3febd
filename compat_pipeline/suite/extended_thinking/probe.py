"""Thinking is asked for, comes back signed, and its signature goes back unchanged with the next turn.

Source: Anthropic's extended thinking documentation (a replayed thinking block must be unmodified); LiteLLM bugs
#36507 and #38809 (effort dropped, thinking swallowed on Converse). On Converse the two turns meet both shapes in
which Bedrock is known to end a reasoning block (with and without an empty text delta).
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, blocks, prove


def probe(run: CellRun) -> Outcome:
    """Two user turns in one conversation at high effort."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    turn = ({"type": "text", "text": prompt},)
    talk = run.converse(nonce, messages=(turn, turn), turns=2, effort="high")

    for which, exchange in (("first", talk.exchanges[0]), ("second", talk.exchanges[1])):
        asked = exchange.request.get("thinking") or {}
        prove(asked.get("type") in ("enabled", "adaptive"), f"the {which} turn did not ask for thinking: {asked}")
    sent = thinking_blocks((talk.exchanges[0].reply or {}).get("content", []))
    prove(bool(sent), "the upstream was not led to think")
    signatures = [block["signature"] for block in sent]
    told = [block.signature for block in talk.result.thinking][: len(sent)]
    prove(told == signatures, f"{len(sent)} signed thinking block(s) left the upstream, the CLI saw {len(told)} intact")
    replayed = [
        block
        for message in talk.exchanges[1].request["messages"]
        if message["role"] == "assistant"
        for block in thinking_blocks(blocks(message))
    ]
    prove(
        [block["signature"] for block in replayed] == signatures,
        f"of {len(sent)} thinking block(s), {len(replayed)} went back with the next turn, or a signature was changed",
    )
    prove(talk.result.text == nonce, f"the answer should read '{nonce}', but reads '{talk.result.text}'")
    return run.passed()


def thinking_blocks(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The signed thinking blocks among content blocks."""
    return [block for block in content if block.get("type") == "thinking" and block.get("signature")]
