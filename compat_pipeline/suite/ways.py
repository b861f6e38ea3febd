"""One probe run in more than one way: by every authentication of a route, and in both shapes of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.suite.cell_run import CellRun, Judged

Probe = Callable[[CellRun], Outcome]

_TOLD = {"signed": "with signed requests", "bearer": "with a bearer token"}
_TWO_SHAPED = frozenset({"bedrock_converse"})
_SHAPES = {"shapes_shown": "shows", "shapes_hidden": "does not show"}


def by_every_authentication(run: CellRun, probe: Probe) -> Outcome:
    """`probe` once per authentication of the cell's route: red if one is red, and the error names it.

    Source: LiteLLM #38579: with a bearer token and no AWS keys every request failed, with signed requests none.
    """
    outcomes = {auth: _judged(replace(run, name=name), run, probe) for name, auth in run.served_as.items()}
    for kind in (Fail, Inconclusive):
        if found := {auth: seen for auth, seen in outcomes.items() if isinstance(seen, kind)}:
            first = next(iter(found.values()))
            told = [f"{_TOLD[auth]}: {seen.error}" if auth else seen.error for auth, seen in found.items()]
            return first.model_copy(update={"error": "; ".join(told)})
    return next(iter(outcomes.values()))


def in_either_shape(run: CellRun, probe: Probe) -> Outcome:
    """`probe`; where it fails in one of the two shapes of the upstream's answers only, the error says so.

    An answer of Bedrock's Converse may or may not hold an empty delta (rules C1 and C4 of the emulator's shapes); a
    conversation meets both in turn. Which of them broke a red cell is found by running it in each alone.
    """
    outcome = _judged(run, run, probe)
    if not isinstance(outcome, Fail) or run.cell.provider not in _TWO_SHAPED or run.fault:
        return outcome
    red = [shape for shape in _SHAPES if isinstance(_judged(replace(run, behaviour=shape), run, probe), Fail)]
    if len(red) != 1:
        return outcome
    when = f"intermittent upstream (red only where it {_SHAPES[red[0]]} empty deltas)"
    return outcome.model_copy(update={"error": f"{when}: {outcome.error}"})


def _judged(way: CellRun, run: CellRun, probe: Probe) -> Outcome:
    """What `probe` makes of `way`, a copy of `run` that shares all it keeps but the number of attempts."""
    try:
        return probe(way)
    except Judged as judged:
        return judged.outcome
    finally:
        run.attempts = max(run.attempts, way.attempts)
