"""What a cell took is read from the upstreams' own record: what they billed, not what the CLI was told."""

from __future__ import annotations

from compat_pipeline.domain.consumption import TokenPrices
from compat_pipeline.domain.observation import Consumption
from compat_pipeline.suite.consumption import consumed
from compat_pipeline_tests.suite.stage import ROUTE, exchange

PRICES = {"anthropic": {ROUTE: TokenPrices(input=1, output=10, cache_read=0.5, cache_write=2, cache_write_1h=3)}}
ONE = Consumption(calls=1, input_tokens=3, output_tokens=11, cache_read_tokens=5, cache_write_tokens=7, cost_usd=129.5)


def test_an_answer_counts_as_the_upstream_counted_it() -> None:
    assert consumed([exchange()], PRICES) == ONE


def test_every_attempt_counts() -> None:
    taken = consumed([exchange(), exchange(status=529, reply=None, error="Overloaded"), exchange()], PRICES)
    assert (taken.calls, taken.output_tokens, taken.cost_usd) == (3, 22, 259.0)


def test_to_count_tokens_is_a_call_without_a_cost() -> None:
    counting = exchange(operation="count_tokens", reply={"input_tokens": 500})
    assert consumed([counting], PRICES) == Consumption(calls=1, cost_usd=0.0)


def test_the_price_is_that_of_the_model_that_the_upstream_was_asked_for() -> None:
    assert consumed([exchange(model="haiku-4-5")], PRICES).cost_usd is None
    assert consumed([exchange(provider="azure")], PRICES).cost_usd is None
