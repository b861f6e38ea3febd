"""Whom a tool turn is held against that went wrong: what the CLI itself sent on tells the machine from the proxy."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from compat_pipeline.claude.driver import ClaudeCall
from compat_pipeline.claude.stream import ToolCall, Usage
from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import Judged
from compat_pipeline.suite.pdf_input.probe import probe as pdf_input
from compat_pipeline.suite.tool_use.probe import probe as tool_use
from compat_pipeline.wire.exchange import NONCE_PATTERN
from compat_pipeline_tests.suite.stage import Side, Stage, asked, exchange, result
from compat_pipeline_tests.wire.messages import message, stream

Json = dict[str, Any]
FAILED: Json = {"content": "Exit code 137\nKilled", "is_error": True}
EMPTY: Json = {"content": ""}
NOTHING: Json = {"type": "text", "content": "", "text": ""}
"""Laid over a tool's result: no result at all."""


def judged(stage: Stage, probe: Callable[..., Outcome], play: Callable[[ClaudeCall], Side]) -> tuple[str, str | None]:
    """How the row is judged, and of what cause, whose one call goes as `play` says."""
    try:
        outcome = probe(stage.plays(play))
    except Judged as ended:
        outcome = ended.outcome
    return outcome.status, getattr(outcome, "cause", None)


def side_of(requests: list[Json], arrived: list[Json], replies: list[Json], answers: list[str]) -> Side:
    """A call that the CLI made with these requests, each of which reached the upstream as it `arrived`."""
    turns = len(replies)
    told = result(
        text=answers[-1],
        events=tuple({"type": "result", "result": words} for words in answers),
        usage=Usage(11 * turns, 9 * turns, 7 * turns, 5 * turns),
        tool_calls=tuple(
            ToolCall(block["id"], block["name"], block["input"])
            for reply in replies
            for block in reply["content"]
            if block["type"] == "tool_use"
        ),
    )
    client = [asked(request=one, events=tuple(stream(reply))) for one, reply in zip(requests, replies, strict=True)]
    return told, client, [exchange(request=one, reply=reply) for one, reply in zip(arrived, replies, strict=True)]


def grown(*contents: Any) -> list[Json]:
    """The requests of a conversation whose user said these things, one after the other."""
    listed = (content if isinstance(content, str) else list(content) for content in contents)
    messages = [{"role": "user", "content": content} for content in listed]
    return [{"stream": True, "messages": messages[:count]} for count in range(1, len(messages) + 1)]


def bash_turn(sent: Json, arrived: Json) -> Callable[[ClaudeCall], Side]:
    """A model that has Bash echo a word; `sent` and `arrived` are what is odd of the tool's result on either side."""

    def play(call: ClaudeCall) -> Side:
        prompt = str(call.prompt)
        command, nonce = re.findall(r"`(echo (?:\w+))`", prompt)[0], re.findall(NONCE_PATTERN, prompt)[0]
        word = command.removeprefix("echo ")
        use = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": command}}
        gave = {"type": "tool_result", "tool_use_id": "toolu_1", "content": word}
        answer = f"{nonce} {word}"
        replies = [message(use, stop_reason="tool_use"), message({"type": "text", "text": answer})]
        requests, came = (grown(prompt, [gave | odd]) for odd in (sent, arrived))
        return side_of(requests, came, replies, [answer])

    return play


@pytest.mark.parametrize(
    ("sent", "arrived", "verdict"),
    [
        ({}, {}, ("pass", None)),
        (FAILED, FAILED, ("inconclusive", "environment")),
        (FAILED, EMPTY, ("inconclusive", "environment")),
        (EMPTY, EMPTY, ("fail", "client")),
        (NOTHING, NOTHING, ("fail", "client")),
        ({}, EMPTY, ("fail", "gateway")),
        ({}, FAILED, ("fail", "gateway")),
        ({}, NOTHING, ("fail", "gateway")),
    ],
    ids=[
        "sound", "failed here", "failed here and lost", "given as nothing", "never sent", "emptied on the way",
        "made an error on the way", "lost on the way",
    ],
)  # fmt: skip
def test_a_result_is_held_against_the_proxy_only_if_the_cli_sent_it(
    stage: Stage, sent: Json, arrived: Json, verdict: tuple[str, str | None]
) -> None:
    assert judged(stage, tool_use, bash_turn(sent, arrived)) == verdict


def read_turn(sent: Json, arrived: Json) -> Callable[[ClaudeCall], Side]:
    """A model that is shown two pages and reads a third; `sent` and `arrived` as in `bash_turn`."""

    def play(call: ClaudeCall) -> Side:
        pages = [*(blocks[0] for blocks in call.messages[:2]), document(call.files["page.pdf"])]
        nonce = re.findall(NONCE_PATTERN, str(call.messages))[0]
        answers = [f"{nonce} {word_on(page)}" for page in pages]
        use = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "page.pdf"}}
        first, second, third = (message({"type": "text", "text": answer}) for answer in answers)
        replies = [first, second, message(use, stop_reason="tool_use"), third]
        gave = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [pages[2]]}
        requests, came = (grown(*call.messages, [gave | odd]) for odd in (sent, arrived))
        return side_of(requests, came, replies, answers)

    return play


def document(page: bytes) -> Json:
    data = base64.b64encode(page).decode()
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}


def word_on(page: Any) -> str:
    words = re.findall(r"\((\w+)\) Tj", base64.b64decode(page["source"]["data"]).decode())
    return str(words[0])


@pytest.mark.parametrize(
    ("sent", "arrived", "verdict"),
    [
        ({}, {}, ("pass", None)),
        (FAILED, FAILED, ("inconclusive", "environment")),
        (EMPTY, EMPTY, ("fail", "client")),
        ({}, EMPTY, ("fail", "gateway")),
    ],
    ids=["sound", "failed here", "given as nothing", "emptied on the way"],
)
def test_a_page_that_a_tool_read_is_held_against_the_proxy_only_if_the_cli_sent_it(
    stage: Stage, sent: Json, arrived: Json, verdict: tuple[str, str | None]
) -> None:
    assert judged(stage, pdf_input, read_turn(sent, arrived)) == verdict
