"""An answer of the proxy that is not in the form of a message fails the row that reads it; it breaks no test."""

from __future__ import annotations

import pytest

from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.suite.true_non_streaming.probe import probe as ask_for_a_whole_answer
from compat_pipeline.suite.web_search.probe import results
from compat_pipeline_tests.suite.stage import NONCE, USAGE, Stage, asked, exchange, result

ANSWER = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": NONCE}],
    "stop_reason": "end_turn",
}


@pytest.mark.parametrize("usage", [None, [11], "11 tokens"])
def test_token_counts_that_are_none_are_told_as_not_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, usage: object
) -> None:
    sent = exchange(streamed=False, reply=ANSWER | {"usage": USAGE})
    told = asked(request=sent.request, events=(), body=ANSWER | {"usage": usage})
    run = stage.run(result(), sent, client=[told])
    monkeypatch.setattr(run, "nonce", lambda: NONCE)
    with pytest.raises(Judged, match="the upstream counted 3 input_tokens, the client was told 0"):
        ask_for_a_whole_answer(run)


@pytest.mark.parametrize("content", [None, ["red"], [{}], [{"type": "web_search_tool_result"}]])
def test_search_results_that_are_none_are_not_those_that_were_sent(content: object) -> None:
    page = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"title": "t"}]}
    assert results({"content": content}) != results({"content": [page]})
