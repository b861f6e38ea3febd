"""How a program of ours ends, as a number; 0 is well."""

from __future__ import annotations

from collections.abc import Mapping

from compat_pipeline.domain.gate import GateOutcome

COULD_NOT_RUN, WRONG_USAGE, NOT_ALL_JUDGED, NOT_PROVEN, REGRESSION, INTERRUPTED = 1, 2, 3, 4, 5, 130

GATE: Mapping[GateOutcome, int] = {"clean": 0, "regression": REGRESSION, "could_not_judge": NOT_ALL_JUDGED}
