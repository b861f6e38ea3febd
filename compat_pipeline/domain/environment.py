"""The environment matrix as planned: Python x LiteLLM x runtime x lane, platforms to target, what is left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, model_validator

from compat_pipeline.domain.cell import NoSuchCell
from compat_pipeline.domain.environment_cell import (
    ACCELERATOR,
    AS_OF_TODAY,
    STOCK,
    EnvironmentCell,
    EnvironmentPart,
    Lane,
)
from compat_pipeline.domain.environment_claims import Claim
from compat_pipeline.domain.environment_rows import TargetSeen
from compat_pipeline.domain.manifest import Said, parse_as

LATEST = "latest"

_Python = Annotated[str, Field(pattern=r"^3\.\d+$")]
_Litellm = Annotated[str, Field(pattern=r"^(latest|\d+\.\d+\.\d+)$")]
_Runtime = Annotated[str, Field(pattern=rf"^({STOCK}|{ACCELERATOR}==(latest|\d+(\.\d+)*))$")]


class Exclusion(EnvironmentPart):
    """Cells that are not run, and why; `cells` is a shell-style pattern over keys."""

    cells: Said
    reason: Said


class Platform(EnvironmentPart):
    """A platform that is only targeted. `resolver` is its name for uv, `wheel` a pattern of platform tags."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    name: Said
    resolver: Said
    wheel: Said


