"""What a cell took from the upstreams, from their own record of each call."""

from __future__ import annotations

from collections.abc import Iterable

from compat_pipeline.domain.consumption import PriceList, consumption, total
from compat_pipeline.domain.observation import Consumption
from compat_pipeline.wire.exchange import Exchange

_COST_DECIMALS = 8


def consumed(exchanges: Iterable[Exchange], prices: PriceList) -> Consumption:
    """All of `exchanges`. To count tokens is free, and so is a request that was refused before any answer."""
    taken = total(_of_one(exchange, prices) for exchange in exchanges)
    cost_usd = taken.cost_usd if taken.cost_usd is None else round(taken.cost_usd, _COST_DECIMALS)
    return taken.model_copy(update={"cost_usd": cost_usd})


def _of_one(exchange: Exchange, prices: PriceList) -> Consumption:
    reply = exchange.reply if exchange.operation != "count_tokens" else None
    of_provider = prices.get(exchange.provider, {})
    route = next((route for route in of_provider if route.endswith(f"/{exchange.model}")), "")
    return consumption(reply and reply.get("usage"), of_provider.get(route))
