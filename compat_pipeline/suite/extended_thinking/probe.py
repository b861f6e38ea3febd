"""Thinking is asked for as the user chose, comes back signed, and its signature goes back unchanged with the next turn.

Source: Anthropic's extended thinking documentation (a replayed thinking block must be unmodified); LiteLLM bugs
#36507 and #38809 (effort dropped, thinking swallowed on Converse), and v1.83.9-v1.87.x (a budget mapped to effort
xhigh, which Sonnet and Opus 4.6 refuse). On Converse the turns meet both shapes in which Bedrock is known to end a
reasoning block (with and without an empty text delta); the third replays the second's.

Where a model takes an effort or a budget, both are asked for, the budget by Claude Code's MAX_THINKING_TOKENS and
CLAUDE_CODE_DISABLE_ADAPTIVE_THINKING. Where it takes a budget only, that of the first conversation is compared.
"""

from __future__ import annotations

from typing import Any

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun, expect_of_model, prove
from compat_pipeline.suite.crossing import blocks
from compat_pipeline.suite.ways import in_either_shape
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import Exchange

_TURNS = 3
_THINKS = ("enabled", "adaptive")
_BUDGET_TOKENS = 4096
_BUDGET = {"MAX_THINKING_TOKENS": str(_BUDGET_TOKENS), "CLAUDE_CODE_DISABLE_ADAPTIVE_THINKING": "1"}
_EFFORT_ONLY = frozenset({"claude-opus-4-7"})
"""Models that take no budget (AWS, adaptive thinking): Claude Code sends them none."""

_ADAPTIVE_INSTEAD = frozenset({"bedrock_invoke"})
"""Where LiteLLM is known to ask for adaptive thinking at the same effort in place of a budget: a finding, no fail.

It does so for the edit `clear_thinking_20251015`, which Claude Code always asks for; the model thinks, without a cap.
"""


def probe(run: CellRun) -> Outcome:
    """Conversations that meet both shapes; a red one says if only one of them is to blame."""
    return in_either_shape(run, _think)


def _think(run: CellRun) -> Outcome:
    """By effort, and by a budget where the model takes either."""
    asked = _at_high_effort(run)
    if asked.get("type") == "adaptive" and run.cell.model not in _EFFORT_ONLY:
        _within_budget(run)
    return run.passed()


def _at_high_effort(run: CellRun) -> dict[str, Any]:
    """Three user turns in one conversation; returns how Claude Code asked for thinking."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    turn = ({"type": "text", "text": prompt},)
    talk = run.converse(nonce, messages=(turn,) * _TURNS, turns=_TURNS, effort="high")

    signatures: list[str] = []
    for number, (client, exchange) in enumerate(zip(talk.client, talk.exchanges, strict=True), start=1):
        prove_thinking_asked(client, exchange, f"turn {number}")
        _prove_effort(client, exchange, f"turn {number}")
        _prove_budget(client, exchange, f"turn {number}")
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
    return _thinking(talk.client[0].request)


def _within_budget(run: CellRun) -> None:
    """One turn with a budget; the model thinks, and the budget is what the user chose."""
    nonce = run.nonce()
    talk = run.converse(nonce, f"Reply with exactly this code and nothing else: {nonce}", extra_env=_BUDGET)
    client, exchange = talk.client[0], talk.exchanges[0]
    chosen = _thinking(client.request).get("budget_tokens")
    prove(
        chosen == _BUDGET_TOKENS, f"a budget of {_BUDGET_TOKENS} was chosen, Claude Code asked for {chosen}", "client"
    )
    _prove_effort(client, exchange, "the turn with a budget")
    if run.cell.provider in _ADAPTIVE_INSTEAD and _thinking(exchange.request).get("type") == "adaptive":
        run.findings.append(f"LiteLLM asked for adaptive thinking without a cap, not for a budget of {chosen} tokens")
    else:
        _prove_budget(client, exchange, "the turn with a budget")
    expect_of_model(
        bool(thinking_blocks(talk.replies[0]["content"])), "the model was given a budget, but did not think"
    )
    talk.prove_answer(nonce)


def _prove_effort(client: ClientExchange, exchange: Exchange, turn: str) -> None:
    """The upstream is asked to think as hard as the CLI asked; models that take a budget only are not asked."""
    wanted, got = ((one.request.get("output_config") or {}).get("effort") for one in (client, exchange))
    prove(wanted in (None, got), f"{turn} asked for {wanted} effort, the upstream got {got or 'none'}")


def _prove_budget(client: ClientExchange, exchange: Exchange, turn: str) -> None:
    wanted, got = (
        {name: _thinking(one.request).get(name) for name in ("type", "budget_tokens")} for one in (client, exchange)
    )
    prove(wanted == got, f"{turn} asked for thinking as {wanted}, the upstream got {got}")


def prove_thinking_asked(client: ClientExchange, exchange: Exchange, turn: str) -> None:
    """Claude Code asked for thinking in that turn, and so was the upstream."""
    wanted, got = (_thinking(one.request) for one in (client, exchange))
    prove(wanted.get("type") in _THINKS, f"{turn}: Claude Code did not ask for thinking: {wanted}", "client")
    prove(got.get("type") in _THINKS, f"{turn} did not ask for thinking: {got}")


def _thinking(request: dict[str, Any]) -> dict[str, Any]:
    """How the model is to think."""
    return request.get("thinking") or {}


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
