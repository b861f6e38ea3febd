"""Faults that refuse or answer in the proxy's place: what the CLI asks never gets there, or is made up for it."""

from __future__ import annotations

import json
from collections.abc import Callable

from compat_pipeline.wire.client_exchange import Json, Operation
from compat_pipeline.wire.faults.asking import blocks_of
from compat_pipeline.wire.faults.fault import Answer, Asked, Fault
from compat_pipeline.wire.faults.rows import ASKED_BY_CLI, NOT_STREAMED, STREAMED, TALKS, THINKING_LEFT_ON, rows

_TYPES = {400: "invalid_request_error", 404: "not_found_error", 500: "api_error"}
_LAST_KNOWN_BETA = "2025-12-31"
_BEDROCK_TOOLS = "'bash_20250124', 'custom', 'memory_20250818', 'text_editor_20250124'"
_RESULT_BLOCKS = "'document', 'image', 'search_result', 'text'"
_CHARS_PER_TOKEN = 4
_TOO_LONG = "Streaming is required for operations that may take longer than 10 minutes"


Why = Callable[[Asked], "str | None"]
"""The text of the error with which a request is refused, None if it is not."""


def refusing(why: Why, status: int = 400, operation: Operation = "messages") -> Callable[[Asked], Asked | Answer]:
    """Answer requests of `operation` with an error where there is a `why`."""

    def on_request(asked: Asked) -> Asked | Answer:
        text = why(asked) if asked.operation == operation else None
        if text is None:
            return asked
        return Answer(status, {}, body={"type": "error", "error": {"type": _TYPES[status], "message": text}})

    return on_request


def _field(name: str) -> Why:
    return lambda asked: f"{name}: Extra inputs are not permitted" if name in asked.body else None


def _thinking(asked: Asked) -> str | None:
    kind = asked.body.get("thinking", {}).get("type", "disabled")
    return None if kind == "disabled" else f"thinking.type: '{kind}' is not supported for this model"


def _tool_field(name: str) -> Why:
    def why(asked: Asked) -> str | None:
        number = next((number for number, tool in enumerate(_tools(asked)) if name in tool), None)
        return None if number is None else f"tools.{number}.custom.{name}: Extra inputs are not permitted"

    return why


def _search_tool(asked: Asked) -> str | None:
    for number, tool in enumerate(_tools(asked)):
        if tool.get("type", "").startswith("web_search_"):
            return _unexpected(f"tools.{number}", tool["type"], _BEDROCK_TOOLS)
    return None


def _tool_reference(asked: Asked) -> str | None:
    for number, message in enumerate(asked.body.get("messages", [])):
        for place, block in enumerate(blocks_of(message["content"])):
            inside = blocks_of(block.get("content")) if block.get("type") == "tool_result" else []
            if any(part.get("type") == "tool_reference" for part in inside):
                where = f"messages.{number}.content.{place}.tool_result.content"
                return _unexpected(where, "tool_reference", _RESULT_BLOCKS)
    return None


def _unexpected(place: str, tag: str, expected: str) -> str:
    return f"{place}: Input tag '{tag}' found using 'type' does not match any of the expected tags: {expected}"


def _document_alone(asked: Asked) -> str | None:
    for message in asked.body.get("messages", []):
        kinds = {block.get("type") for block in blocks_of(message["content"])}
        if "document" in kinds and not kinds & {"text", "tool_result"}:
            return "A text block must be included when using documents. Add a text block and retry your request."
    return None


def _new_beta(asked: Asked) -> str | None:
    """Refuses betas by the date in their name. Claude Code drops those and asks again, and nobody is told."""
    dates = [beta.strip()[-len(_LAST_KNOWN_BETA) :] for beta in asked.headers.get("anthropic-beta", "").split(",")]
    return "invalid beta flag" if any(date > _LAST_KNOWN_BETA for date in dates if date[:1].isdigit()) else None


def _guess(asked: Asked) -> Asked | Answer:
    if asked.operation != "count_tokens":
        return asked
    guess = len(json.dumps(asked.body.get("messages"))) // _CHARS_PER_TOKEN
    return Answer(200, {}, body={"input_tokens": guess})


def _tools(asked: Asked) -> list[Json]:
    return asked.body.get("tools") or []


