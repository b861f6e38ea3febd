"""A record that does not fit the call it is of is LiteLLM's fault, and is told as what was due and what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compat_pipeline.claude.stream import Usage
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive
from compat_pipeline.proxy.ledger import LedgerEntry
from compat_pipeline.suite.attribution.probe import probe, prove_attributed
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline_tests.suite.stage import NONCE, Stage, asked, exchange, result

CELL = Cell(feature="attribution", provider="anthropic", model="claude-haiku-4-5")
TOLD = ClientExchange(
    method="POST",
    path="/v1/messages",
    request_headers={"user-agent": "claude-cli/2.1.329 (external, sdk-cli)"},
    request={"model": CELL.target},
    status=200,
    response_headers={},
    events=(),
    body=None,
    broken=None,
    started_at=1.0,
    first_byte_at=1.0,
    finished_at=1.0,
)
USAGE = {
    "input_tokens": 50,
    "cache_read_input_tokens": 14506,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 9,
}
ENTRY = LedgerEntry(
    call_id="a-b",
    model=CELL.target,
    tags=("User-Agent: claude-cli", "User-Agent: claude-cli/2.1.329 (external, sdk-cli)"),
    prompt_tokens=14656,
    completion_tokens=9,
    cache_read_tokens=14506,
    cache_creation_tokens=100,
    cost_usd=0.0016706,
)


def test_a_record_that_fits_is_proven() -> None:
    prove_attributed(CELL, TOLD, USAGE, ENTRY)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tags": ("User-Agent: python-httpx/0.28.1",)}, "LiteLLM recorded the tags"),
        ({"model": "azure/claude-haiku-4-5"}, "LiteLLM recorded 'azure/claude-haiku-4-5'"),
        ({"prompt_tokens": 50}, "counted 14656 input tokens, LiteLLM recorded 50"),
        ({"completion_tokens": None}, "counted 9 output tokens, LiteLLM recorded None"),
        ({"cache_read_tokens": 0}, "counted 14506 cache read tokens, LiteLLM recorded 0"),
        ({"cache_creation_tokens": 0}, "counted 100 cache creation tokens, LiteLLM recorded 0"),
        ({"cost_usd": 0.0}, "costs 0.001671 USD, LiteLLM recorded 0.0"),
        ({"cost_usd": None}, "LiteLLM recorded None"),
        ({"cost_usd": 0.0016706 * 1.1}, "at the provider's list price"),
    ],
)
def test_a_record_that_does_not_fit_is_the_gateways_fault(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(Judged) as judged:
        prove_attributed(CELL, TOLD, USAGE, ENTRY.model_copy(update=wrong))
    assert isinstance(judged.value.outcome, Fail)
    assert judged.value.outcome.cause == "gateway"
    assert told in judged.value.outcome.error


def test_a_record_of_values_that_make_no_sense_is_the_gateways_fault(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(json.dumps({**ENTRY.model_dump(), "prompt_tokens": "many"}) + "\n")
    asked_of = asked(response_headers={"x-litellm-call-id": ENTRY.call_id})
    said = tuple({"type": "result", "result": NONCE} for _ in range(2))
    told = result(events=said, usage=Usage(6, 22, 14, 10))
    run = stage.run(told, exchange(), exchange(), client=[asked_of, asked_of])
    run.settings = run.settings.model_copy(update={"ledger": ledger})
    monkeypatch.setattr(run, "nonce", lambda: NONCE)
    with pytest.raises(Judged, match="recorded the call in values that make no sense") as judged:
        probe(run)
    assert isinstance(judged.value.outcome, Fail)


def test_without_a_list_price_nothing_is_judged() -> None:
    unpriced = Cell(feature="attribution", provider="anthropic", model="claude-unheard-of")
    with pytest.raises(Judged) as judged:
        prove_attributed(unpriced, TOLD, USAGE, ENTRY)
    assert isinstance(judged.value.outcome, Inconclusive)
