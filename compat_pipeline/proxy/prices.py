"""LiteLLM's own price table, as the release under test brings it: what a token costs on each route of a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from compat_pipeline.domain.consumption import TokenPrices
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.venv import ProxyVenv

TABLE = "model_prices_and_context_window_backup.json"
"""LiteLLM goes by this file, and asks nobody for a newer one, because our proxies run with a local cost map."""


def price_list(installed: ProxyVenv | ProxyImage, manifest: Manifest) -> dict[str, dict[str, TokenPrices]]:
    """Provider -> route -> its prices; a route that the table has none for is left out.

    Where a place of Google Cloud costs more than the global endpoint, that is counted: no estimate is too low for it.
    """
    table = _table(installed)
    found = {
        one.id: {route: _prices(_entry(route, table)) for route in one.routes.values()} for one in manifest.providers
    }
    return {
        provider: {route: prices for route, prices in routes.items() if prices is not None}
        for provider, routes in found.items()
    }


def _table(installed: ProxyVenv | ProxyImage) -> Mapping[str, Any]:
    """The table of the installed release; empty where it holds none that can be read."""
    if isinstance(installed, ProxyImage):
        files = [installed.prices]
    else:
        files = list(installed.python.parents[1].glob(f"lib/python*/site-packages/litellm/{TABLE}"))
    for file in files:
        try:
            table = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(table, dict):
            return table
    return {}


def _entry(route: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry under the route's whole name, or what is left of it without the provider's part, as LiteLLM looks."""
    parts = route.split("/")
    names = ("/".join(parts[start:]) for start in range(len(parts)))
    entry = next((table[name] for name in names if name in table), None)
    return entry if isinstance(entry, dict) else {}


def _prices(entry: Mapping[str, Any]) -> TokenPrices | None:
    """A price for the cache that is not listed is that of plain input, one for an hour that of a shorter time."""
    given = {name: value for name, value in entry.items() if isinstance(value, int | float)}
    written = given.get("cache_creation_input_token_cost", given.get("input_cost_per_token"))
    listed = {
        "input": given.get("input_cost_per_token"),
        "output": given.get("output_cost_per_token"),
        "cache_read": given.get("cache_read_input_token_cost", given.get("input_cost_per_token")),
        "cache_write": written,
        "cache_write_1h": given.get("cache_creation_input_token_cost_above_1hr", written),
    }
    uplift = given.get("regional_endpoint_uplift_multiplier", 1.0)
    try:
        return TokenPrices(**{name: price * uplift for name, price in listed.items() if price is not None})
    except ValidationError:
        return None
