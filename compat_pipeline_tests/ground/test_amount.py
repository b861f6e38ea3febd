"""A setting that is an amount is a number above zero or nothing; a budget that is none is told before it costs."""

from __future__ import annotations

import pytest

from compat_pipeline.ground.amount import budget_usd
from compat_pipeline.ground.errors import CompatError


@pytest.mark.parametrize(
    ("asked", "usd"), [({}, None), ({"COMPAT_BUDGET_USD": ""}, None), ({"COMPAT_BUDGET_USD": "2.5"}, 2.5)]
)
def test_a_budget_is_an_amount_or_none(asked: dict[str, str], usd: float | None) -> None:
    assert budget_usd(asked) == usd


@pytest.mark.parametrize("asked", ["five", "5 USD", "0", "-1", "nan", "inf"])
def test_a_budget_that_is_no_amount_is_refused(asked: str) -> None:
    with pytest.raises(CompatError, match=f"COMPAT_BUDGET_USD is '{asked}', which is no number of USD"):
        budget_usd({"COMPAT_BUDGET_USD": asked})
