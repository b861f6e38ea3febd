"""Every rule on requests refuses a request that breaks it, in that provider's own form, and is recorded by its id."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compat_pipeline.emulator.contract import Provider
from compat_pipeline.emulator.refusals import REFUSALS
from compat_pipeline_tests.emulator.emulated import (
    BASH,
    HAIKU,
    OPUS,
    PROVIDERS,
    SONNET,
    Emulated,
    Json,
    ask,
    assistant,
    new_nonce,
    tool_result,
    user,
)
from compat_pipeline_tests.emulator.violations import HOUR, MARK, converse, talk, violations

CASES = violations("nonce-000000000000")


def test_every_rule_has_a_violation_and_every_violation_a_rule() -> None:
    assert {case.rule for case in CASES} == {rule.id for rule in REFUSALS}


@pytest.mark.parametrize("rule", REFUSALS, ids=lambda rule: rule.id)
def test_every_rule_names_its_source_and_symptom(rule: Any) -> None:
    assert rule.source.startswith(("[R]", "[D]", "[I]", "[J]"))
    assert rule.symptom


@pytest.mark.parametrize("index", range(len(CASES)), ids=[str(case) for case in CASES])
def test_a_broken_rule_is_refused_and_recorded_by_its_id(emulated: Emulated, index: int) -> None:
    nonce = new_nonce()
    case = violations(nonce)[index]
    send = emulated.count if case.counting else emulated.post
    answer = send(case.provider, case.request, case.model, betas=case.betas)
    assert answer.status_code == 400
    body = answer.json()
    if case.provider.startswith("bedrock"):
        assert answer.headers["x-amzn-errortype"] == "ValidationException"
        message = body["message"]
    else:
        assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
        message = body["error"]["message"]
    assert case.message in message
    (exchange,) = emulated.control.exchanges(nonce)
    assert (exchange.status, exchange.rule, exchange.error, exchange.reply) == (400, case.rule, message, None)


# --- what comes close to a rule and keeps it ---------------------------------------------------------------------


def test_a_budget_may_exceed_max_tokens_when_thinking_is_interleaved_with_tools(emulated: Emulated) -> None:
    request = ask("Hello", thinking={"type": "enabled", "budget_tokens": 4096}, tools=[BASH])
    assert emulated.post("anthropic", request, HAIKU).status_code == 400
    assert emulated.post("anthropic", request, HAIKU, betas=("interleaved-thinking-2025-05-14",)).status_code == 200


@pytest.mark.parametrize(("model", "effort"), [(SONNET, "max"), (OPUS, "xhigh")])
def test_an_effort_that_the_model_knows_passes(emulated: Emulated, model: str, effort: str) -> None:
    assert emulated.post("anthropic", ask("Hello", output_config={"effort": effort}), model).status_code == 200


def test_context_management_passes_with_its_beta_and_is_reported(emulated: Emulated) -> None:
    request = ask("Hello", context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]})
    for provider in ("anthropic", "bedrock_invoke"):
        answer = emulated.post(provider, request, betas=("context-management-2025-06-27",))
        assert answer.json()["context_management"] == {"applied_edits": []}


def test_four_breakpoints_and_an_hour_before_five_minutes_pass(emulated: Emulated) -> None:
    system = [{"type": "text", "text": "s", **HOUR}, {"type": "text", "text": "s", **HOUR}]
    tools = [{**BASH, **HOUR}]
    content = [{"type": "text", "text": "Hello", **MARK}]
    request = ask("", system=system, tools=tools, messages=[{"role": "user", "content": content}])
    assert emulated.post("anthropic", request).status_code == 200


def test_dropped_thinking_before_a_tool_result_passes_when_thinking_is_adaptive(emulated: Emulated) -> None:
    turns = [
        user("Hello"),
        assistant({"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}),
        user(tool_result("toolu_1", "out")),
    ]
    assert emulated.post("anthropic", ask("", messages=turns, thinking={"type": "adaptive"})).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_the_provider_does_not_serve_is_not_found(emulated: Emulated, provider: Provider) -> None:
    request = converse(talk("x")) if provider == "bedrock_converse" else ask("Hello")
    answer = emulated.post(provider, request, "us.anthropic.claude-sonnet-4-6")
    assert answer.status_code == 404


# --- no request is too odd for an answer -------------------------------------------------------------------------

FIELDS = [
    "messages",
    "system",
    "tools",
    "thinking",
    "max_tokens",
    "anthropic_beta",
    "inferenceConfig",
    "toolConfig",
    "context_management",
    "tool_choice",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
]
WORDS = [
    "role",
    "content",
    "type",
    "text",
    "user",
    "assistant",
    "reasoningContent",
    "reasoningText",
    "toolSpec",
    "image",
    "source",
    "cachePoint",
    "tools",
    "name",
    "enabled",
    "ttl",
    "tool_choice",
]
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(WORDS)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5)


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
@example(body={"messages": [], "system": [{}]})
def test_any_json_object_is_answered_or_refused_never_a_crash(
    emulated: Emulated, provider: Provider, body: Json
) -> None:
    assert emulated.post(provider, body).status_code in (200, 400)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": "\\ud800"}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(emulated: Emulated, content: bytes) -> None:
    answer = emulated.http.post(emulated.url("anthropic"), content=content, headers=emulated.headers("anthropic"))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
