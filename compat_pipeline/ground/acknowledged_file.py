"""Reading the known reds from disk: the packaged list, or the one `COMPAT_ACKNOWLEDGED` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from compat_pipeline.domain.acknowledged import Acknowledgement, parse_acknowledged
from compat_pipeline.ground.manifest_file import load_from

PACKAGED = Path(__file__).parents[1] / "acknowledged.yaml"


def load_acknowledged(environ: Mapping[str, str] = os.environ) -> tuple[Acknowledgement, ...]:
    """The acknowledgements in force; CompatError names the file and each wrong entry."""
    return load_from(environ.get("COMPAT_ACKNOWLEDGED") or PACKAGED, parse_acknowledged, "the acknowledgements")
