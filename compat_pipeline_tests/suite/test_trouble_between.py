"""Trouble between the CLI and the upstream that one of them got over: whom it is held against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat_pipeline.claude.stream import ClaudeResult, CliError
from compat_pipeline.domain.observation import Fail, Inconclusive
from compat_pipeline.suite import cell_run
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.wire.exchange import Exchange, UpstreamControl
from compat_pipeline_tests.suite.stage import NONCE, PROMPT, REQUEST, Stage, asked, exchange, result

OUT_OF_REACH = "litellm.InternalServerError: Cannot connect to host 127.0.0.1:45123 [Connect call failed]"
BROKEN = "'NoneType' object has no attribute 'access_key'"
SECOND = {"system": "Be good.", "messages": [*REQUEST["messages"], {"role": "user", "content": "And again."}]}


def refused(words: str) -> dict[str, object]:
    return {"status": 500, "events": (), "body": {"error": {"message": words}}}


def test_a_turn_that_did_not_get_through_is_not_held_against_the_next_one_s_request(stage: Stage) -> None:
    """The CLI goes on after a turn that failed: then two requests left it, and one reached the upstream."""
    told = result(error=CliError("api", 500, f"API Error: 500 {OUT_OF_REACH}"))
    client = [asked(**refused(OUT_OF_REACH)), asked(request={"stream": True, **SECOND})]
    with pytest.raises(Judged) as judged:
        stage.run(told, exchange(request=SECOND), client=client).ask(NONCE, PROMPT)
    assert isinstance(judged.value.outcome, Inconclusive)
    assert judged.value.outcome.cause == "environment"


@pytest.mark.parametrize(
    ("words", "verdict", "cause"), [(OUT_OF_REACH, Inconclusive, "environment"), (BROKEN, Fail, "gateway")]
)
def test_a_request_that_the_proxy_failed_and_the_cli_did_without_is_judged_by_what_the_proxy_said(
    stage: Stage, words: str, verdict: type[Inconclusive | Fail], cause: str
) -> None:
    client = [asked(), asked(**refused(words)), asked()]
    with pytest.raises(Judged) as judged:
        stage.run(result(), exchange(), exchange(), client=client).converse(NONCE, PROMPT, turns=3, nested=True)
    outcome = judged.value.outcome
    assert isinstance(outcome, verdict)
    assert (outcome.cause, words in outcome.error) == (cause, True)


class Slow(UpstreamControl):
    """A record on which the request of a killed CLI appears only after the call was read."""

    def __init__(self) -> None:
        self._reads = [[], [exchange()], [exchange(), exchange()]]

    def exchanges(self, nonce: str) -> list[Exchange]:  # noqa: ARG002
        return self._reads.pop(0)


def test_a_request_that_the_proxy_passed_on_after_its_cli_was_killed_is_not_the_next_attempt_s(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage.run(result())
    run.upstream = Slow()
    told: Iterator[ClaudeResult] = iter(
        [result(error=CliError("crash", None, "the CLI was killed by SIGKILL")), result()]
    )
    monkeypatch.setattr(cell_run, "run_claude", lambda *_, **__: next(told))
    assert len(run.converse(NONCE, PROMPT).exchanges) == 1
    assert [len(call.upstream) for call in run.calls] == [0, 2]  # all of it was asked for, and paid
