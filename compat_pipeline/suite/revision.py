"""The suite's revision: by which observations are comparable."""

from __future__ import annotations

import hashlib

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.ground.revision import code_revision


def suite_revision(manifest: Manifest) -> str:
    """Digest of all that decides what an observation says, versions apart: the code that runs and judges a cell, and
    the routes. Observations of different revisions are not comparable (wpt.fyi compares aligned runs only)."""
    code = code_revision("claude", "domain", "emulator", "ground", "proxy", "relay", "suite", "wire")
    routes = manifest.model_dump_json(include={"providers", "models"})
    return hashlib.sha256(f"{code} {routes}".encode()).hexdigest()[:12]
