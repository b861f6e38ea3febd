"""What is documented of each model the emulator serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ModelFacts:
    """`thinking` are the accepted `thinking.type`s beside `disabled`; `display` is what thinking shows by default.

    Sources: Anthropic's pages on thinking (support and display by model) and prompt caching (minimum length),
    AWS's page on adaptive thinking.
    """

    name: str
    thinking: frozenset[str]
    display: Literal["summarized", "omitted"]
    min_cached_tokens: int
    max_output_tokens: int


_MODELS = (
    ModelFacts("claude-haiku-4-5", frozenset({"enabled"}), "summarized", 4096, 64_000),
    ModelFacts("claude-sonnet-4-6", frozenset({"enabled", "adaptive"}), "summarized", 1024, 128_000),
    ModelFacts("claude-opus-4-7", frozenset({"adaptive"}), "omitted", 4096, 128_000),
)


def facts_of(model: str) -> ModelFacts | None:
    """The facts for a provider's model id: `us.anthropic.claude-haiku-4-5-20251001-v1:0`, `claude-opus-4-7`, ..."""
    return next((facts for facts in _MODELS if facts.name in model), None)
