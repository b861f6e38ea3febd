"""What is taken is counted as it is billed, and a budget ends a run."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.consumption import Spending, TokenPrices, consumption, total
from compat_pipeline.domain.observation import Consumption

PRICES = TokenPrices(input=1.0, output=10.0, cache_read=0.1, cache_write=2.0, cache_write_1h=3.0)
DOLLAR = Consumption(calls=1, cost_usd=1.0)
UNPRICED = Consumption(calls=1, input_tokens=5)


@pytest.mark.parametrize(
    ("counted", "usd"),
    [
        ({"input_tokens": 2}, 2.0),
        ({"output_tokens": 2}, 20.0),
        ({"cache_read_input_tokens": 2}, 0.2),
        ({"cache_creation_input_tokens": 2}, 4.0),
        ({"cache_creation_input_tokens": 2, "cache_creation": {"ephemeral_1h_input_tokens": 1}}, 5.0),
        ({"input_tokens": None, "cache_creation": None}, 0.0),
    ],
)
def test_each_kind_of_token_has_its_price(counted: dict[str, object], usd: float) -> None:
    assert consumption(counted, PRICES).cost_usd == pytest.approx(usd)


def test_a_call_that_is_not_charged_is_a_call_all_the_same() -> None:
    assert consumption(None, None) == Consumption(calls=1, cost_usd=0.0)


def test_tokens_of_a_model_without_a_price_are_counted_at_an_unknown_cost() -> None:
    assert consumption({"output_tokens": 3}, None) == Consumption(calls=1, output_tokens=3, cost_usd=None)


def test_calls_add_up_and_one_of_unknown_cost_leaves_that_of_all_unknown() -> None:
    assert total([DOLLAR, DOLLAR]) == Consumption(calls=2, cost_usd=2.0)
    assert total([DOLLAR, UNPRICED]) == Consumption(calls=2, input_tokens=5, cost_usd=None)
    assert total([]) == Consumption(cost_usd=0.0)


def spent(*cells: Consumption | None, budget_usd: float | None = None) -> Spending:
    spending = Spending(budget_usd)
    for cell in cells:
        spending.add(cell)
    return spending


def test_a_run_goes_on_below_its_budget() -> None:
    assert spent(DOLLAR, budget_usd=1.5).ended is None


def test_a_budget_that_is_reached_ends_the_run_as_trouble_of_the_account() -> None:
    ended = spent(DOLLAR, DOLLAR, budget_usd=2.0).ended
    assert ended is not None
    assert (ended.status, ended.cause) == ("inconclusive", "account")
    assert "the budget of 2 USD (COMPAT_BUDGET_USD) is used up" in ended.error


def test_without_a_budget_a_run_never_ends() -> None:
    assert spent(DOLLAR.model_copy(update={"cost_usd": 1e9})).ended is None


def test_cells_of_unknown_cost_do_not_count_against_the_budget() -> None:
    assert spent(UNPRICED, None, budget_usd=0.5).ended is None


def test_what_was_taken_is_told_in_one_line_with_all_that_is_unknown() -> None:
    large = Consumption(
        calls=3, input_tokens=1200, output_tokens=40, cache_read_tokens=15000, cache_write_tokens=7, cost_usd=0.125
    )
    assert str(spent(large, UNPRICED, None)) == (
        "2 cell(s), 4 calls, tokens: 1,205 in, 15,000 from cache, 7 to cache, 40 out, "
        "0.12 USD by estimate without 1 cell(s) whose model has no price; nothing is known of 1 more"
    )


def test_nothing_that_is_known_is_not_told_as_no_cost() -> None:
    assert str(spent(None, None)) == "nothing is known of 2 cell(s)"


def test_a_cost_below_a_cent_is_not_told_as_none() -> None:
    assert "less than 0.01 USD" in str(spent(DOLLAR.model_copy(update={"cost_usd": 0.001})))
