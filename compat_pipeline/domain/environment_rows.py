"""The rows of the environment matrix: one per environment that was run or planned, one per platform targeted. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from pydantic import AwareDatetime, Field

from compat_pipeline.domain.environment_cell import EnvironmentCell, EnvironmentPart, Lane
from compat_pipeline.domain.environment_verdict import (
    EnvironmentStatus,
    EnvironmentVerdict,
    Parity,
    SelfReport,
    Stage,
    of_resolver,
)

TROUBLED: frozenset[EnvironmentStatus] = frozenset({"broken", "degraded", "unsatisfiable", "unsupported"})


class Control(EnvironmentPart):
    """A negative control as it was last tried here: `red` if the fault was noticed, and in which words."""

    red: bool
    words: str


class EnvironmentRow(EnvironmentPart):
    """One environment. `cell` is its name in the manifest; `litellm` and `runtime` are what `latest` in it means.

    `declared` and `resolved` are told of the accelerator's own dependencies only; `stages` says how each stage ended.
    An excluded one has no status. `also` are the names of those that mean the same today, and are therefore excluded.
    """

    cell: str
    also: tuple[str, ...] = ()
    python: str
    python_version: str = ""
    litellm: str
    runtime: str
    lane: Lane
    status: EnvironmentStatus | None = None
    was: EnvironmentStatus | None = None
    stage: Stage | None = None
    signature: str = ""
    words: str = ""
    findings: tuple[str, ...] = ()
    parity: tuple[Parity, ...] = ()
    open: str = ""
    excluded: str = ""
    known_issue: str = ""
    observed_at: AwareDatetime | None = None
    duration_s: float = 0.0
    stages: dict[Stage, str] = Field(default={})
    report: SelfReport | None = None
    declared: tuple[str, ...] = ()
    resolved: dict[str, str] = Field(default={})
    controls: dict[str, Control] = Field(default={})
    evidence: str | None = None
    lock: str = ""
    companions: tuple[str, ...] = ()

    def named(self, pattern: str) -> bool:
        """Whether any of its names matches a shell-style pattern."""
        return any(fnmatchcase(name, pattern) for name in (self.cell, *self.also))

    @property
    def means(self) -> EnvironmentCell:
        return EnvironmentCell(self.python, self.litellm, self.runtime, self.lane)

    @property
    def said(self) -> EnvironmentStatus | None:
        """Its status; of a stale one, the one that it had."""
        return self.was or self.status

    @property
    def works(self) -> bool:
        return self.status in ("verified", "degraded")

    def with_verdict(self, verdict: EnvironmentVerdict) -> EnvironmentRow:
        return self.model_copy(update={name: getattr(verdict, name) for name in EnvironmentVerdict.model_fields})


class TargetSeen(EnvironmentPart):
    """What a resolver said of one environment on a platform on which it was not run."""

    platform: str
    cell: EnvironmentCell
    outcome: Literal["passed", "failed", "unclear"]
    words: str = ""

    @property
    def status(self) -> EnvironmentStatus:
        if self.outcome == "failed":
            return of_resolver(self.words, self.cell)
        return "targeted" if self.outcome == "passed" else "inconclusive"


def wheel_pythons(wheels: Iterable[str], platform: str) -> list[str]:
    """The Python minors that a wheel with a platform tag like `platform` (a shell-style pattern) is made for, in order.

    A wheel for any Python 3 (`py3`, `abi3`) counts as `3`.
    """
    found = set()
    for name in wheels:
        try:
            tags = parse_wheel_filename(name)[3]
        except InvalidWheelFilename:
            continue
        for tag in tags:
            if fnmatchcase(tag.platform, platform) or tag.platform == "any":
                digits = tag.interpreter.lstrip("cpy")
                found.add("3" if tag.abi == "abi3" or digits == "3" else f"{digits[:1]}.{digits[1:]}")
    return sorted(found, key=python_order)


def python_order(version: str) -> tuple[int, ...]:
    """Sorts `3.9` before `3.10`, and `3.10.9` before `3.10.10`."""
    return tuple(int(part) for part in version.split("."))
