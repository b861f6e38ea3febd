"""Every provider rule the emulator keeps: one entry each, with its source and the symptom it reproduces.

`REFUSALS` are checked in order against every request, the first broken one is answered as that provider does.
`SHAPES` say how an answer looks on the wire; the wires ask `shows(id, call)` where they build it.
Sources: [R] recording in a public repository, [D] documentation, [I] issue with live evidence, [J] our judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compat_pipeline.emulator import schema
from compat_pipeline.emulator.contract import Call, Json, Provider, Refused
from compat_pipeline.emulator.persona import blocks_of
from compat_pipeline.emulator.thinking import is_ours

ANTHROPIC: tuple[Provider, ...] = ("anthropic",)
CONVERSE: tuple[Provider, ...] = ("bedrock_converse",)
BEDROCK: tuple[Provider, ...] = ("bedrock_invoke", "bedrock_converse")
MESSAGES: tuple[Provider, ...] = ("anthropic", "azure", "vertex_ai", "bedrock_invoke")
ALL: tuple[Provider, ...] = (*MESSAGES, "bedrock_converse")


@dataclass(frozen=True)
class Refusal:
    """A request rule. `complaint` gives the provider's error message for a call that breaks it, else None."""

    id: str
    providers: tuple[Provider, ...]
    source: str
    symptom: str
    complaint: Callable[[Call], str | None]


@dataclass(frozen=True)
class Shape:
    """A rule on how answers look. `applies` says whether the answer to a call shows it."""

    id: str
    providers: tuple[Provider, ...]
    source: str
    symptom: str
    applies: Callable[[Call], bool]


def check(call: Call) -> None:
    """Raise Refused with the id of the first broken rule."""
    for rule in REFUSALS:
        if call.provider in rule.providers and (message := rule.complaint(call)):
            raise Refused("invalid_request", message, rule=rule.id)


def shows(rule_id: str, call: Call) -> bool:
    """Whether the answer to `call` takes the shape of that rule."""
    rule = SHAPES[rule_id]
    return call.provider in rule.providers and rule.applies(call)


# --- what each refusal looks for ---------------------------------------------------------------------------------


def _blocks(call: Call) -> Iterator[tuple[str, Json, Json]]:
    for number, message in enumerate(call.messages):
        for index, block in enumerate(blocks_of(message)):
            yield f"messages.{number}.content.{index}", message, block


def _settings(call: Call, name: str) -> Json:
    value = call.request.get(name)
    return value if isinstance(value, dict) else {}


def _unknown_model(call: Call) -> str | None:
    return None if call.facts else ""


def _null_reasoning_text(call: Call) -> str | None:
    for number, message in enumerate(call.body.get("messages") or []):
        for index, block in enumerate(message.get("content") or [], start=1):
            reasoning = (block.get("reasoningContent") or {}) if isinstance(block, dict) else {}
            if "reasoningText" in reasoning and (reasoning["reasoningText"] or {}).get("text") is None:
                return (
                    f"1 validation error detected: Value at 'messages.{number + 1}.member.content.{index}.member."
                    "reasoningContent.reasoningText.text' failed to satisfy constraint: Member must not be null"
                )
    return None


def _tool_choice_in_inference_config(call: Call) -> str | None:
    inference = call.body.get("inferenceConfig") or {}
    return (
        "The model returned the following errors: tool_choice.type: Field required"
        if "tool_choice" in inference
        else None
    )


def _converse_types(call: Call) -> str | None:
    complaint = schema.converse_complaint(call.body, call.model)
    return f"1 validation error detected: {complaint}" if complaint else None


def _published_types(extra: bool) -> Callable[[Call], str | None]:
    def complaint(call: Call) -> str | None:
        found = _BODY_TYPES[call.operation if call.operation == "count_tokens" else call.provider].complaint(
            call.request
        )
        return _by_model(call, found) if found and found.endswith("Extra inputs are not permitted") is extra else None

    return complaint


