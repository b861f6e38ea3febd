"""When the emulator itself breaks: said and recorded as nobody else's fault."""

from __future__ import annotations

from typing import NoReturn

import pytest

from compat_pipeline.emulator import upstream, wire_anthropic, wire_bedrock_converse, wire_vertex
from compat_pipeline.emulator.contract import Provider
from compat_pipeline_tests.emulator.emulated import PROVIDERS, Emulated, Json, ask, exactly, new_nonce

TOLD = "the emulator broke: KeyError: 'a bug'"


def breaks(*_: object) -> NoReturn:
    raise KeyError("a bug")


def hello(provider: Provider, nonce: str) -> Json:
    if provider == "bedrock_converse":
        return {"messages": [{"role": "user", "content": [{"text": exactly(nonce)}]}]}
    return ask(exactly(nonce))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_fault_of_its_own_is_a_500_that_is_on_record_and_in_the_log(
    emulated: Emulated,
    provider: Provider,
    stream: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(upstream, "reply_to", breaks)
    nonce = new_nonce()
    answer = emulated.post(provider, hello(provider, nonce), stream=stream)
    assert (answer.status_code, TOLD in answer.text) == (500, True)
    (exchange,) = emulated.control.exchanges(nonce)
    assert (exchange.provider, exchange.status, exchange.error, exchange.rule) == (provider, 500, TOLD, None)
    assert "Traceback" in caplog.text
    assert "KeyError: 'a bug'" in caplog.text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_cannot_be_encoded_is_on_record_as_broken(
    emulated: Emulated, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, function in ((wire_anthropic, "_opened"), (wire_bedrock_converse, "_usage")):
        monkeypatch.setattr(module, function, breaks)
    nonce = new_nonce()
    assert emulated.post(provider, hello(provider, nonce), stream=True).status_code == 500
    assert [one.error for one in emulated.control.exchanges(nonce)] == [TOLD]


def test_a_request_that_cannot_be_read_is_found_by_its_nonce_all_the_same(
    emulated: Emulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_bedrock_converse, "read_converse", breaks)
    nonce = new_nonce()
    assert emulated.post("bedrock_converse", hello("bedrock_converse", nonce)).status_code == 500
    assert [(one.status, one.error) for one in emulated.control.exchanges(nonce)] == [(500, TOLD)]


def test_whatever_else_breaks_says_so_to_whom_it_answers(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_vertex, "issue_token", breaks)
    answer = emulated.http.post(f"{emulated.base_url}/token")
    assert (answer.status_code, answer.json()) == (500, {"error": TOLD})


def test_it_goes_on_serving(emulated: Emulated, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(upstream, "reply_to", breaks)
        emulated.post("anthropic", ask(exactly(new_nonce())))
    assert emulated.post("anthropic", ask(exactly(new_nonce()))).status_code == 200
