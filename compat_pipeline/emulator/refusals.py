"""Every rule on requests: one entry each, with its source and the symptom it reproduces.

Checked in order; the first broken one is answered as that provider does, and recorded by its id.
[R] recording in a public repository, [D] documentation, [I] issue with live evidence, [J] our judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compat_pipeline.emulator import complaints, tool_complaints
from compat_pipeline.emulator.contract import Call, Provider, Refused

_CONVERSE: tuple[Provider, ...] = ("bedrock_converse",)
_INVOKE: tuple[Provider, ...] = ("bedrock_invoke",)
_VERTEX: tuple[Provider, ...] = ("vertex_ai",)
_BEDROCK: tuple[Provider, ...] = ("bedrock_invoke", "bedrock_converse")
_ALL: tuple[Provider, ...] = ("anthropic", "azure", "vertex_ai", *_BEDROCK)


@dataclass(frozen=True)
class Refusal:
    """A rule on requests. `complaint` gives the error message for a call that breaks it, None for one that does not.

    `by_model` messages are the model's own: Converse puts a phrase of its own before those.
    """

    id: str
    providers: tuple[Provider, ...]
    source: str
    symptom: str
    complaint: Callable[[Call], str | None]
    by_model: bool = True


def check(call: Call) -> None:
    """Raise Refused for the first rule that `call` breaks, or when the provider does not serve its model."""
    _ = call.facts
    for rule in REFUSALS:
        if call.provider in rule.providers and (message := rule.complaint(call)):
            if rule.by_model and call.provider == "bedrock_converse":
                message = f"The model returned the following errors: {message}"
            raise Refused("invalid_request", message, rule=rule.id)


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "C14",
        _CONVERSE,
        "[D] botocore: ReasoningTextBlock requires text; [I]",
        "a thinking block without text cannot be replayed: 400 on the second turn",
        complaints.null_reasoning_text,
        by_model=False,
    ),
    Refusal(
        "C16",
        _CONVERSE,
        "[I] litellm#34276",
        "web search row: tool_choice lands in inferenceConfig",
        complaints.tool_choice_in_inference_config,
    ),
    Refusal(
        "T2",
        _CONVERSE,
        "[D] botocore's bedrock-runtime service model",
        "a malformed Converse request",
        complaints.converse_types,
        by_model=False,
    ),
    Refusal(
        "N1",
        _BEDROCK,
        "[I] litellm#37102 (live) #34272; [D] AWS: count tokens",
        "count_tokens row: LiteLLM falls back to another endpoint, or to its own guess",
        complaints.uncountable_model,
        by_model=False,
    ),
    Refusal(
        "F1-converse",
        _CONVERSE,
        "[I] litellm#27846",
        "structured outputs row: the schema among the model's own fields",
        complaints.format_among_model_fields,
    ),
    Refusal(
        "S1",
        _CONVERSE,
        "[I] agentgateway/agentgateway#3240, the text verbatim",
        "tool search row: Converse has no deferred tools",
        tool_complaints.tool_search_at_converse,
        by_model=False,
    ),
    Refusal(
        "X2-beta",
        _BEDROCK,
        "[I] litellm#16561 #19373 #19877; [D] AWS: Claude request fields",
        "400 invalid beta flag",
        complaints.unknown_beta,
    ),
    Refusal(
        "X2-beta-vertex",
        _VERTEX,
        "[I] litellm#39597 (live) #19984, anthropics/claude-code#12429 #34802",
        "400 Unexpected value(s) for the `anthropic-beta` header",
        complaints.unexpected_beta,
    ),
    Refusal(
        "W1",
        _BEDROCK,
        "[I] litellm#36477 (live) #26252 #25477",
        "web search row: the nested request is refused, although the tool's type is a known tag",
        tool_complaints.web_search_at_bedrock,
        by_model=False,
    ),
    Refusal(
        "X1",
        (*_INVOKE, *_VERTEX),
        "[I] litellm#28083 #15299 #16269, anthropics/claude-code#61624, ax-llm/ax#457: the published error texts",
        "tool search and web search rows: a tool type that is not known without its beta",
        tool_complaints.unknown_tool_type,
    ),
    Refusal(
        "X2",
        _ALL,
        "[I] litellm#26240 #23825 #18241; [D] the anthropic package's request types",
        "400 Extra inputs are not permitted",
        complaints.unknown_field,
    ),
    Refusal(
        "T1",
        _ALL,
        "[D] the anthropic package's request types",
        "a field is missing or of the wrong type",
        complaints.wrong_field,
    ),
    Refusal(
        "X2-gated",
        _ALL,
        "[I] litellm#26240, anthropics/claude-code#49548",
        "400 context_management: Extra inputs are not permitted, when its beta was lost",
        complaints.field_without_beta,
    ),
    Refusal(
        "X2-eager",
        _INVOKE,
        "[I] litellm#23825, vercel/ai#17179 (live, with the beta and without)",
        "streaming tool use row: 400 tools.0.custom.eager_input_streaming: Extra inputs are not permitted",
        tool_complaints.eager_streaming,
    ),
    Refusal(
        "S2",
        (*_INVOKE, *_VERTEX),
        "[I] agentgateway/agentgateway#3240, anthropics/claude-code#11678",
        "tool search row: 400 tools.1.custom.defer_loading: Extra inputs are not permitted, when its beta was lost",
        tool_complaints.deferral_without_beta,
    ),
    Refusal(
        "S3",
        (*_INVOKE, *_VERTEX),
        "[I] anthropics/claude-code#28870",
        "tool search row: 400 on every turn after a search, when its beta was lost",
        tool_complaints.reference_without_beta,
    ),
    Refusal(
        "S4",
        _ALL,
        "[D] Anthropic tool search, errors",
        "tool search row: the tool that searches was lost",
        tool_complaints.all_tools_deferred,
    ),
    Refusal(
        "S5",
        _ALL,
        "[I] anthropics/claude-code#81863; [D] Anthropic tool search, errors",
        "tool search row: a definition was lost that a search has found",
        tool_complaints.unknown_reference,
    ),
    Refusal(
        "C15-empty",
        _ALL,
        "[I] litellm#36499; [D] Anthropic Messages",
        "a turn whose content was lost",
        complaints.empty_content,
        by_model=False,
    ),
    Refusal(
        "C15",
        _ALL,
        "[I] litellm#26554",
        "an empty text block in a replay: 400 on the next turn",
        complaints.blank_text,
        by_model=False,
    ),
    Refusal(
        "C15-document",
        _CONVERSE,
        "[I] litellm#36499, the text verbatim",
        "pdf row: a turn with nothing but a document",
        complaints.document_only,
        by_model=False,
    ),
    Refusal(
        "U1",
        _ALL,
        "[D] Anthropic tool use; [I] anthropics/claude-code#1237, agno-agi/agno#6698",
        "a tool result lost on the way back",
        tool_complaints.unanswered_tool_call,
        by_model=False,
    ),
    Refusal(
        "U2",
        _ALL,
        "[D] Anthropic tool use; wording [J]",
        "a tool call lost from the conversation, or its id changed",
        tool_complaints.unexpected_tool_result,
        by_model=False,
    ),
    Refusal(
        "M1",
        _ALL,
        "[D] AWS adaptive thinking; Anthropic: thinking support by model",
        "a thinking mode the model does not have",
        complaints.unsupported_thinking,
    ),
    Refusal(
        "M1-effort",
        _ALL,
        "[D] Anthropic effort: levels by model; [I] SkillfulAgents/SuperAgent#1142 (live, by model), oratis/LISA#218",
        "a thinking budget mapped to effort xhigh: v1.83.9-v1.87.x, every request to Sonnet and Opus 4.6 a 400",
        complaints.unsupported_effort,
    ),
    Refusal(
        "V1",
        _ALL,
        "[D] Anthropic extended thinking: budget below max_tokens unless interleaved with tools",
        "Vertex Haiku: max_tokens clamped below the budget (litellm#40363)",
        complaints.budget_too_large,
    ),
    Refusal(
        "C13",
        _ALL,
        "[D] Anthropic extended thinking; [I] litellm#25375",
        "altered reasoning in a replay: the next turn is refused",
        complaints.altered_thinking,
    ),
    Refusal(
        "C13-whole",
        _ALL,
        "[I] litellm#25375, anthropics/claude-code#63203; [D] Anthropic extended thinking",
        "redacted thinking row: a block dropped from a replay",
        complaints.incomplete_thinking,
    ),
    Refusal(
        "C13-missing",
        _ALL,
        "[D] Anthropic extended thinking; [I] litellm#25375, RooCodeInc/Roo-Code#11238",
        "reasoning dropped before a tool result: the next turn is refused",
        complaints.missing_thinking,
    ),
    Refusal(
        "P1",
        _ALL,
        "[I] litellm#26444, RooCodeInc/Roo-Code#12162 (Bedrock)",
        "every request to a newer model that carries a sampling parameter is refused",
        complaints.unsupported_sampling,
    ),
    Refusal(
        "L1",
        _ALL,
        "[D] Anthropic context windows; [I] anthropics/claude-code#760, continuedev/continue#9592",
        "error surfaces row: a prompt that does not fit",
        complaints.too_long,
        by_model=False,
    ),
    Refusal(
        "K1",
        _ALL,
        "[D] Anthropic prompt caching: at most four breakpoints",
        "a breakpoint too many",
        complaints.too_many_breakpoints,
    ),
    Refusal(
        "K2",
        _ALL,
        "[D] Anthropic prompt caching: longer ttls come first",
        "1h caching row: ttls mixed up",
        complaints.long_after_short,
    ),
)