_BODY_TYPES = {
    "count_tokens": schema.COUNT_TOKENS,
    "anthropic": schema.MESSAGES,
    "azure": schema.MESSAGES,
    "vertex_ai": schema.VERTEX,
    "bedrock_invoke": schema.BEDROCK_INVOKE,
    "bedrock_converse": schema.BEDROCK_CONVERSE,
}


def _by_model(call: Call, message: str) -> str:
    """Converse wraps what the model itself says."""
    return f"The model returned the following errors: {message}" if call.provider in CONVERSE else message


_FIELD_BETAS = {"context_management": "context-management-2025-06-27"}


def _field_without_beta(call: Call) -> str | None:
    for name, beta in _FIELD_BETAS.items():
        if call.request.get(name) is not None and beta not in call.betas:
            return _by_model(call, f"{name}: Extra inputs are not permitted")
    return None


BEDROCK_BETAS = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "token-efficient-tools-2025-02-19",
        "interleaved-thinking-2025-05-14",
        "output-128k-2025-02-19",
        "dev-full-thinking-2025-05-14",
        "fine-grained-tool-streaming-2025-05-14",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "tool-search-tool-2025-10-19",
        "tool-examples-2025-10-29",
        "compact-2026-01-12",
        # seen live by LiteLLM's maintainers, who list them for Bedrock in anthropic_beta_headers_config.json
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "dangerous-tool-use-2026-09-03",
    }
)
"""Betas Bedrock knows: AWS's page on Claude's request fields, and [I] litellm#19877 and #41203."""


def _unknown_beta(call: Call) -> str | None:
    sent = call.request.get("anthropic_beta") or []
    return _by_model(call, "invalid beta flag") if set(sent) - BEDROCK_BETAS else None


_BEDROCK_TOOL_TYPES = (
    "bash_20250124",
    "custom",
    "memory_20250818",
    "text_editor_20250124",
    "text_editor_20250429",
    "text_editor_20250728",
    "web_search_20250305",
)


def _tool_type(call: Call) -> str | None:
    for index, tool in enumerate(call.request.get("tools") or []):
        if (kind := tool.get("type") or "custom") not in _BEDROCK_TOOL_TYPES:
            tags = ", ".join(f"'{tag}'" for tag in _BEDROCK_TOOL_TYPES)
            return (
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
            )
    return None


def _budget(call: Call) -> str | None:
    thinking, limit = _settings(call, "thinking"), call.request.get("max_tokens")
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int) or not isinstance(limit, int):
        return None
    if "interleaved-thinking-2025-05-14" in call.betas and call.request.get("tools"):
        return None
    return _by_model(call, "`max_tokens` must be greater than `thinking.budget_tokens`.") if budget >= limit else None


def _thinking_type(call: Call) -> str | None:
    kind = _settings(call, "thinking").get("type")
    if kind in (None, "disabled") or kind in call.facts.thinking:
        return None
    if kind == "adaptive":
        return _by_model(call, "adaptive thinking is not supported on this model")
    return _by_model(
        call,
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.',
    )


def _altered_thinking(call: Call) -> str | None:
    for path, message, block in _blocks(call):
        if message.get("role") == "assistant" and block.get("type") == "thinking" and not is_ours(call, block):
            return _by_model(call, f"{path}: Invalid `signature` in `thinking` block")
    return None


