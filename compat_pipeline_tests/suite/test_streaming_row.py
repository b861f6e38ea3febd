"""What the streaming row takes for a stream that comes as it is written."""

from __future__ import annotations

import re

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.claude.stream import Usage
from compat_pipeline.domain.observation import Fail
from compat_pipeline.suite.basic_messaging_streaming.probe import probe
from compat_pipeline.wire.exchange import NONCE_PATTERN
from compat_pipeline_tests.suite.stage import Side, Stage, asked, exchange, result
from compat_pipeline_tests.wire.messages import message, stream

_BEGUN, _SAID, _NEARLY_WHOLE = 3, 6, 60
"""So many events are the begin of a stream, its first pieces, nearly all of them."""


def outcome_of(stage: Stage, *pauses: tuple[float, int]) -> str:
    """How the row is judged if the longest wait in its streams is so many seconds, after so many events."""
    left = iter(pauses)

    def play(call: ClaudeCall) -> Side:
        prompt = str(call.prompt)
        numbers = range(1, int(re.findall(r"1 to (\d+)", prompt)[0]) + 1)
        said = message({"type": "text", "text": " ".join([*re.findall(NONCE_PATTERN, prompt), *map(str, numbers)])})
        text, events = said["content"][0]["text"], tuple(stream(said))
        request = {"stream": True, "messages": [{"role": "user", "content": prompt}]}
        paused_s, after = next(left)
        assert after < len(events) - 3
        passed = asked(request=request, events=events, paused_s=paused_s, paused_after=after)
        told = result(text=text, stream_events=events, usage=Usage(11, 9, 7, 5))
        return told, [passed], [exchange(request=request, reply=said)]

    outcome = probe(stage.plays(play))
    assert outcome.status == "pass" or (isinstance(outcome, Fail) and "held back" in outcome.error), outcome
    return outcome.status


def test_a_pause_after_the_first_pieces_passes(stage: Stage) -> None:
    assert outcome_of(stage, (0.4, _SAID)) == "pass"


def test_a_short_pause_that_was_lost_on_the_way_has_a_second_chance(stage: Stage) -> None:
    assert outcome_of(stage, (0.1, _SAID), (4.0, _SAID)) == "pass"


@pytest.mark.parametrize(
    ("paused_s", "after"),
    [(0.0, 0), (0.2, _SAID), (4.0, _BEGUN), (4.0, _NEARLY_WHOLE)],
    ids=["no pause", "a short one", "before the first piece", "near the end"],
)
def test_any_other_wait_is_no_stream_as_it_is_written(stage: Stage, paused_s: float, after: int) -> None:
    assert outcome_of(stage, (paused_s / 10, after), (paused_s, after)) == "fail"
