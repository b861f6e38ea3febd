"""Faults of content: the words, blocks or errors of the proxy's answer reach the CLI as others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from compat_pipeline.wire.client_exchange import Json
from compat_pipeline.wire.exchange import NONCE_PATTERN
from compat_pipeline.wire.faults.answering import (
    in_content,
    in_error,
    in_stop,
    in_text,
)
from compat_pipeline.wire.faults.asking import BlockChange, drop_type
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault
from compat_pipeline.wire.faults.requests import other_signature
from compat_pipeline.wire.faults.rows import (
    NOT_STREAMED,
    THINKING,
    TOLD_IN_WORDS,
    TOOLS,
    rows,
)

_BAD_REQUEST = 400
_COLOURS = ["red", "green", "blue", "yellow", "purple", "orange", "black", "white", "cyan", "pink"]
_NEXT_COLOUR = dict(zip(_COLOURS, _COLOURS[1:] + _COLOURS[:1], strict=True))


def _other_code(text: str) -> str:
    return re.sub(NONCE_PATTERN, lambda found: found[0][:-1] + f"{int(found[0][-1], 16) ^ 1:x}", text)


def _other_colour(text: str) -> str:
    return re.sub(rf"\b({'|'.join(_COLOURS)})\b", lambda found: _NEXT_COLOUR[found[0]], text)


def _whole_only(change: Callable[[Asked, Answer], Answer]) -> Callable[[Asked, Answer], Answer]:
    return lambda asked, answer: answer if asked.streamed else change(asked, answer)


def _of_type(kind: str, change: BlockChange) -> BlockChange:
    return lambda block: change(block) if block.get("type") == kind else block


def _as_text(block: Json) -> Json:
    """A structured answer told as prose."""
    if block.get("type") != "tool_use" or block.get("name") != "StructuredOutput":
        return block
    return {"type": "text", "text": json.dumps(block["input"])}


def _structured_as_text(asked: Asked, answer: Answer) -> Answer:
    changed = in_content(_as_text)(asked, answer)
    return changed if changed is answer else in_stop(lambda _: "end_turn")(asked, changed)


def _without_server_name(block: Json) -> Json:
    name = block["name"]
    return {**block, "name": name.rpartition("__")[2]} if name.startswith("mcp__") else block


def _one_tool_only(asked: Asked, answer: Answer) -> Answer:
    seen: list[Json] = []

    def first(block: Json) -> Json | None:
        seen.extend([block] if block.get("type") == "tool_use" else [])
        return block if block.get("type") != "tool_use" or len(seen) == 1 else None

    return in_content(first)(asked, answer)


def _as_server_error(_: Asked, answer: Answer) -> Answer:
    return replace(answer, status=500) if answer.status >= _BAD_REQUEST and answer.status != 500 else answer


CONTENT_FAULTS = (
    Fault(
        "wrong_code",
        "the code in the answer is another one",
        "Anthropic Messages: the text that the model wrote is the text that arrives",
        TOLD_IN_WORDS,
        on_answer=in_text(_other_code),
    ),
    Fault(
        "answer_text_cut",
        "the second half of the answer is lost",
        "LiteLLM #24767 #30024: text lost or empty on Converse",
        TOLD_IN_WORDS,
        on_answer=in_text(lambda text: text[: len(text) // 2]),
    ),
    Fault(
        "colours_exchanged",
        "the answer names another colour",
        "Anthropic vision: the answer is that of a model that saw the picture",
        rows("vision"),
        on_answer=in_text(_other_colour),
    ),
    Fault(
        "fallback_empty",
        "a request without a stream is answered with an empty text",
        "LiteLLM #30024: empty assistant text",
        NOT_STREAMED,
        on_answer=_whole_only(in_text(lambda _: "")),
    ),
    Fault(
        "signature_altered",
        "a thinking block arrives with another signature",
        "Anthropic extended thinking: the signature arrives unmodified",
        THINKING,
        on_answer=in_content(other_signature),
    ),
    Fault(
        "signature_dropped",
        "a thinking block arrives without its signature",
        "LiteLLM #38809: signature deltas lost",
        THINKING,
        on_answer=in_content(_of_type("thinking", lambda block: {**block, "signature": ""})),
    ),
    Fault(
        "thinking_swallowed",
        "the thinking in an answer does not arrive",
        "LiteLLM #38809: a thinking block swallowed",
        THINKING,
        on_answer=in_content(drop_type("thinking")),
    ),
    Fault(
        "redacted_thinking_swallowed",
        "the redacted thinking in an answer does not arrive",
        "LiteLLM #25375: redacted_thinking dropped",
        rows("redacted_thinking"),
        on_answer=in_content(drop_type("redacted_thinking")),
    ),
    Fault(
        "tool_input_lost",
        "a tool is called without its input",
        "LiteLLM #15307 #25561: tool_use without input_json_delta",
        TOOLS,
        on_answer=in_content(_of_type("tool_use", lambda block: {**block, "input": {}})),
    ),
    Fault(
        "parallel_tool_lost",
        "of several tool calls only the first arrives",
        "LiteLLM #25561: parallel tool calls lost",
        rows("tool_use_parallel"),
        on_answer=_one_tool_only,
    ),
    Fault(
        "mcp_tool_renamed",
        "a tool of an MCP server is called without its server's name",
        "Claude Code: tools of an MCP server are named mcp__SERVER__TOOL",
        rows("mcp_tool"),
        on_answer=in_content(_of_type("tool_use", _without_server_name)),
    ),
    Fault(
        "structured_output_as_text",
        "a structured answer comes as prose",
        "LiteLLM #39070: Invoke drops the schema and answers prose",
        rows("structured_outputs"),
        on_answer=_structured_as_text,
    ),
    Fault(
        "search_results_emptied",
        "a web search finds nothing",
        "LiteLLM #36477: nested web search empty",
        rows("web_search"),
        on_answer=in_content(_of_type("web_search_tool_result", lambda block: {**block, "content": []})),
    ),
    Fault(
        "tool_stop_lost",
        "an answer that calls a tool says that the turn has ended",
        "Anthropic Messages: stop_reason is tool_use",
        TOOLS,
        on_answer=in_stop(lambda reason: "end_turn" if reason == "tool_use" else reason),
    ),
    Fault(
        "wrong_stop_reason",
        "a complete answer says that it ran into its limit",
        "Anthropic Messages: stop_reason is the model's",
        TOLD_IN_WORDS,
        on_answer=in_stop(lambda reason: "max_tokens" if reason == "end_turn" else reason),
    ),
    Fault(
        "error_wording_swallowed",
        "an error no longer says what is wrong",
        "Anthropic errors: error.message is for the user",
        rows("error_surfaces"),
        on_answer=in_error(lambda error: {**error, "message": "An error occurred."}),
    ),
    Fault(
        "error_status_changed",
        "every error is told as the proxy's own",
        "Anthropic errors: the HTTP status tells whose fault it is and whether to try again",
        rows("error_surfaces"),
        on_answer=_as_server_error,
    ),
)
