"""What the row about errors takes for the errors that it asked for, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.claude.stream import read_stream
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.ground.child import ChildRun
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.suite.error_surfaces.probe import probe
from compat_pipeline.wire.exchange import CUT_SHORT
from compat_pipeline_tests.suite.stage import STREAM, Side, Stage, asked, exchange

ARMED = (
    (400, "invalid_request_error", "prompt is too long"),
    (401, "authentication_error", "invalid x-api-key"),
    (529, "overloaded_error", "Overloaded"),
)
CUT = (200, "", CUT_SHORT)
ANSWER = {"type": "result", "subtype": "success", "is_error": False, "result": "Oslo"}


def failed(status: int, words: str) -> dict[str, Any]:
    said = f"API Error: {status} {words}"
    return {"type": "result", "subtype": "success", "is_error": True, "api_error_status": status, "result": said}


TOLD = [*(failed(status, words) for status, _, words in ARMED), ANSWER]


def judged(
    stage: Stage,
    *refusals: tuple[int, str, str],
    told: Sequence[Mapping[str, Any]] = TOLD,
    exit_code: int = 0,
    record: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
    error: object = None,
) -> Outcome:
    """How the row is judged whose prompts the upstream refused so, one by one, as LiteLLM and the CLI told it.

    `record` tells for prompts, by number, which exchanges with the upstream they led to instead of a refusal; `error`
    is what LiteLLM makes of each.
    """

    def play(call: ClaudeCall) -> Side:
        passed, seen = [], []
        for number, (turn, (status, kind, words)) in enumerate(zip(call.messages, refusals, strict=False), 1):
            request = {"messages": [{"role": "user", "content": list(turn)}]}
            refusal = {"status": status, "reply": None, "error": words}
            seen += [exchange(request=request, **one) for one in (record or {}).get(number, [refusal])]
            body = {"error": error or {"type": kind, "message": words}} if status != 200 else None
            events = STREAM[:3] if status == 200 else ()
            passed.append(asked(status=status, events=events, body=body, request=request))
        lines = tuple(json.dumps(line).encode() for line in told)
        ended = ChildRun(lines, "", exit_code=exit_code, timed_out=False, started_at=0.0, duration_s=1.0, cpu_s=0.0)
        return read_stream(ended, turns=len(call.messages)), passed, seen

    try:
        return probe(stage.plays(play))
    except Judged as ended:
        return ended.outcome


def test_each_error_told_as_what_it_is_passes(stage: Stage) -> None:
    assert judged(stage, *ARMED, CUT).status == "pass"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("invalid_request_error", "400 invalid_request_error"),
        (["prompt is too long"], "400 ['prompt is too long']"),
        ({"type": ["invalid_request_error"], "message": "prompt is too long"}, "400 ['invalid_request_error']"),
    ],
    ids=["a text", "a list", "a list for its type"],
)
def test_an_error_in_a_form_that_is_not_documented_is_litellm_s_fault(stage: Stage, error: object, told: str) -> None:
    outcome = judged(stage, *ARMED, CUT, error=error)
    assert outcome == Fail(error=f"a prompt too long (400: prompt is too long) is told as {told}")


@pytest.mark.parametrize(
    ("refusals", "cause"),
    [
        (((500, "api_error", "the emulator broke: KeyError: 'x'"), *ARMED[1:], CUT), "harness"),
        ((*ARMED, (429, "rate_limit_error", "rate limit reached")), "provider"),
        ((*ARMED, (400, "invalid_request_error", "Your credit balance is too low")), "account"),
    ],
    ids=["our own upstream broke", "no answer to cut: busy", "no answer to cut: no credit"],
)
def test_a_refusal_that_was_not_asked_for_judges_no_product(
    stage: Stage, refusals: Sequence[tuple[int, str, str]], cause: str
) -> None:
    outcome = judged(stage, *refusals)
    assert isinstance(outcome, Inconclusive)
    assert outcome.cause == cause


OUT_OF_REACH = (500, "api_error", "litellm.InternalServerError: Cannot connect to host 127.0.0.1:45123")
OF_ITS_OWN = (500, "api_error", "'NoneType' object has no attribute 'access_key'")


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize(("answer", "status"), [(OUT_OF_REACH, "inconclusive"), (OF_ITS_OWN, "fail")])
def test_a_prompt_that_did_not_reach_the_upstream_is_judged_by_what_the_proxy_said(
    stage: Stage, number: int, answer: tuple[int, str, str], status: str
) -> None:
    came = [*ARMED, CUT]
    came[number - 1] = answer
    outcome = judged(stage, *came, record={number: []})
    assert isinstance(outcome, Fail | Inconclusive)
    assert (outcome.status, answer[2] in outcome.error) == (status, True)
    assert outcome.cause == ("environment" if status == "inconclusive" else "gateway")


def test_an_answer_without_a_stream_cannot_be_cut_short(stage: Stage) -> None:
    assert judged(stage, *ARMED, CUT, record={4: [{"streamed": False}]}).status == "pass"


@pytest.mark.parametrize(
    ("last", "record", "status"),
    [
        (CUT, [], "fail"),
        (OF_ITS_OWN, [{"streamed": False}], "fail"),
        (CUT, [{"status": 400, "reply": None, "error": "no such field", "rule": "A1"}], "fail"),
        (CUT, [{"streamed": True}], "inconclusive"),
    ],
    ids=["made up by the proxy", "lost by the proxy", "refused for a rule it broke", "not cut by our upstream"],
)
def test_without_an_answer_that_was_cut_short_nothing_is_proven(
    stage: Stage, last: tuple[int, str, str], record: Sequence[Mapping[str, Any]], status: str
) -> None:
    assert judged(stage, *ARMED, last, record={4: record}).status == status


def test_a_cli_that_was_killed_between_two_prompts_judges_no_product(stage: Stage) -> None:
    outcome = judged(stage, ARMED[0], told=[failed(400, "prompt is too long")], exit_code=-9)
    assert isinstance(outcome, Inconclusive)
    assert outcome.cause == "environment"
