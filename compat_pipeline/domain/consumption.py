"""Consumption: what cells take from the providers, what that costs by estimate, and when a budget ends a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from compat_pipeline.domain.observation import Consumption, Inconclusive

BUDGET_VARIABLE = "COMPAT_BUDGET_USD"
_CENT_USD = 0.01


class TokenPrices(BaseModel):
    """What one token of a model costs at one provider, in USD. `cache_write_1h` is for what is to be kept an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cache_read: float = Field(ge=0, allow_inf_nan=False)
    cache_write: float = Field(ge=0, allow_inf_nan=False)
    cache_write_1h: float = Field(ge=0, allow_inf_nan=False)


PriceList: TypeAlias = Mapping[str, Mapping[str, TokenPrices]]
"""Provider -> route -> prices."""


def consumption(usage: Mapping[str, Any] | None, prices: TokenPrices | None) -> Consumption:
    """What one call took, by the Messages `usage` of its answer; None where nothing is charged for it."""
    if usage is None:
        return Consumption(calls=1, cost_usd=0.0)
    written = _count(usage, "cache_creation_input_tokens")
    for_an_hour = _count(usage.get("cache_creation") or {}, "ephemeral_1h_input_tokens")
    taken = Consumption(
        calls=1,
        input_tokens=_count(usage, "input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        cache_read_tokens=_count(usage, "cache_read_input_tokens"),
        cache_write_tokens=written,
    )
    if prices is None:
        return taken
    cost_usd = (
        taken.input_tokens * prices.input
        + taken.output_tokens * prices.output
        + taken.cache_read_tokens * prices.cache_read
        + max(written - for_an_hour, 0) * prices.cache_write
        + for_an_hour * prices.cache_write_1h
    )
    return taken.model_copy(update={"cost_usd": cost_usd})


def _count(usage: Mapping[str, Any], name: str) -> int:
    return int(usage.get(name) or 0)


def total(parts: Iterable[Consumption]) -> Consumption:
    """All of `parts` together; without a cost where that of any part is unknown."""
    parts = list(parts)
    costs = [part.cost_usd for part in parts]
    return Consumption(
        calls=sum(part.calls for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cache_read_tokens=sum(part.cache_read_tokens for part in parts),
        cache_write_tokens=sum(part.cache_write_tokens for part in parts),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


@dataclass
class Spending:
    """What several cells took, added up as they come, and the budget (USD) for it; None sets no limit.

    `known` cells are in `taken`, the `unpriced` of them without their cost. Of `unknown` cells nothing is known.
    """

    budget_usd: float | None = None
    taken: Consumption = field(default_factory=lambda: Consumption(cost_usd=0.0))
    known: int = 0
    unpriced: int = 0
    unknown: int = 0

    def add(self, cell: Consumption | None) -> None:
        """One more cell; None where nothing is known of it."""
        if cell is None:
            self.unknown += 1
            return
        self.known += 1
        if cell.cost_usd is None:
            self.unpriced += 1
            cell = cell.model_copy(update={"cost_usd": 0.0})
        self.taken = total([self.taken, cell])

    @property
    def ended(self) -> Inconclusive | None:
        """What the cells that were not run yet become once the budget is used up; None while it is not."""
        spent_usd = self.taken.cost_usd or 0.0
        if self.budget_usd is None or spent_usd < self.budget_usd:
            return None
        return Inconclusive(
            cause="account",
            error=f"not run: the budget of {self.budget_usd:g} USD ({BUDGET_VARIABLE}) is used up, "
            f"this run has cost {_usd(spent_usd)} by estimate",
        )

    def __str__(self) -> str:
        if self.unknown and not self.known:
            return f"nothing is known of {self.unknown} cell(s)"
        taken = self.taken
        cost = f"{_usd(taken.cost_usd or 0.0)} by estimate"
        if self.unpriced:
            cost += f" without {self.unpriced} cell(s) whose model has no price"
        unknown = f"; nothing is known of {self.unknown} more" if self.unknown else ""
        return (
            f"{self.known} cell(s), {taken.calls:,} calls, tokens: {taken.input_tokens:,} in, "
            f"{taken.cache_read_tokens:,} from cache, {taken.cache_write_tokens:,} to cache, "
            f"{taken.output_tokens:,} out, {cost}{unknown}"
        )


def _usd(amount: float) -> str:
    return f"{amount:,.2f} USD" if amount >= _CENT_USD or not amount else f"less than {_CENT_USD} USD"
