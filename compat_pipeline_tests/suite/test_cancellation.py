"""What the row about Ctrl-C holds against whom; that it tells a sound wire from a deaf one, the wire faults show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compat_pipeline.claude.stream import ClaudeResult, CliError, read_stream
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.ground.child import ChildRun
from compat_pipeline.suite.cancellation.probe import probe
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange
from compat_pipeline_tests.suite.stage import Side, Stage, asked, exchange, result

INTERRUPTED = result(error=CliError("other", None, "interrupted"))
BEGAN = 100.0
CUT = exchange(started_at=BEGAN, finished_at=BEGAN, delivered=False)


def hung_up(at: float = BEGAN + 0.5) -> list[ClientExchange]:
    return [asked(broken=HUNG_UP, finished_at=at)]


def told(exit_code: int = 0, **words: Any) -> ClaudeResult:
    line = json.dumps({"type": "result", "subtype": "success", "is_error": False} | words).encode()
    run = ChildRun((line,), "", exit_code=exit_code, timed_out=False, started_at=0.0, duration_s=0.3, cpu_s=0.0)
    return read_stream(run)


def judged(stage: Stage, *sides: Side) -> Outcome:
    """How the row is judged whose calls of the CLI went so; the last is the prompt after the interruption."""
    calls = iter(sides)
    try:
        return probe(stage.plays(lambda _: next(calls)))
    except Judged as ended:
        return ended.outcome


ANSWERED: Side = (told(result="Oslo"), [asked()], [exchange()])
STOPPED: Side = (INTERRUPTED, hung_up(), [CUT])


def test_an_answer_that_ends_with_the_hang_up_and_a_next_one_pass(stage: Stage) -> None:
    assert judged(stage, STOPPED, ANSWERED).status == "pass"


@pytest.mark.parametrize(
    ("side", "complaint"),
    [
        ((told(result=""), [], []), "did not reach the upstream"),
        ((told(result=""), [asked(events=())], [exchange()]), "was not answered"),
    ],
    ids=["nothing was asked", "an empty answer"],
)
def test_a_next_prompt_without_an_answer_is_no_pass(stage: Stage, side: Side, complaint: str) -> None:
    outcome = judged(stage, STOPPED, side)
    assert isinstance(outcome, Fail)
    assert complaint in outcome.error


@pytest.mark.parametrize(
    ("side", "cause"),
    [
        (
            (INTERRUPTED, [asked(status=529, events=()), *hung_up()],
             [exchange(status=529, error="Overloaded", reply=None), CUT]),
            "provider",
        ),
        (
            (result(), [asked(), asked(request={"stream": False})],
             [exchange(error="the relay lost the connection to anthropic: ReadError"), exchange(streamed=False)]),
            "environment",
        ),
        (
            (INTERRUPTED, [asked(status=500, events=(), body={"error": "ECONNREFUSED"}), *hung_up()], [CUT]),
            "environment",
        ),
    ],
    ids=["overloaded, asked again", "connection lost, asked again", "not passed on, asked again"],
)  # fmt: skip
def test_trouble_on_the_way_that_the_cli_asked_again_after_judges_no_product(
    stage: Stage, side: Side, cause: str
) -> None:
    outcome = judged(stage, side, ANSWERED)
    assert isinstance(outcome, Inconclusive)
    assert outcome.cause == cause


@pytest.mark.parametrize(
    ("hangs_up_after_s", "status"), [(0.5, "fail"), (2.9, "pass")], ids=["in time", "too late to tell"]
)
def test_an_upstream_that_wrote_to_the_end_is_held_against_the_proxy_only_if_the_hang_up_came_in_time(
    stage: Stage, hangs_up_after_s: float, status: str
) -> None:
    """The relay's exchange ends after the pause, the emulator's before: only the request's time means the same."""
    whole = exchange(started_at=BEGAN, finished_at=BEGAN + 3.3, delivered=True)
    side: Side = (INTERRUPTED, hung_up(BEGAN + hangs_up_after_s), [whole])
    assert judged(stage, side, STOPPED, ANSWERED).status == status
