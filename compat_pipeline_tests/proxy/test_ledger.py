"""The ledger holds LiteLLM's record of each call, and not a word of what was said."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.ledger import CALLBACK, CALLBACK_FOLDER, LEDGER_VARIABLE, Ledger, LedgerEntry
from compat_pipeline.proxy.within.compat_ledger import record

AGENT = "User-Agent: claude-cli/2.1.329 (external, sdk-cli)"
PAYLOAD: dict[str, Any] = {
    "messages": [{"role": "user", "content": "a word"}],
    "response": {"content": "another word"},
    "model_group": "azure/claude-haiku-4-5",
    "request_tags": ["User-Agent: claude-cli", AGENT],
    "prompt_tokens": 107,
    "completion_tokens": 9,
    "response_cost": 0.000125,
    "metadata": {"usage_object": {"cache_read_input_tokens": 50, "cache_creation_input_tokens": 7}},
}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv(LEDGER_VARIABLE, str(tmp_path / "ledger.jsonl"))
    return Ledger(tmp_path / "ledger.jsonl")


def write(call_id: str, payload: dict[str, Any] = PAYLOAD) -> None:
    """What LiteLLM does once a call has ended."""
    kwargs = {"litellm_call_id": call_id, "standard_logging_object": payload, "messages": payload.get("messages")}
    asyncio.run(record(kwargs, object(), None, None))


def test_a_call_is_found_by_its_id(ledger: Ledger) -> None:
    write("first")
    write("second")
    assert ledger.entries("second") == [
        LedgerEntry(
            call_id="second",
            model="azure/claude-haiku-4-5",
            tags=("User-Agent: claude-cli", AGENT),
            prompt_tokens=107,
            completion_tokens=9,
            cache_read_tokens=50,
            cache_creation_tokens=7,
            cost_usd=0.000125,
        )
    ]
    assert ledger.entries("third") == []


def test_no_word_of_prompt_or_answer_is_kept(ledger: Ledger) -> None:
    write("first")
    assert "word" not in ledger.path.read_text()


def test_a_call_that_was_recorded_twice_shows_twice(ledger: Ledger) -> None:
    write("first")
    write("first")
    assert len(ledger.entries("first")) == 2


def test_what_litellm_did_not_record_is_none(ledger: Ledger) -> None:
    write("first", {})
    (entry,) = ledger.entries("first")
    assert (entry.tags, entry.cost_usd, entry.prompt_tokens, entry.cache_read_tokens) == ((), None, None, None)


def test_a_line_that_is_being_written_does_not_count(ledger: Ledger) -> None:
    write("first")
    with ledger.path.open("a") as file:
        file.write('{"call_id": "second"')
    assert ledger.entries("second") == []


def test_a_ledger_is_kept_from_its_first_record_on(ledger: Ledger) -> None:
    assert not ledger.kept
    assert ledger.entries("first") == []
    write("first")
    assert ledger.kept


def test_a_ledger_that_cannot_be_read_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="cannot read LiteLLM's ledger"):
        _ = Ledger(tmp_path).kept


def test_litellm_finds_the_callback_by_its_name() -> None:
    module, _, function = CALLBACK.partition(".")
    assert (CALLBACK_FOLDER / f"{module}.py").is_file()
    assert record.__name__ == function
