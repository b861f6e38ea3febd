"""List prices: what an answer costs by the providers' own tables."""

from __future__ import annotations

from typing import Any

import pytest

from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.suite.attribution.prices import list_price_usd

MILLION = 1_000_000


def usage(**counts: int) -> dict[str, Any]:
    names = ("input_tokens", "cache_read_input_tokens", "output_tokens")
    split = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    return {
        **{name: counts.get(name, 0) for name in names},
        "cache_creation": {name: counts.get(name, 0) for name in split},
    }


@pytest.mark.parametrize(
    ("counted", "usd"),
    [
        ("input_tokens", 3.0),
        ("output_tokens", 15.0),
        ("cache_read_input_tokens", 0.3),
        ("ephemeral_5m_input_tokens", 3.75),
        ("ephemeral_1h_input_tokens", 6.0),
    ],
)
def test_each_kind_of_token_has_its_price(counted: str, usd: float) -> None:
    assert list_price_usd("anthropic", "claude-sonnet-4-6", usage(**{counted: MILLION})) == pytest.approx(usd)


def test_the_kinds_add_up() -> None:
    counts = usage(input_tokens=50, ephemeral_5m_input_tokens=14506, output_tokens=9)
    assert list_price_usd("azure", "claude-haiku-4-5", counts) == pytest.approx(0.0182275)


@pytest.mark.parametrize("provider", ["bedrock_invoke", "bedrock_converse", "vertex_ai"])
def test_staying_within_a_region_costs_a_tenth_more(provider: str) -> None:
    assert list_price_usd(provider, "claude-opus-4-7", usage(output_tokens=MILLION)) == pytest.approx(27.5)


def test_every_model_of_the_manifest_has_a_price() -> None:
    manifest = load_manifest({})
    assert all(list_price_usd("anthropic", model.id, usage(input_tokens=1)) for model in manifest.models)


def test_a_model_without_a_price_is_said_to_have_none() -> None:
    assert list_price_usd("anthropic", "claude-unheard-of", usage()) is None
