"""Reading the manifest from disk: the packaged one, or the one `COMPAT_MANIFEST` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from compat_pipeline.domain.manifest import Manifest, ManifestError, parse_manifest
from compat_pipeline.ground.errors import CompatError

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