class EnvironmentManifest(EnvironmentPart):
    """The environment matrix as it is planned.

    `small` are the LiteLLM versions of the small set. `routes` are the `provider/model` through which messages go.
    `documented` are the accelerator's dependencies as its documentation states them. `valid_days`: for how long an
    observation counts; `cell_limit_s`: for how long a cell may run.
    """

    pythons: tuple[_Python, ...] = Field(min_length=1)
    litellm: tuple[_Litellm, ...] = Field(min_length=1)
    small: tuple[_Litellm, ...] = Field(min_length=1)
    runtimes: tuple[_Runtime, ...] = Field(min_length=1)
    lanes: tuple[Lane, ...] = Field(min_length=1)
    excluded: tuple[Exclusion, ...] = ()
    routes: tuple[Said, ...] = Field(min_length=1)
    platforms: tuple[Platform, ...] = ()
    documented: dict[str, str] = Field(default={})
    claims: tuple[Claim, ...] = ()
    valid_days: float = Field(gt=0)
    cell_limit_s: float = Field(gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> EnvironmentManifest:
        for what, ids in (
            ("Python", self.pythons),
            ("LiteLLM", self.litellm),
            ("runtime", self.runtimes),
            ("lane", self.lanes),
            ("platform", [platform.id for platform in self.platforms]),
            ("claim", [claim.id for claim in self.claims]),
        ):
            for twice in sorted({entry for entry in ids if list(ids).count(entry) > 1}):
                raise ValueError(f"{what} '{twice}' is listed twice")
        if STOCK not in self.runtimes:
            raise ValueError("the runtime `stock` is what the others are compared with")
        if missing := sorted(set(self.small) - set(self.litellm)):
            raise ValueError(f"the small set has LiteLLM versions that are not listed: {', '.join(missing)}")
        for entry in self.excluded:
            if not any(fnmatchcase(cell.key, entry.cells) for cell in self.cells):
                raise ValueError(f"'{entry.cells}' excludes no cell")
        return self

    @property
    def stacks(self) -> list[str]:
        """The second dimension of the partitions."""
        return list(dict.fromkeys(cell.stack for cell in self.cells))

    @property
    def cells(self) -> list[EnvironmentCell]:
        """Every cell, excluded ones too: Pythons, then LiteLLM versions, then lanes, then runtimes."""
        return [
            EnvironmentCell(python, litellm, runtime, lane)
            for python in self.pythons
            for litellm in self.litellm
            for lane in self.lanes
            for runtime in self.runtimes
        ]

    def small_set(self, here: str) -> list[EnvironmentCell]:
        """The small set of a machine whose own Python is the minor `here`."""
        return [
            cell
            for cell in self.cells
            if cell.python == here and cell.litellm in self.small and cell.lane == AS_OF_TODAY
        ]

    def why_excluded(self, cell: EnvironmentCell) -> str:
        """Why a cell is not run; empty where it is."""
        return next((entry.reason for entry in self.excluded if fnmatchcase(cell.key, entry.cells)), "")


class Interpreter(EnvironmentPart):
    """A Python that was found: its minor, full version, file and platform (`linux-x86_64`).

    `trouble` says why it cannot be used; then nothing but its minor and file is known.
    """

    minor: str
    path: str
    version: str = ""
    platform: str = ""
    trouble: str = ""


class Planned(EnvironmentPart):
    """One cell of a plan. `cell` is named as in the manifest; `means` is what it is with `latest` resolved.

    It is run if it has an `interpreter` without trouble and is not `excluded`; without an interpreter it is targeted.
    """

    cell: EnvironmentCell
    means: EnvironmentCell
    interpreter: Interpreter | None = None
    excluded: str = ""

    @property
    def runs(self) -> bool:
        return not self.excluded and self.interpreter is not None and not self.interpreter.trouble


class Interpreters(EnvironmentPart):
    """What was found on this machine, whose own Python is of the minor `own` and the platform `platform`."""

    own: str
    platform: str
    found: tuple[Interpreter, ...]


class EnvironmentPlan(EnvironmentPart):
    """What is to be done with every environment of the manifest. `newest`: package -> the version that `latest` means;
    `wheels` are the accelerator's; `targets` what the resolver said of environments that cannot be run here."""

    platform: str
    newest: dict[str, str]
    wheels: tuple[str, ...]
    planned: tuple[Planned, ...]
    targets: tuple[TargetSeen, ...]


def targets_of(
    manifest: EnvironmentManifest, planned: Sequence[Planned], newest: Mapping[str, str], here: str
) -> list[tuple[Platform | None, EnvironmentCell]]:
    """What to ask a resolver: the environments without an interpreter on this platform (None), `here`, and the newest
    versions on every Python of every other one."""
    missing = [(None, one.means) for one in planned if one.interpreter is None and not one.excluded]
    pinned = f"{ACCELERATOR}=={newest[ACCELERATOR]}"
    others = [
        (platform, EnvironmentCell(python, newest["litellm"], pinned))
        for platform in manifest.platforms
        for python in manifest.pythons
        if platform.id != here
    ]
    return [*missing, *others]


def plan(
    manifest: EnvironmentManifest,
    cells: Sequence[EnvironmentCell],
    interpreters: Iterable[Interpreter],
    newest: Mapping[str, str],
) -> list[Planned]:
    """What is to be done with `cells`, in their order. `newest`: package -> the version that `latest` means.

    A cell that means the same as one before it is excluded.
    """
    found = {one.minor: one for one in interpreters}
    planned: list[Planned] = []
    for cell in cells:
        means = cell._replace(litellm=_version(cell.litellm, newest["litellm"]), runtime=_pinned(cell.runtime, newest))
        twin = next((one.cell.key for one in planned if one.means == means and not one.excluded), "")
        why = manifest.why_excluded(cell) or (f"the same as {twin}" if twin else "")
        planned.append(Planned(cell=cell, means=means, interpreter=found.get(cell.python), excluded=why))
    return planned


def _version(asked: str, newest: str) -> str:
    return newest if asked == LATEST else asked


def _pinned(runtime: str, newest: Mapping[str, str]) -> str:
    package, pin, version = runtime.partition("==")
    return f"{package}=={_version(version, newest[package])}" if pin else runtime


def select_environments(cells: Sequence[EnvironmentCell], patterns: Iterable[str]) -> list[EnvironmentCell]:
    """The cells whose key matches any of the shell-style `patterns`, in order; NoSuchCell for one that matches none."""
    chosen: set[EnvironmentCell] = set()
    for pattern in patterns:
        matched = [cell for cell in cells if fnmatchcase(cell.key, pattern)]
        if not matched:
            pythons, stacks = (
                ", ".join(dict.fromkeys(part)) for part in zip(*((c.python, c.stack) for c in cells), strict=True)
            )
            raise NoSuchCell(
                f"no environment matches '{pattern}' (one is PYTHON|LITELLM@RUNTIME, * matches anything)\n"
                f"  Pythons: {pythons}\n  stacks: {stacks}"
            )
        chosen.update(matched)
    return [cell for cell in cells if cell in chosen]


def parse_environment(text: str, source: str = "environment.yaml") -> EnvironmentManifest:
    """Read and validate manifest YAML; raises ManifestError that names `source` and each wrong entry."""
    return parse_as(EnvironmentManifest, text, source)
