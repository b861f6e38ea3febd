"""The persona summarises a conversation and goes on from a summary."""

from __future__ import annotations

from typing import Any

from compat_pipeline.emulator.persona import reply_to
from compat_pipeline_tests.emulator.emulated import ask, assistant, call_of, exactly, user

CODE = "nonce-0123456789ab"
TELLING = f"The password is swordfish. {exactly('nonce-aaaaaaaaaaaa')}"
ASKING = f"Which password did I tell you? Reply with the code {CODE} followed by that password"
SUMMARISE = "Respond with text only.\n\nYour task is to create a detailed summary of the conversation so far, please."
CONTINUED = "This session is being continued from a previous conversation that ran out of context.\n"


def answer(*messages: dict[str, Any]) -> str:
    (block,), _ = reply_to(call_of(ask("", messages=list(messages))))
    return str(block["text"])


def test_it_tells_the_password_that_it_was_told() -> None:
    assert answer(user(TELLING), assistant("nonce-aaaaaaaaaaaa"), user(ASKING)) == f"{CODE} swordfish"


def test_it_does_not_know_a_password_that_the_request_does_not_hold() -> None:
    assert answer(user(ASKING)) == f"{CODE} no password"


def test_a_summary_holds_what_either_side_said_and_not_the_request_for_it() -> None:
    told = answer(user(TELLING), assistant("nonce-aaaaaaaaaaaa"), user(SUMMARISE))
    analysis, _, summary = told.partition("</analysis>")
    assert analysis.startswith("<analysis>")
    assert summary.strip().startswith("<summary>")
    assert summary.endswith("</summary>")
    assert f"- {TELLING}" in summary
    assert "- nonce-aaaaaaaaaaaa\n" in summary
    assert "Your task" not in told


def test_a_summary_of_a_cut_conversation_lacks_what_was_cut() -> None:
    assert "swordfish" not in answer(user(SUMMARISE))


def test_it_goes_on_from_a_summary_without_answering_what_was_said_before_it() -> None:
    assert answer(user(f"{CONTINUED}- {TELLING}", ASKING)) == f"{CODE} swordfish"
