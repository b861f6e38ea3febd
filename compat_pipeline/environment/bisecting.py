"""The first LiteLLM version with which a stage fails: halving what is open, with a real run of each version tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.version import InvalidVersion, Version

from compat_pipeline.domain.bisect import Boundary, Tried, ends, next_to_try
from compat_pipeline.domain.environment_verdict import STAGES, EnvironmentObservation, Stage, signature
from compat_pipeline.environment.resolving import newest_below
from compat_pipeline.ground.errors import WrongUsage

_ASKED_AT_A_TIME = 4


def find_first_bad(
    first: str,
    last: str,
    stage: Stage,
    run: Callable[[str], EnvironmentObservation],
    known: Mapping[str, EnvironmentObservation],
    python: Path,
    folder: Path,
) -> Boundary:
    """The boundary between LiteLLM `first` and `last`, of those that install for the interpreter `python`.

    The minors are halved first, each as its newest patch, then the patches of the first bad one. `run` tries a version;
    what is `known` of one is not tried again. Raises WrongUsage where there is nothing between the two,
    before anything is run, and where `first` is not good or `last` not bad.
    """
    _refuse_unless_between(first, last)
    seen = dict(known)
    tried: dict[str, Tried] = {version: stage_of(one, stage) for version, one in seen.items()}
    before = len(seen)

    def settle(versions: list[str]) -> None:
        while (version := next_to_try(versions, tried)) is not None:
            attempt(version)

    def attempt(version: str) -> Tried:
        if version not in tried:
            seen[version] = run(version)
            tried[version] = stage_of(seen[version], stage)
        return tried[version]

    for version, due in ((first, "good"), (last, "bad")):
        if (judged := attempt(version)) != due:
            unsound = seen[version].first_unsound
            why = f": {unsound.stage}: {signature(unsound.words)}" if unsound else ""
            raise WrongUsage(f"LiteLLM {version} is {judged} at stage {stage}, not {due}{why}", "choose other ends")
    minors = _ordered({first, *newest_patches(first, last, python, folder), last})
    settle(minors)
    good, bad = ends(minors, tried)
    patches = [minors[good], *_between(minors[good], minors[bad], python, folder), minors[bad]]
    settle(patches)
    good, bad = ends(patches, tried)
    ended = seen[patches[bad]]
    failed = next((one for one in ended.stages if one.stage == stage), ended.first_unsound)
    return Boundary(
        last_good=patches[good],
        first_bad=patches[bad],
        signature=signature(failed.words if failed else ""),
        unknown=tuple(patches[good + 1 : bad]),
        probes=len(seen) - before,
    )


def stage_of(seen: EnvironmentObservation, stage: Stage) -> Tried:
    """Whether `stage` was passed; bad, too, where one before it failed, so that it was not reached."""
    ended = next((one for one in seen.stages if one.stage == stage), None) or seen.first_unsound
    if ended is None or ended.outcome == "unclear" or ended.stage == "resolve":
        return "skipped"
    if ended.outcome == "failed" and STAGES.index(ended.stage) <= STAGES.index(stage):
        return "bad"
    return "good"


def newest_patches(first: str, last: str, python: Path, folder: Path) -> list[str]:
    """The newest patch of every minor from that of `first` to that of `last`, which are of one major."""
    low, high = Version(first), Version(last)

    def newest(minor: int) -> str | None:
        return newest_below(f"=={low.major}.{minor}.*,>={first},<={last}", python, folder)

    with ThreadPoolExecutor(_ASKED_AT_A_TIME) as pool:
        return [version for version in pool.map(newest, range(low.minor, high.minor + 1)) if version]


def _refuse_unless_between(first: str, last: str) -> None:
    """Raises WrongUsage unless `first` is older than `last`, and both are of one major."""
    try:
        low, high = Version(first), Version(last)
    except InvalidVersion as error:
        raise WrongUsage(f"'{first}' and '{last}' are not both versions of LiteLLM", "name two, as 1.98.1") from error
    if low.major != high.major or low >= high:
        raise WrongUsage(f"there is nothing between LiteLLM {first} and {last}", "name an older one and a newer one")


def _between(good: str, bad: str, python: Path, folder: Path) -> list[str]:
    """Every version between two, in order."""
    found: list[str] = []
    while version := newest_below(f">{good},<{found[0] if found else bad}", python, folder):
        found.insert(0, version)
    return found


def _ordered(versions: set[str]) -> list[str]:
    return sorted(versions, key=Version)
