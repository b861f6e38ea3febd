"""Named ways to break every answer, for negative controls: each must turn the rows red that should see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from compat_pipeline.emulator.contract import Answer, Call, Json, blocks_of
from compat_pipeline.emulator.deltas import cut
from compat_pipeline.emulator.scripts_basic import COLOURS
from compat_pipeline.wire.exchange import NONCE_PATTERN


def _same_call(call: Call) -> Call:
    return call


def _same_answer(_: Call, answer: Answer) -> Answer:
    return answer


@dataclass(frozen=True)
class Corruption:
    """`asked` changes what the persona is asked, `answered` what the wire encodes."""

    description: str
    asked: Callable[[Call], Call] = _same_call
    answered: Callable[[Call, Answer], Answer] = _same_answer


# --- before the persona ------------------------------------------------------------------------------------------


def _in_every_block(call: Call, change: Callable[[Json], Json | None]) -> Call:
    messages = []
    for message in call.messages:
        changed = [new for block in blocks_of(message) if (new := change(block)) is not None]
        messages.append({**message, "content": changed})
    return replace(call, request={**call.request, "messages": messages})


def _without_pictures(call: Call) -> Call:
    return _in_every_block(call, lambda block: None if block.get("type") == "image" else block)


def _without_tool_output(call: Call) -> Call:
    return _in_every_block(
        call, lambda block: {**block, "content": "(nothing)"} if block.get("type") == "tool_result" else block
    )


def _without_thinking(call: Call) -> Call:
    return replace(call, request={name: value for name, value in call.request.items() if name != "thinking"})


# --- after the persona -------------------------------------------------------------------------------------------


def _with_content(answer: Answer, change: Callable[[Json], Json]) -> Answer:
    """The answer with every block changed, cut for its stream anew."""
    return cut({**answer.message, "content": [change(block) for block in answer.message["content"]]})


def _with_text(answer: Answer, change: Callable[[str], str]) -> Answer:
    return _with_content(
        answer, lambda block: {**block, "text": change(block["text"])} if block["type"] == "text" else block
    )


def _wrong_code(_: Call, answer: Answer) -> Answer:
    return _with_text(
        answer, lambda text: re.sub(NONCE_PATTERN, lambda found: found[0][:-1] + _other(found[0][-1]), text)
    )


def _other(digit: str) -> str:
    return "1" if digit == "0" else "0"


def _wrong_colour(_: Call, answer: Answer) -> Answer:
    names = list(COLOURS)
    after = dict(zip(names, names[1:] + names[:1], strict=True))
    pattern = rf"\b({'|'.join(names)})\b"
    return _with_text(answer, lambda text: re.sub(pattern, lambda found: after[found[0]], text))


def _text_cut(_: Call, answer: Answer) -> Answer:
    return _with_text(answer, lambda text: text[: len(text) // 2])


def _no_fallback(call: Call, answer: Answer) -> Answer:
    return answer if call.streamed else _with_text(answer, lambda _: "")


def _no_tool_input(_: Call, answer: Answer) -> Answer:
    return _with_content(answer, lambda block: {**block, "input": {}} if block["type"] == "tool_use" else block)


def _no_signature(_: Call, answer: Answer) -> Answer:
    return _with_content(answer, lambda block: {**block, "signature": ""} if block["type"] == "thinking" else block)


def _with_usage(answer: Answer, **changes: Any) -> Answer:
    return replace(answer, message={**answer.message, "usage": {**answer.message["usage"], **changes}})


def _no_reads(_: Call, answer: Answer) -> Answer:
    usage = answer.message["usage"]
    return _with_usage(
        answer, cache_read_input_tokens=0, input_tokens=usage["input_tokens"] + usage["cache_read_input_tokens"]
    )


def _no_creation(_: Call, answer: Answer) -> Answer:
    usage = answer.message["usage"]
    return _with_usage(
        answer,
        cache_creation_input_tokens=0,
        cache_creation=dict.fromkeys(usage["cache_creation"], 0),
        input_tokens=usage["input_tokens"] + usage["cache_creation_input_tokens"],
    )


def _no_usage(_: Call, answer: Answer) -> Answer:
    usage = answer.message["usage"]
    zeroed = {name: 0 for name, value in usage.items() if isinstance(value, int)}
    return _with_usage(answer, **zeroed, cache_creation=dict.fromkeys(usage["cache_creation"], 0))


def _one_delta(_: Call, answer: Answer) -> Answer:
    return replace(answer, deltas=tuple(("".join(pieces),) if pieces else () for pieces in answer.deltas))


def _truncated(_: Call, answer: Answer) -> Answer:
    return replace(answer, complete=False)


CORRUPTIONS = {
    "wrong_code": Corruption("the code in the text is another one", answered=_wrong_code),
    "text_cut": Corruption("the text ends half way", answered=_text_cut),
    "one_delta": Corruption("a stream is buffered: the whole text in one delta", answered=_one_delta),
    "truncated_stream": Corruption("a stream ends without its final events", answered=_truncated),
    "no_stream_fallback": Corruption("a non-streaming request gets an empty text", answered=_no_fallback),
    "tool_input_lost": Corruption("a tool is called without its input", answered=_no_tool_input),
    "tool_result_ignored": Corruption("the answer does not know the tool's output", asked=_without_tool_output),
    "no_cache_reads": Corruption("nothing is ever read from the cache", answered=_no_reads),
    "no_cache_creation": Corruption("nothing is ever written to the cache", answered=_no_creation),
    "picture_dropped": Corruption("the model sees no picture", asked=_without_pictures),
    "wrong_colour": Corruption("the answer names another colour", answered=_wrong_colour),
    "no_thinking": Corruption("the model never thinks", asked=_without_thinking),
    "signature_lost": Corruption("thinking comes without its signature", answered=_no_signature),
    "usage_zeroed": Corruption("every token count is zero", answered=_no_usage),
}
