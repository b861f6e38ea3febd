"""What is documented of each model the emulator serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelFacts:
    """`thinking` are the accepted `thinking.type`s beside `disabled`; `display` is what thinking shows by default.

    `efforts` are the levels of `output_config.effort` it knows, none of them where it takes no effort at all.
    `sampling`: whether temperature, top_k and top_p are accepted. `counted`: whether Bedrock's CountTokens takes it.

    Sources: Anthropic's pages on thinking (support and display by model), effort and prompt caching (minimum length),
    AWS's pages on adaptive thinking and on counting tokens (with litellm#37102), Anthropic's on context windows.
    """

    name: str
    thinking: frozenset[str]
    efforts: frozenset[str]
    display: Literal["summarized", "omitted"]
    min_cached_tokens: int
    context_tokens: int = 1_000_000
    sampling: bool = True
    counted: bool = True


_EFFORTS = frozenset({"low", "medium", "high", "max"})
_BUDGET, _ADAPTIVE = frozenset({"enabled"}), frozenset({"adaptive"})

_MODELS = (
    ModelFacts("claude-haiku-4-5", _BUDGET, frozenset(), "summarized", 4096, context_tokens=200_000),
    ModelFacts("claude-sonnet-4-6", _BUDGET | _ADAPTIVE, _EFFORTS, "summarized", 1024),
    ModelFacts("claude-opus-4-7", _ADAPTIVE, _EFFORTS | {"xhigh"}, "omitted", 4096, sampling=False, counted=False),
)

_IDS = {
    "anthropic": r"{name}(-\d{{8}})?",
    "azure": r"{name}",
    "bedrock_invoke": r"((us|eu|apac|global)\.)?anthropic\.{name}(-\d{{8}})?(-v\d+(:\d+)?)?",
    "bedrock_converse": r"((us|eu|apac|global)\.)?anthropic\.{name}(-\d{{8}})?(-v\d+(:\d+)?)?",
    "vertex_ai": r"{name}(@\d{{8}}|@default)?",
}


def facts_of(provider: str, model: str) -> ModelFacts | None:
    """The facts for a model by the id that `provider` gives it; None for one the provider does not serve."""
    pattern = _IDS[provider]
    return next((facts for facts in _MODELS if re.fullmatch(pattern.format(name=facts.name), model)), None)
