"""What the providers charge for the models of the manifest, apart from LiteLLM's own price map. Pure.

Source: Anthropic, pricing (platform.claude.com/docs/en/about-claude/pricing): the table of models, the multipliers of
prompt caching, and the 10 % that Bedrock and Google Cloud charge for staying within a region, from Claude Haiku 4.5
and Sonnet 4.5 on; AWS, global cross-Region inference: about 10 % cheaper than a geographic profile (`us.`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOKENS_PER_PRICE = 1_000_000
_INPUT_AND_OUTPUT_USD = {
    "claude-haiku-4-5": (1.0, 5.0),
    "claude-sonnet-4-6": (3.0, 15.0),
    "claude-opus-4-7": (5.0, 25.0),
}
"""Per million tokens."""

_REGIONAL = {"bedrock_invoke": 1.1, "bedrock_converse": 1.1, "vertex_ai": 1.1}
"""By provider, for the routes of the manifest: `us.` profiles on Bedrock, a region of Google Cloud on Vertex."""

_OF_INPUT_PRICE = {"cache_read_input_tokens": 0.1, "input_tokens": 1.0}
_OF_INPUT_PRICE_FOR_CACHE = {"ephemeral_5m_input_tokens": 1.25, "ephemeral_1h_input_tokens": 2.0}


def list_price_usd(provider: str, model: str, usage: Mapping[str, Any]) -> float | None:
    """What an answer with this Messages `usage` costs; None where no price of the model is known."""
    if model not in _INPUT_AND_OUTPUT_USD:
        return None
    input_usd, output_usd = _INPUT_AND_OUTPUT_USD[model]
    weighed: float = sum(usage[name] * weight for name, weight in _OF_INPUT_PRICE.items())
    weighed += sum(usage["cache_creation"][name] * weight for name, weight in _OF_INPUT_PRICE_FOR_CACHE.items())
    charged: float = weighed * input_usd + usage["output_tokens"] * output_usd
    return charged * _REGIONAL.get(provider, 1.0) / _TOKENS_PER_PRICE
