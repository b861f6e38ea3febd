"""The catalogue of wire faults as a whole, and which exchanges a fault touches."""

from __future__ import annotations

from compat_pipeline.wire.client_exchange import HUNG_UP, ClientExchange
from compat_pipeline.wire.faults import FAULTS, Answer, Asked, fault_called, side_by_side
from compat_pipeline_tests.wire.fault_samples import (
    ANSWER,
    CONTENT_CHANGES,
    OF_OTHER_SHAPES,
    REFUSALS,
    REQUEST,
    REQUEST_CHANGES,
    ROWS,
    STREAM_VIOLATIONS,
)
from compat_pipeline_tests.wire.messages import (
    Json,
    message,
    stream,
)


def test_every_fault_is_described_and_has_rows_that_exist() -> None:
    for name, fault in FAULTS.items():
        assert name == fault.name
        assert fault.description
        assert fault.imitates
        assert fault.rows
        assert fault.rows <= ROWS
    assert len({fault.description for fault in FAULTS.values()}) == len(FAULTS)


def test_every_row_has_a_fault_that_leaves_most_other_rows_alone() -> None:
    narrow = [fault.rows for fault in FAULTS.values() if len(fault.rows) <= len(ROWS) / 2]

    assert frozenset().union(*narrow) == ROWS


def test_every_fault_is_tested_here() -> None:
    tested = [*REQUEST_CHANGES, *REFUSALS, *CONTENT_CHANGES, *STREAM_VIOLATIONS, *OF_OTHER_SHAPES]

    assert sorted(tested) == sorted(FAULTS)


def exchange(path: str = "/v1/messages", request: Json | None = None, answer: Json | None = None) -> ClientExchange:
    return ClientExchange(
        method="POST",
        path=path,
        request_headers={},
        request=request or {"model": "m", "stream": True, "messages": [{"role": "user", "content": ""}]},
        status=200,
        response_headers={},
        events=tuple(stream(answer or message({"type": "text", "text": "hi"}))),
        body=None,
        broken=None,
        started_at=1.0,
        first_byte_at=1.0,
        finished_at=1.0,
    )


def test_a_fault_touches_what_it_would_change() -> None:
    plain = exchange()

    assert FAULTS["answer_text_cut"].touches([plain])
    assert FAULTS["request_sent_twice"].touches([plain])
    assert FAULTS["stream_held_back"].touches([plain])
    assert FAULTS["requests_refused"].touches([plain])
    assert FAULTS["picture_dropped"].touches([exchange(request=REQUEST)])
    assert FAULTS["signature_altered"].touches([exchange(answer=ANSWER)])
    for name in ("picture_dropped", "signature_altered", "wrong_code", "call_id_dropped", "count_guessed"):
        assert not FAULTS[name].touches([plain])


def test_a_count_is_no_message() -> None:
    count = exchange("/v1/messages/count_tokens")

    assert FAULTS["count_refused"].touches([count])
    assert not FAULTS["request_sent_twice"].touches([count])
    assert not FAULTS["system_dropped"].touches([count])


def test_a_cell_that_hangs_up_on_an_answer_is_not_tried_with_answers_kept_until_they_are_whole() -> None:
    interrupted = [exchange().model_copy(update={"broken": HUNG_UP}), exchange()]

    assert FAULTS["requests_refused"].touches(interrupted)
    assert FAULTS["hang_up_ignored"].touches(interrupted)
    for name in ("answer_text_cut", "stream_held_back"):
        assert not FAULTS[name].touches(interrupted)


def test_several_at_once_do_what_each_does() -> None:
    one, other = FAULTS["system_dropped"], FAULTS["model_swapped"]
    asked = Asked("messages", {}, REQUEST)
    alone = one.on_request(asked)
    assert isinstance(alone, Asked)
    both = fault_called("system_dropped+model_swapped")

    assert both.on_request(asked) == other.on_request(alone)
    assert not both.changes_answers
    assert both.rows == one.rows | other.rows


def test_of_several_at_once_a_refusal_ends_the_request() -> None:
    both = fault_called("requests_refused+system_dropped")

    assert isinstance(both.on_request(Asked("messages", {}, REQUEST)), Answer)


def test_several_at_once_change_an_answer_one_after_another() -> None:
    both = fault_called("answer_text_cut+usage_zeroed")
    asked, answer = Asked("messages", {}, REQUEST), Answer(200, {}, tuple(stream(ANSWER)))

    cut = FAULTS["answer_text_cut"].on_answer(asked, answer)
    assert both.on_answer(asked, answer) == FAULTS["usage_zeroed"].on_answer(asked, cut) != cut


def test_several_at_once_hold_back_send_again_and_go_on_if_any_does() -> None:
    both = fault_called("stream_held_back+request_sent_twice+hang_up_ignored")

    assert (both.held_back, both.sends, both.deaf_to_hang_up) == ("all", FAULTS["request_sent_twice"].sends, True)


def names_of(*names: str, exchanges: list[ClientExchange], feature: str = "vision") -> list[list[str]]:
    groups = side_by_side([FAULTS[name] for name in names], feature, exchanges)
    return [[fault.name for fault in group] for group in groups]


def test_faults_that_change_different_things_stand_side_by_side() -> None:
    both = [exchange(request=REQUEST, answer=ANSWER)]

    together = ["model_swapped", "answer_text_cut", "stream_held_back", "usage_zeroed"]
    assert names_of(*together, exchanges=both) == [together]


def test_a_refusal_hides_what_would_become_of_the_request() -> None:
    both = [exchange(request=REQUEST)]

    assert names_of("requests_refused", "model_swapped", "stream_held_back", exchanges=both) == [
        ["requests_refused"],
        ["model_swapped", "stream_held_back"],
    ]


def test_what_is_dropped_whole_hides_what_is_cut_whichever_comes_first() -> None:
    both = [exchange(request=REQUEST)]

    assert names_of("system_dropped", "system_cut", exchanges=both) == [["system_dropped"], ["system_cut"]]
    assert names_of("system_cut", "system_dropped", exchanges=both) == [["system_cut"], ["system_dropped"]]


def test_a_refusal_of_something_else_hides_nothing() -> None:
    apart = [exchange(request=REQUEST), exchange("/v1/messages/count_tokens", request=REQUEST)]

    assert names_of("count_refused", "stream_held_back", exchanges=apart) == [["count_refused", "stream_held_back"]]


def test_one_fault_at_a_time_decides_when_a_stream_comes() -> None:
    both = [exchange(request=REQUEST)]

    assert names_of("stream_held_back", "words_held_back", exchanges=both) == [
        ["stream_held_back"],
        ["words_held_back"],
    ]


def test_a_fault_that_diverts_a_cell_stands_alone_there_only() -> None:
    both = [exchange(request=REQUEST, answer=ANSWER)]
    names = ("model_swapped", "streams_refused", "usage_zeroed")

    apart = names_of(*names, exchanges=both, feature="error_surfaces")
    assert apart == [["streams_refused"], ["model_swapped", "usage_zeroed"]]
