"""What the proxy changes on its way is named; what it may change is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from compat_pipeline.suite.crossing import harm, user_text
from compat_pipeline.wire.client_exchange import ClientExchange
from compat_pipeline.wire.exchange import Exchange

REQUEST: dict[str, Any] = {
    "max_tokens": 32000,
    "system": [{"type": "text", "text": "Be good."}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Say red."}]}],
}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "echo red"}}
ANSWER: dict[str, Any] = {
    "type": "message",
    "content": [{"type": "thinking", "thinking": "Red.", "signature": "s"}, {"type": "text", "text": "red"}, CALL],
    "stop_reason": "tool_use",
}


def told(request: dict[str, Any], answer: dict[str, Any]) -> ClientExchange:
    return ClientExchange(
        method="POST", path="/v1/messages", request_headers={}, request=request, status=200, response_headers={},
        events=(), body=answer, broken=None, started_at=0, first_byte_at=0, finished_at=0,
    )  # fmt: skip


def seen(request: dict[str, Any], answer: dict[str, Any]) -> Exchange:
    return Exchange(
        provider="anthropic", operation="messages", model="claude-haiku-4-5", streamed=False, headers={},
        request=request, status=200, reply=answer, started_at=0, finished_at=0,
    )  # fmt: skip


def changed(*, request: dict[str, Any] | None = None, answer: dict[str, Any] | None = None) -> list[str]:
    """The harm found when these fields of the request arrived so, and these of the answer were told so."""
    return harm([told(REQUEST, ANSWER | (answer or {}))], [seen(REQUEST | (request or {}), ANSWER)])


def test_what_crosses_unchanged_is_unharmed() -> None:
    assert changed() == []


@pytest.mark.parametrize(
    ("request_change", "complaint"),
    [
        ({"system": [{"type": "text", "text": "Be"}]}, "the system prompt did not reach the upstream whole"),
        ({"messages": [{"role": "user", "content": "Say"}]}, "the user's words did not reach the upstream whole"),
        ({"max_tokens": 8192}, "max_tokens 32000 was asked for, the upstream got 8192"),
    ],
)
def test_a_request_that_was_changed_is_told(request_change: dict[str, Any], complaint: str) -> None:
    assert changed(request=request_change) == [complaint]


@pytest.mark.parametrize(
    ("answer_change", "complaint"),
    [
        ({"content": [{"type": "text", "text": "blue"}, CALL]}, "sent the text 'red', the CLI was given 'blue'"),
        ({"content": [{"type": "text", "text": "red"}, CALL | {"input": {}}]}, "the CLI was given \"[('Bash', {})]\""),
        ({"stop_reason": "max_tokens"}, "sent the stop reason 'tool_use', the CLI was given 'max_tokens'"),
    ],
)
def test_an_answer_that_was_changed_is_told(answer_change: dict[str, Any], complaint: str) -> None:
    [found] = changed(answer=answer_change)
    assert complaint in found


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            [{"type": "text", "text": "red"}, {"type": "text", "text": None}, CALL],
            "given \"{'type': 'text', 'text': None}",
        ),
        ([{"type": "text", "text": "red"}, {"type": "text"}, CALL], "given \"{'type': 'text'}\" for a content block"),
        (["red", *ANSWER["content"]], "the CLI was given 'red' for a content block"),
        (
            [{"type": "text", "text": "red"}, {"type": "tool_use", "name": "Bash"}],
            "the CLI was given \"[('Bash', None)]\"",
        ),
        (None, "the upstream sent the text 'red', the CLI was given ''"),
        (7, "the upstream sent the text 'red', the CLI was given ''"),
    ],
    ids=["text null", "no text", "no block", "a call without input", "null", "a number"],
)
def test_an_answer_that_breaks_the_form_of_a_message_is_told(content: object, complaint: str) -> None:
    assert complaint in "; ".join(changed(answer={"content": content}))


@pytest.mark.parametrize("messages", [None, ["red"], [{"content": "red"}], [{"role": "user", "content": [{}, None]}]])
def test_a_request_that_breaks_the_form_of_a_message_does_not_carry_the_words(messages: object) -> None:
    assert changed(request={"messages": messages}) == ["the user's words did not reach the upstream whole"]


def test_the_form_of_the_same_words_does_not_matter() -> None:
    plain = {"system": "Be good.", "messages": [{"role": "user", "content": "Say red."}]}
    assert changed(request=plain) == []


DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}


def words(*content: dict[str, Any]) -> str:
    return user_text({"messages": [{"role": "user", "content": list(content)}]})


def test_a_full_stop_that_fills_a_turn_of_a_document_alone_says_nothing() -> None:
    stop = {"type": "text", "text": "."}
    assert words(DOCUMENT, stop) == words(DOCUMENT) == ""
    assert words(stop) == "."
    assert words(DOCUMENT, {"type": "text", "text": "Read."}) == "Read."


def test_claude_code_s_billing_line_may_be_taken_out() -> None:
    billed = [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2"}, *REQUEST["system"]]
    assert harm([told(REQUEST | {"system": billed}, ANSWER)], [seen(REQUEST, ANSWER)]) == []


def test_thinking_is_left_to_its_own_rows() -> None:
    assert changed(answer={"content": ANSWER["content"][1:]}) == []