def _missing_thinking(call: Call) -> str | None:
    """Only with a thinking budget: adaptive thinking does not ask for it [D]."""
    if _settings(call, "thinking").get("type") != "enabled" or len(call.messages) < 2:
        return None
    results, assistant = blocks_of(call.messages[-1]), blocks_of(call.messages[-2])
    if call.messages[-2].get("role") != "assistant" or not any(b.get("type") == "tool_result" for b in results):
        return None
    first = assistant[0].get("type") if assistant else "nothing"
    if first in ("thinking", "redacted_thinking"):
        return None
    return _by_model(
        call,
        f"messages.{len(call.messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        f"`{first}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block "
        "(preceeding the lastmost set of `tool_use` and `tool_result` blocks).",
    )


def _empty_content(call: Call) -> str | None:
    last = len(call.messages) - 1
    for number, message in enumerate(call.messages):
        if blocks_of(message) or (number == last and message.get("role") == "assistant"):
            continue
        if call.provider in CONVERSE:
            place = f"The content field in the Message object at messages.{number}"
            return f"{place} is empty. Add a ContentBlock object to the content field and try again."
        exception = "except for the optional final assistant message"
        return f"messages.{number}: all messages must have non-empty content {exception}"
    return None


def _blank_text(call: Call) -> str | None:
    for path, _, block in _blocks(call):
        if block.get("type") != "text" or str(block.get("text", "")).strip():
            continue
        if call.provider in CONVERSE:
            place = f"The text field in the ContentBlock object at {path}"
            return f"{place} is blank. Add text to the text field, and try again."
        return "messages: text content blocks must be non-empty"
    return None


def _document_only(call: Call) -> str | None:
    for number, message in enumerate(call.messages):
        kinds = {block.get("type") for block in blocks_of(message)}
        if message.get("role") == "user" and "document" in kinds and not kinds & {"text", "tool_result"}:
            place = f"The content field in the Message object at messages.{number}"
            return f"{place} contains a document and no text. Add a text block and try again."
    return None


def _marks(call: Call) -> list[str]:
    system = call.request.get("system")
    places = [
        *(call.request.get("tools") or []),
        *(system if isinstance(system, list) else []),
        *(block for _, _, block in _blocks(call)),
    ]
    return [place["cache_control"].get("ttl") or "5m" for place in places if place.get("cache_control")]


def _too_many_marks(call: Call) -> str | None:
    found = len(_marks(call))
    return (
        _by_model(call, f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
        if found > 4
        else None
    )


def _long_after_short(call: Call) -> str | None:
    marks = _marks(call)
    if "5m" in marks and "1h" in marks[marks.index("5m") :]:
        return _by_model(call, "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")
    return None


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "C14",
        CONVERSE,
        "[I] litellm#26554; botocore: ReasoningTextBlock requires text",
        "a signature-only thinking block cannot be replayed: 400 on the second turn",
        _null_reasoning_text,
    ),
    Refusal(
        "C16",
        CONVERSE,
        "[I] litellm#34276",
        "web search row: tool_choice put where it does not belong",
        _tool_choice_in_inference_config,
    ),
    Refusal(
        "T2", CONVERSE, "[D] botocore's bedrock-runtime service model", "a malformed Converse request", _converse_types
    ),
    Refusal(
        "X2-beta",
        BEDROCK,
        "[I] litellm#16561 #19373 #19877",
        "400 invalid beta flag on Bedrock",
        _unknown_beta,
    ),
    Refusal(
        "X1",
        ("bedrock_invoke",),
        "[I] litellm#28083, the published error text",
        "tool search row: a tool type Bedrock does not know",
        _tool_type,
    ),
    Refusal(
        "X2",
        ALL,
        "[I] litellm#26240 #23825 #18241; the anthropic package's request types",
        "400 Extra inputs are not permitted",
        _published_types(extra=True),
    ),
    Refusal(
        "T1",
        ALL,
        "[D] the anthropic package's request types",
        "a field is missing or of the wrong type",
        _published_types(extra=False),
    ),
    Refusal(
        "X3",
        ALL,
        "[I] litellm#26240: context_management is unknown without its beta",
        "400 context_management: Extra inputs are not permitted",
        _field_without_beta,
    ),
    Refusal(
        "C15-empty",
        ALL,
        "[I] litellm#36499",
        "a turn without content",
        _empty_content,
    ),
    Refusal(
        "C15",
        ALL,
        "[I] litellm#26554",
        "an empty text block in a replay: 400 on the next turn",
        _blank_text,
    ),
    Refusal("C15-document", CONVERSE, "[I] litellm#36499, wording [J]", "pdf row on Converse", _document_only),
    Refusal(
        "M1",
        ALL,
        "[D] AWS adaptive thinking; Anthropic thinking support by model",
        "a thinking mode the model does not have: v1.83.9-v1.87.x mapped budgets to effort",
        _thinking_type,
    ),
    Refusal(
        "V1",
        ALL,
        "[D] Anthropic extended thinking: budget below max_tokens unless interleaved with tools",
        "Vertex Haiku: LiteLLM clamps max_tokens under modify_params (litellm#40363)",
        _budget,
    ),
    Refusal(
        "C13",
        ALL,
        "[D] Anthropic extended thinking; [I] litellm#25375",
        "altered reasoning in a replay: the next turn is refused",
        _altered_thinking,
    ),
    Refusal(
        "C13-missing",
        ALL,
        "[D] Anthropic extended thinking; [I] litellm#25375",
        "reasoning dropped before a tool result: the next turn is refused",
        _missing_thinking,
    ),
    Refusal(
        "K1",
        ALL,
        "[D] Anthropic prompt caching: at most four breakpoints",
        "400 on long conversations",
        _too_many_marks,
    ),
    Refusal("K2", ALL, "[D] Anthropic prompt caching: longer ttls first", "1h caching row", _long_after_short),
)


def _always(_: Call) -> bool:
    return True


def _odd_turn(call: Call) -> bool:
    return call.turn % 2 == 1


def _signature_only(call: Call) -> bool:
    return call.facts.name == "claude-opus-4-7"


def _adaptive_without_effort(call: Call) -> bool:
    adaptive = _settings(call, "thinking").get("type") == "adaptive"
    return call.facts.name == "claude-opus-4-7" and adaptive and not _settings(call, "output_config").get("effort")


SHAPES: dict[str, Shape] = {
    shape.id: shape
    for shape in (
        Shape(
            "C1",
            CONVERSE,
            "[R] three recordings, one without; [I] litellm#33315; alternation by turn [J]",
            "an empty reasoning delta before the signature: 'Content block is not a text block' up to 1.93.0",
            lambda call: _odd_turn(call) and not _signature_only(call),
        ),
        Shape(
            "C2",
            CONVERSE,
            "[R]; [D] botocore's ContentBlockStart union; [I] litellm#24767",
            "no start event for text or reasoning: empty or cut text",
            _always,
        ),
        Shape(
            "C3",
            ALL,
            "[R]; [I] litellm#30024",
            "short answers come as one or two deltas: empty text on 1.83.14",
            _always,
        ),
        Shape(
            "C4",
            CONVERSE,
            "[R]; [I] litellm#26554; alternation by turn [J]",
            "the first text delta may be empty: a blank text block is replayed and refused",
            lambda call: not _odd_turn(call),
        ),
        Shape(
            "C5", CONVERSE, "[R]; [I] litellm#15307 #25561", "a tool call without arguments is one empty delta", _always
        ),
        Shape("C6", BEDROCK, "[R]", "events carry padding `p` of any length", _always),
        Shape("C7", CONVERSE, "[R]", "usage comes last, in metadata only: zero usage at message_start", _always),
        Shape(
            "C8",
            CONVERSE,
            "[I] litellm#26554 #38809",
            "Opus 4.7 reasons without text: signature-only delta, thinking block swallowed",
            _signature_only,
        ),
        Shape(
            "C9",
            CONVERSE,
            "[I] litellm#36507",
            "Opus 4.7, adaptive without effort: no reasoning, thinking row red for Opus alone",
            _adaptive_without_effort,
        ),
        Shape(
            "C17",
            ALL,
            "[D] botocore ConverseStreamOutput; Anthropic streaming errors",
            "an error after HTTP 200",
            _always,
        ),
        Shape("A1", BEDROCK, "[I] litellm#38579", "bearer token without AWS keys: 500 on 1.99.1-1.100.1", _always),
        Shape(
            "M2",
            ALL,
            "[D] Anthropic adaptive thinking; determinism [J]",
            "thinking at effort high and above always, below never",
            _always,
        ),
    )
}
