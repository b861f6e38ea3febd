"""Settings that are an amount of something: a number above zero."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from compat_pipeline.domain.consumption import BUDGET_VARIABLE
from compat_pipeline.ground.errors import WrongUsage


def amount(environ: Mapping[str, str], name: str, unit: str) -> float | None:
    """The setting `name` in `unit`, None where it is not set; WrongUsage where it is no amount above 0."""
    if not (asked := environ.get(name)):
        return None
    try:
        value = float(asked)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise WrongUsage(f"{name} is '{asked}', which is no number of {unit}", "set it to one above 0, or unset it")
    return value


def budget_usd(environ: Mapping[str, str] = os.environ) -> float | None:
    """What a live run may cost by `COMPAT_BUDGET_USD`; None sets no limit. WrongUsage as `amount`."""
    return amount(environ, BUDGET_VARIABLE, "USD")
