"""Reading the manifest from disk: the packaged one, or the one that `COMPAT_MANIFEST` names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from compat_pipeline.domain.manifest import FeatureSet, Manifest, ManifestError, parse_manifest
from compat_pipeline.ground.errors import CompatError, WrongUsage

_Parsed = TypeVar("_Parsed")

_SETS: TypeAdapter[FeatureSet] = TypeAdapter(FeatureSet)

PACKAGED = Path(__file__).parents[1] / "manifest.yaml"


def load_manifest(environ: Mapping[str, str] = os.environ) -> Manifest:
    """The manifest in force; CompatError names the file and each wrong entry."""
    return load_from(environ.get("COMPAT_MANIFEST") or PACKAGED, parse_manifest, "the manifest")


def manifest_given(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variable by which a process that works in another folder reads the same manifest; none for the packaged."""
    named = environ.get("COMPAT_MANIFEST")
    return {"COMPAT_MANIFEST": str(Path(named).resolve())} if named else {}


def load_from(place: str | Path, parse: Callable[[str, str], _Parsed], what: str) -> _Parsed:
    """What `parse` makes of the text at `place` and of its name; CompatError names the file and each wrong entry."""
    path = Path(place)
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise CompatError(f"cannot read {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CompatError(f"cannot read {what} {path}: it is not UTF-8", "save it as UTF-8") from error
    except ManifestError as error:
        raise CompatError(str(error), "correct the entries named above") from error


def planned_rows(manifest: Manifest, environ: Mapping[str, str] = os.environ) -> Manifest:
    """The manifest in force with the rows of the matrix that is written only; WrongUsage where it has none of them."""
    wanted = feature_set(environ)
    planned = manifest.of_set(wanted)
    if not planned.features:
        place = environ.get("COMPAT_MANIFEST") or PACKAGED
        raise WrongUsage(
            f"the manifest {place} has no row of the set '{wanted}'",
            "set COMPAT_FEATURES to all, or take `set: all` from the rows that shall be in the matrix",
        )
    return planned


def feature_set(environ: Mapping[str, str] = os.environ) -> FeatureSet:
    """The rows that `COMPAT_FEATURES` asks for, `v0` unless it says otherwise; WrongUsage for a set there is none."""
    asked = environ.get("COMPAT_FEATURES") or "v0"
    try:
        return _SETS.validate_python(asked)
    except ValidationError as error:
        known = ", ".join(get_args(FeatureSet))
        raise WrongUsage(f"there is no set of features '{asked}'", f"set COMPAT_FEATURES to one of: {known}") from error
