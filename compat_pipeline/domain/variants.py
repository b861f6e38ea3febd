"""Variants of the proxy, and what they change: the cells whose verdict differs from the default's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Observation
from compat_pipeline.domain.verdict import Status, Verdict, judge

Variant = Literal["default", "drop_params", "forward_client_headers", "fast_litellm"]
"""Named configurations of LiteLLM. `default` is its own defaults; matrices are made of nothing else. `fast_litellm` is
configured so, too, with the accelerator loaded."""

DEFAULT: Variant = "default"
ACCELERATED: Variant = "fast_litellm"
OTHER_VARIANTS: tuple[Variant, ...] = tuple(name for name in get_args(Variant) if name not in (DEFAULT, ACCELERATED))
"""What is compared unless something else is asked for; the accelerator is a package of its own."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Side(_Part):
    """The verdict of a cell under one configuration; `explanation` is empty for a pass."""

    status: Status
    explanation: str


class Difference(_Part):
    """A cell (by its key) that the configurations `default` and `variant` are not equally good for."""

    cell: str
    variant: Variant
    default: Side
    changed: Side


class Unjudged(_Part):
    """A cell of which nothing could be said under a configuration, and why."""

    cell: str
    variant: Variant
    why: str


class Comparison(_Part):
    """What each of `variants` changes in `cells` cells; differences by variant, then in the order of the cells."""

    cells: int
    variants: tuple[Variant, ...]
    differences: tuple[Difference, ...]
    unjudged: tuple[Unjudged, ...]


def compare(observed: Mapping[Variant, Sequence[Observation]]) -> Comparison:
    """The difference of every variant to `default`, from what one run observed under each.

    A cell differs where both verdicts are known and their statuses are not the same; explanations may be worded
    differently. Where either could not be judged, or the cell was never observed, it is listed as unjudged instead.
    """
    verdicts = {variant: _verdicts(seen) for variant, seen in observed.items()}
    default, variants = verdicts[DEFAULT], tuple(variant for variant in observed if variant != DEFAULT)
    return Comparison(
        cells=len(default),
        variants=variants,
        differences=tuple(
            Difference(cell=cell.key, variant=variant, default=_side(before), changed=_side(after))
            for variant in variants
            for cell, before in default.items()
            if (after := verdicts[variant].get(cell)) and _differ(before, after)
        ),
        unjudged=tuple(
            Unjudged(cell=cell.key, variant=variant, why=why)
            for variant, known in verdicts.items()
            for cell in default
            if (why := _why_open(known.get(cell)))
        ),
    )


def dump_comparison(comparison: Comparison) -> str:
    """The bytes of variants.json: 2-space indent, readable non-ASCII, final newline."""
    return comparison.model_dump_json(indent=2) + "\n"


def comparison_text(comparison: Comparison) -> str:
    """A paragraph per variant: how many cells differ, then each with both statuses and the reason of the red one."""
    lines = []
    for variant in comparison.variants:
        found = [one for one in comparison.differences if one.variant == variant]
        same = "no difference" if comparison.cells else "no cell was observed"
        told = f"{len(found)} of {comparison.cells} cells differ" if found else same
        lines.append(f"{variant}: {told}")
        for one in found:
            lines.append(f"  {one.cell}  {one.default.status} -> {one.changed.status}")
            lines.append(f"    {one.changed.explanation or one.default.explanation}")
    lines += [f"could not be judged under {one.variant}: {one.cell}: {one.why}" for one in comparison.unjudged]
    return "\n".join(lines) + "\n"


def _verdicts(observations: Sequence[Observation]) -> dict[Cell, Verdict]:
    seen: dict[Cell, list[Observation]] = {}
    for observation in observations:
        seen.setdefault(observation.cell, []).append(observation)
    return {cell: judge(found) for cell, found in seen.items()}


def _differ(before: Verdict, after: Verdict) -> bool:
    return not (before.open or after.open) and before.status != after.status


def _why_open(verdict: Verdict | None) -> str | None:
    return verdict.open if verdict else "it was never observed"


def _side(verdict: Verdict) -> Side:
    return Side(status=verdict.status, explanation=verdict.explanation)
