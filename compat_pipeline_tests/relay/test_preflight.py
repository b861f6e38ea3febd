"""The first message to each provider, through the relay as in emulated mode."""

from __future__ import annotations

import dagster as dg
import pytest

from compat_pipeline.assets.runtime import provider_upstreams
from compat_pipeline.resources.home import Home

PROVIDERS = {"anthropic", "bedrock_invoke", "bedrock_converse", "vertex_ai", "azure"}


def materialized() -> tuple[bool, dict[str, object]]:
    """Whether the check passed, and what a person sees."""
    result = dg.materialize([provider_upstreams], resources={"home": Home()})
    (seen,) = result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    return check.passed, {name: value.value for name, value in seen.materialization.metadata.items()}


def test_emulated_providers_are_healthy() -> None:
    assert materialized() == (True, {"mode": "emulated", **dict.fromkeys(PROVIDERS, "ok")})


def test_real_providers_are_asked_with_the_accounts_of_the_environment(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**environment, "COMPAT_UPSTREAM": "live"}.items():
        monkeypatch.setenv(name, value)
    assert materialized() == (True, {"mode": "live", **dict.fromkeys(PROVIDERS, "ok")})


def test_a_provider_that_refuses_the_account_is_told_with_its_words(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"COMPAT_UPSTREAM": "live", "ANTHROPIC_API_KEY": "sk-wrong", "AZURE_API_KEY": ""}
    for name, value in {**environment, **wrong}.items():
        monkeypatch.setenv(name, value)
    healthy, health = materialized()
    assert not healthy
    assert "invalid x-api-key" in str(health["anthropic"])
    assert "AZURE_API_KEY is not set" in str(health["azure"])
    assert {health[name] for name in PROVIDERS - {"anthropic", "azure"}} == {"ok"}
