"""Thinking: when a reply starts with it, and what a replay of it must look like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.persona import reply_to
from compat_pipeline_tests.emulator.emulated import (
    HAIKU,
    OPUS,
    SONNET,
    Emulated,
    Json,
    ask,
    assistant,
    call_of,
    exactly,
    new_nonce,
    user,
)

MESSAGES: tuple[Provider, ...] = ("anthropic", "azure", "bedrock_invoke", "vertex_ai")
DEEP = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


def thinks(model: str, **fields: Any) -> bool:
    content, _ = reply_to(call_of(ask("Hello", **fields), model=model))
    return bool(content[0]["type"] == "thinking")


@pytest.mark.parametrize(
    ("effort", "expected"), [(None, False), ("low", False), ("medium", False), ("high", True), ("xhigh", True)]
)
def test_m2_adaptive_thinking_follows_effort(effort: str | None, expected: bool) -> None:
    assert thinks(OPUS, thinking={"type": "adaptive"}, output_config={"effort": effort}) is expected


def test_m2_a_budget_always_thinks_and_no_request_never_does() -> None:
    assert thinks(HAIKU, thinking={"type": "enabled", "budget_tokens": 1024})
    assert not thinks(HAIKU)
    assert not thinks(SONNET, thinking={"type": "disabled"})


def first_turn(emulated: Emulated, provider: Provider, prompt: str) -> list[Json]:
    content: list[Json] = emulated.post(provider, ask(prompt, **DEEP)).raise_for_status().json()["content"]
    return content


@pytest.mark.parametrize("provider", MESSAGES)
def test_c13_an_unchanged_replay_is_accepted(emulated: Emulated, provider: Provider) -> None:
    content = first_turn(emulated, provider, exactly(new_nonce()))
    again = ask("", messages=[user("Hello"), assistant(*content), user("And now?")], **DEEP)
    assert emulated.post(provider, again).status_code == 200


@pytest.mark.parametrize("provider", MESSAGES)
@pytest.mark.parametrize("change", [{"thinking": "Something else."}, {"signature": "AAAA"}, {"signature": ""}])
def test_c13_a_changed_replay_is_refused(emulated: Emulated, provider: Provider, change: Json) -> None:
    thought, said = first_turn(emulated, provider, exactly(new_nonce()))
    again = ask("", messages=[user("Hello"), assistant({**thought, **change}, said), user("And now?")], **DEEP)
    answer = emulated.post(provider, again)
    assert answer.status_code == 400
    assert "messages.1.content.0: Invalid `signature` in `thinking` block" in answer.text


def test_c13_a_signature_of_another_provider_or_model_is_refused(emulated: Emulated) -> None:
    content = first_turn(emulated, "anthropic", exactly(new_nonce()))
    again = ask("", messages=[user("Hello"), assistant(*content), user("And now?")])
    assert emulated.post("anthropic", again).status_code == 200
    assert emulated.post("vertex_ai", again).status_code == 400
    assert emulated.post("anthropic", again, HAIKU).status_code == 400


def test_c13_bedrocks_two_wires_know_each_others_signatures(emulated: Emulated) -> None:
    (thought, _) = first_turn(emulated, "bedrock_invoke", exactly(new_nonce()))
    text = {"text": thought["thinking"], "signature": thought["signature"]}
    body = {
        "messages": [
            {"role": "user", "content": [{"text": "Hello"}]},
            {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": text}}, {"text": "Hi"}]},
            {"role": "user", "content": [{"text": "And now?"}]},
        ]
    }
    assert emulated.post("bedrock_converse", body).status_code == 200
    text["text"] += "!"
    assert emulated.post("bedrock_converse", json.loads(json.dumps(body))).status_code == 400


def test_a_signature_only_block_of_opus_may_go_back_as_it_came(emulated: Emulated) -> None:
    content = emulated.post("anthropic", ask("Hello", **DEEP), OPUS).json()["content"]
    assert content[0]["thinking"] == ""
    again = ask("", messages=[user("Hello"), assistant(*content), user("And now?")], **DEEP)
    assert emulated.post("anthropic", again, OPUS).status_code == 200
