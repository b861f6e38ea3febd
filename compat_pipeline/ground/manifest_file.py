"""Reading the manifest from disk: the packaged one, or the one `COMPAT_MANIFEST` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from compat_pipeline.domain.manifest import FeatureSet, Manifest, ManifestError, parse_manifest
from compat_pipeline.ground.errors import CompatError, WrongUsage

_SETS: TypeAdapter[FeatureSet] = TypeAdapter(FeatureSet)

PACKAGED = Path(__file__).parents[1] / "manifest.yaml"


def load_manifest(environ: Mapping[str, str] = os.environ) -> Manifest:
    """The manifest in force; CompatError names the file and each wrong entry."""
    path = Path(environ.get("COMPAT_MANIFEST") or PACKAGED)
    try:
        return parse_manifest(path.read_text(), str(path))
    except OSError as error:
        raise CompatError(f"cannot read the manifest {path}: {error.strerror}") from error
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
