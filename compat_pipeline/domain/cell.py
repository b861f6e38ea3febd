"""The cell: one feature on one provider with one model, and how people name sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Cell(NamedTuple):
    """feature x provider x model; its `key` is also the Dagster partition key."""

    feature: str
    provider: str
    model: str

    @property
    def target(self) -> str:
        """`provider/model`: the second partition dimension, and the model name under which the proxy serves it."""
        return f"{self.provider}/{self.model}"

    @property
    def key(self) -> str:
        """`feature|provider/model`."""
        return f"{self.feature}|{self.target}"

    @classmethod
    def parse(cls, key: str) -> Cell:
        """The cell of a partition key; raises ValueError when `key` is not `feature|provider/model`."""
        feature, bar, target = key.partition("|")
        provider, slash, model = target.partition("/")
        if not (feature and bar and provider and slash and model):
            raise ValueError(f"'{key}' is not a cell: expected feature|provider/model")
        return cls(feature, provider, model)


AT_ONCE = "+"
"""Between the names of faults that a trial has at once."""


class Trial(NamedTuple):
    """A cell to run; with the name of a fault, on a wire that is broken on purpose, to see its test go red.

    `fault` may name several, joined by `+`: a wire with all of them, of which the test must notice none.
    """

    cell: Cell
    fault: str | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """The names of the faults on its wire."""
        return tuple(self.fault.split(AT_ONCE)) if self.fault else ()

    @property
    def key(self) -> str:
        """The cell's key, with ` FAULT` behind it where there is one."""
        return f"{self.cell.key} {self.fault}" if self.fault else self.cell.key

    @classmethod
    def parse(cls, key: str) -> Trial:
        """The trial of a key; raises ValueError when its first part is no cell."""
        cell, _, fault = key.partition(" ")
        return cls(Cell.parse(cell), fault or None)


class NoSuchCell(ValueError):
    """A pattern that matches nothing in the manifest."""


def select(cells: Sequence[Cell], patterns: Iterable[str]) -> list[Cell]:
    """The cells whose key matches any of the shell-style `patterns`, in manifest order.

    Raises NoSuchCell for a pattern that matches none: a typing error must not look like an empty success.
    """
    chosen: set[Cell] = set()
    for pattern in patterns:
        matched = [cell for cell in cells if fnmatchcase(cell.key, pattern)]
        if not matched:
            raise NoSuchCell(_no_match(cells, pattern))
        chosen.update(matched)
    return [cell for cell in cells if cell in chosen]


def _no_match(cells: Sequence[Cell], pattern: str) -> str:
    features = list(dict.fromkeys(cell.feature for cell in cells))
    targets = list(dict.fromkeys(cell.target for cell in cells))
    return (
        f"no cell matches '{pattern}' (a cell is feature|provider/model, * matches anything)\n"
        f"  features: {', '.join(features)}\n  targets: {', '.join(targets)}"
    )
