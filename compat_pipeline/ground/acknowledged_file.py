"""Reading the known reds from disk: the packaged list, or the one `COMPAT_ACKNOWLEDGED` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from compat_pipeline.domain.acknowledged import AcknowledgedError, Acknowledgement, parse_acknowledged
from compat_pipeline.ground.errors import CompatError

PACKAGED = Path(__file__).parents[1] / "acknowledged.yaml"


def load_acknowledged(environ: Mapping[str, str] = os.environ) -> tuple[Acknowledgement, ...]:
    """The acknowledgements in force; CompatError names the file and each wrong entry."""
    path = Path(environ.get("COMPAT_ACKNOWLEDGED") or PACKAGED)
    try:
        return parse_acknowledged(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise CompatError(f"cannot read the acknowledgements {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CompatError(f"cannot read the acknowledgements {path}: it is not UTF-8", "save it as UTF-8") from error
    except AcknowledgedError as error:
        raise CompatError(str(error), "correct the entries named above") from error
