"""What a live run may cost, by the user's own word."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from compat_pipeline.domain.consumption import BUDGET_VARIABLE
from compat_pipeline.ground.errors import CompatError


def budget_usd(environ: Mapping[str, str] = os.environ) -> float | None:
    """What `COMPAT_BUDGET_USD` says; None where it says nothing. CompatError where that is no amount above 0."""
    asked = environ.get(BUDGET_VARIABLE)
    if not asked:
        return None
    try:
        amount = float(asked)
    except ValueError:
        amount = math.nan
    if not 0 < amount < math.inf:
        raise CompatError(
            f"{BUDGET_VARIABLE} is '{asked}', which is no amount of USD",
            "set it to one above 0, such as 5, or unset it",
        )
    return amount
