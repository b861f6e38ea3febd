"""The prices of the routes are those that LiteLLM's own table holds for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compat_pipeline.domain.consumption import TokenPrices
from compat_pipeline.domain.manifest import parse_manifest
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.prices import TABLE, price_list
from compat_pipeline.proxy.venv import ProxyVenv

ROUTE = "bedrock/converse/us.haiku"
MANIFEST = parse_manifest(
    f"""
features: [{{id: made_up, name: Made up}}]
providers: [{{id: cloud, name: Cloud, routes: {{haiku: {ROUTE}}}}}]
models: [{{id: haiku, name: Haiku}}]
"""
)
PLAIN = {"input_cost_per_token": 1.0, "output_cost_per_token": 5.0}


def prices(folder: Path, table: str) -> dict[str, TokenPrices]:
    """Of a venv with that table."""
    file = folder / "lib" / "python3.11" / "site-packages" / "litellm" / TABLE
    file.parent.mkdir(parents=True)
    file.write_text(table)
    return price_list(ProxyVenv(python=folder / "bin" / "python", digest=""), MANIFEST)["cloud"]


@pytest.mark.parametrize("name", [ROUTE, "converse/us.haiku", "us.haiku"])
def test_a_route_is_found_with_and_without_the_provider_s_part(tmp_path: Path, name: str) -> None:
    assert prices(tmp_path, json.dumps({name: PLAIN}))[ROUTE].output == 5.0


def test_a_cache_without_prices_costs_what_plain_input_costs(tmp_path: Path) -> None:
    found = prices(tmp_path, json.dumps({ROUTE: PLAIN}))[ROUTE]
    assert (found.cache_read, found.cache_write, found.cache_write_1h) == (1.0, 1.0, 1.0)


def test_what_a_region_costs_more_is_counted(tmp_path: Path) -> None:
    entry = PLAIN | {"regional_endpoint_uplift_multiplier": 1.5, "cache_creation_input_token_cost_above_1hr": 2.0}
    found = prices(tmp_path, json.dumps({ROUTE: entry}))[ROUTE]
    assert (found.input, found.output, found.cache_write_1h) == (1.5, 7.5, 3.0)


@pytest.mark.parametrize(
    "table",
    [
        "{}",
        "[]",
        "not JSON",
        json.dumps({ROUTE: {"input_cost_per_token": 1.0}}),
        json.dumps({ROUTE: PLAIN | {"output_cost_per_token": "5"}}),
    ],
)
def test_a_table_without_a_price_of_the_route_leaves_it_out(tmp_path: Path, table: str) -> None:
    assert prices(tmp_path, table) == {}


def test_a_release_without_a_table_has_no_prices(tmp_path: Path) -> None:
    assert price_list(ProxyVenv(python=tmp_path / "bin" / "python", digest=""), MANIFEST) == {"cloud": {}}


def test_the_pinned_release_has_a_price_for_every_route_of_the_manifest(proxy_venv: ProxyVenv) -> None:
    manifest = load_manifest({})
    found: dict[str, Any] = {provider: set(routes) for provider, routes in price_list(proxy_venv, manifest).items()}
    assert found == {provider.id: set(provider.routes.values()) for provider in manifest.providers}