REFUSALS = (
    Fault(
        "requests_refused",
        "every message is refused",
        "LiteLLM v1.83.9-v1.87.x: every Sonnet and Opus request answered 400",
        TALKS | rows("cancellation", "error_surfaces"),
        on_request=refusing(lambda _: "output_config.effort: this model does not support effort level 'xhigh'"),
    ),
    Fault(
        "gateway_crashed",
        "the proxy itself fails on every message",
        "LiteLLM #38579 (v1.99.1-v1.100.1): 500, 'NoneType' object has no attribute 'access_key'",
        TALKS | rows("cancellation", "error_surfaces"),
        on_request=refusing(lambda _: "'NoneType' object has no attribute 'access_key'", 500),
    ),
    Fault(
        "streams_refused",
        "a stream is refused; Claude Code silently asks again without one",
        "LiteLLM #33224: the CLI re-sends the turn non-streaming",
        STREAMED | rows("cancellation"),
        on_request=refusing(lambda asked: "streaming is not available" if asked.streamed else None, 404),
        diverts=rows("error_surfaces"),  # the CLI asks again without a stream, which another fault may refuse
    ),
    Fault(
        "non_streaming_refused",
        "a request without a stream is refused",
        "Anthropic Messages: long non-streaming requests are refused (max_tokens above 21,333)",
        NOT_STREAMED,
        on_request=refusing(lambda asked: None if asked.streamed else _TOO_LONG),
    ),
    Fault(
        "unknown_beta_refused",
        "a beta flag goes to a provider that does not know it",
        "LiteLLM #16561 #19373 #19877: `invalid beta flag`; Claude Code drops the feature and asks again",
        ASKED_BY_CLI | rows("cancellation"),
        on_request=refusing(_new_beta),
    ),
    Fault(
        "unknown_field_refused",
        "a field goes to a provider that does not know it",
        "LiteLLM #26240: `context_management: Extra inputs are not permitted`",
        THINKING_LEFT_ON,
        on_request=refusing(_field("context_management")),
    ),
    Fault(
        "output_config_refused",
        "the effort goes to a provider in a form it does not know",
        "LiteLLM #18241 #21407: `output_config` rejected",
        ASKED_BY_CLI | rows("cancellation", "error_surfaces"),
        on_request=refusing(_field("output_config")),
    ),
    Fault(
        "thinking_refused",
        "thinking is refused",
        "LiteLLM on Bedrock: a thinking form that the model does not take is a 400 (AWS: adaptive thinking)",
        THINKING_LEFT_ON,
        on_request=refusing(_thinking),
    ),
    Fault(
        "eager_streaming_refused",
        "fine-grained tool streaming goes to a provider that does not know it",
        "LiteLLM #23825: `tools.0.custom.eager_input_streaming: Extra inputs are not permitted`",
        rows("tool_use_streaming"),
        on_request=refusing(_tool_field("eager_input_streaming")),
    ),
    Fault(
        "nested_search_refused",
        "the nested request for a web search is refused",
        "LiteLLM #26252 on Bedrock Invoke: a web_search tool matches none of the expected tags",
        rows("web_search"),
        on_request=refusing(_search_tool),
    ),
    Fault(
        "document_alone_refused",
        "a user turn with nothing but a document is refused",
        "LiteLLM #36499 on Converse: a document passed on without the text that Bedrock asks for",
        rows("pdf_input"),
        on_request=refusing(_document_alone),
    ),
    Fault(
        "tool_type_refused",
        "a tool to be searched for is refused",
        "LiteLLM #28083 on Bedrock Invoke: the tool search's types are not taken",
        rows("tool_search"),
        on_request=refusing(_tool_field("defer_loading")),
    ),
    Fault(
        "tool_reference_refused",
        "what a tool search found is refused",
        "LiteLLM #28083 on Bedrock Invoke: does not match any of the expected tags",
        rows("tool_search"),
        on_request=refusing(_tool_reference),
    ),
    Fault(
        "count_guessed",
        "tokens are counted by a rule of thumb; nobody asks the provider",
        "LiteLLM #37102: count_tokens 200 with a wrong number",
        rows("count_tokens"),
        on_request=_guess,
    ),
    Fault(
        "count_refused",
        "tokens are not counted",
        "LiteLLM #26436: count_tokens on a provider without one",
        rows("count_tokens"),
        on_request=refusing(lambda _: "count_tokens is not supported for this model", 400, "count_tokens"),
    ),
)
