"""Reading what is planned from disk: the packaged manifests, or those that settings name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from compat_pipeline.domain.environment import EnvironmentManifest, parse_environment
from compat_pipeline.domain.environment_issues import KnownEnvironmentIssue, parse_environment_issues
from compat_pipeline.domain.manifest import FeatureSet, Manifest, ManifestError, parse_manifest
from compat_pipeline.ground.errors import CompatError, WrongUsage

_Parsed = TypeVar("_Parsed")

_SETS: TypeAdapter[FeatureSet] = TypeAdapter(FeatureSet)

PACKAGED = Path(__file__).parents[1] / "manifest.yaml"


def load_manifest(environ: Mapping[str, str] = os.environ) -> Manifest:
    """The manifest in force; CompatError names the file and each wrong entry."""
    return _load(environ.get("COMPAT_MANIFEST") or PACKAGED, parse_manifest, "the manifest")


def load_environments(environ: Mapping[str, str] = os.environ) -> EnvironmentManifest:
    """The manifest of the environment matrix that is in force; CompatError as for the other."""
    packaged = PACKAGED.with_name("environment.yaml")
    return _load(environ.get("COMPAT_ENVIRONMENTS") or packaged, parse_environment, "the manifest")


def load_environment_issues(environ: Mapping[str, str] = os.environ) -> tuple[KnownEnvironmentIssue, ...]:
    """The known issues of the environment matrix that are in force; CompatError as for the manifests."""
    packaged = PACKAGED.with_name("known_environment_issues.yaml")
    return _load(environ.get("COMPAT_ENVIRONMENT_ISSUES") or packaged, parse_environment_issues, "the known issues")


def _load(place: str | Path, parse: Callable[[str, str], _Parsed], what: str) -> _Parsed:
    path = Path(place)
    try:
        return parse(path.read_text(), str(path))
    except OSError as error:
        raise CompatError(f"cannot read {what} {path}: {error.strerror}") from error
    except (ManifestError, UnicodeDecodeError) as error:
        raise CompatError(str(error), "correct the entries named above") from error


def feature_set(environ: Mapping[str, str] = os.environ) -> FeatureSet:
    """The rows that `COMPAT_FEATURES` asks for, `v0` unless it says otherwise; WrongUsage for a set there is none."""
    asked = environ.get("COMPAT_FEATURES") or "v0"
    try:
        return _SETS.validate_python(asked)
    except ValidationError as error:
        known = ", ".join(get_args(FeatureSet))
        raise WrongUsage(f"there is no set of features '{asked}'", f"set COMPAT_FEATURES to one of: {known}") from error
