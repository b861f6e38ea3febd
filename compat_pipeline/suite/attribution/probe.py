"""LiteLLM records each request once: as Claude Code's, with the upstream's token counts, at the provider's price.

Source: LiteLLM, spend tracking (request tags hold the caller's user agent; `x-litellm-call-id` leads from an answer to
its record). LiteLLM bug #28943 (no record of a streamed `/v1/messages`, so no cost). Claude Code streams, and a stream
begins before its cost is known: no header can tell it, LiteLLM's own record must. The second turn reads from the cache
what the first one wrote, so that each of the prices counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.proxy.ledger import Ledger, LedgerEntry
from compat_pipeline.suite.attribution.prices import list_price_usd
from compat_pipeline.suite.cell_run import INPUT_COUNTS, CellRun, Judged, prove
from compat_pipeline.suite.tool_turn import WITHOUT_THINKING
from compat_pipeline.wire.client_exchange import ClientExchange

_TURNS = 2
_LIMIT_S = 10.0
_POLL_S = 0.05


def probe(run: CellRun) -> Outcome:
    """A conversation of two turns, then LiteLLM's record of each."""
    ledger = _ledger_of(run)
    nonce = run.nonce()
    turn = ({"type": "text", "text": f"Reply with exactly this code and nothing else: {nonce}"},)
    talk = run.converse(nonce, messages=(turn,) * _TURNS, turns=_TURNS, extra_env=WITHOUT_THINKING)
    talk.prove_answer(nonce)
    for told, reply in zip(talk.client, talk.replies, strict=True):
        prove_attributed(run.cell, told, reply["usage"], _record_of(told, ledger))
    return run.passed()


def _ledger_of(run: CellRun) -> Ledger:
    """The ledger of the proxy; nothing is judged without one that is kept."""
    ledger = Ledger(run.settings.ledger) if run.settings.ledger else None
    if ledger is None or not ledger.kept:
        raise Judged(Inconclusive(cause="harness", error="the proxy keeps no ledger of what LiteLLM records"))
    return ledger


def _record_of(told: ClientExchange, ledger: Ledger) -> LedgerEntry:
    """What LiteLLM recorded of a call that it answered."""
    call_id = told.response_headers.get("x-litellm-call-id", "")
    prove(bool(call_id), "the answer does not say under which id LiteLLM recorded the call")
    deadline = time.monotonic() + _LIMIT_S
    try:
        while not (entries := ledger.entries(call_id)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    except ValueError as error:
        raise Judged(Fail(error=f"LiteLLM recorded the call in values that make no sense: {error}")) from error
    prove(len(entries) == 1, f"LiteLLM answered the call once and recorded it {len(entries)} times")
    return entries[0]


def prove_attributed(cell: Cell, told: ClientExchange, usage: Mapping[str, Any], entry: LedgerEntry) -> None:
    """LiteLLM recorded who asked, for which model, what the upstream counted (`usage`), and what that costs."""
    agent = told.request_headers.get("user-agent", "")
    prove(bool(agent), "Claude Code did not name itself in `user-agent`", "client")
    prove(f"User-Agent: {agent}" in entry.tags, f"'{agent}' asked, LiteLLM recorded the tags {list(entry.tags)}")
    asked = told.request["model"]
    prove(entry.model == asked, f"'{asked}' was asked for, LiteLLM recorded '{entry.model}'")
    for what, due, recorded in (
        ("input", sum(usage[name] for name in INPUT_COUNTS), entry.prompt_tokens),
        ("output", usage["output_tokens"], entry.completion_tokens),
        ("cache read", usage["cache_read_input_tokens"], entry.cache_read_tokens),
        ("cache creation", usage["cache_creation_input_tokens"], entry.cache_creation_tokens),
    ):
        prove(recorded == due, f"the upstream counted {due} {what} tokens, LiteLLM recorded {recorded}")
    due_usd = list_price_usd(cell.provider, cell.model, usage)
    if due_usd is None:
        raise Judged(Inconclusive(cause="harness", error=f"no list price of {cell.model} is known"))
    prove(
        entry.cost_usd is not None and math.isclose(entry.cost_usd, due_usd, rel_tol=1e-6),
        f"at the provider's list price the answer costs {due_usd:.6f} USD, LiteLLM recorded {entry.cost_usd}",
    )
