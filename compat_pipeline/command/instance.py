"""The Dagster instance under COMPAT_HOME."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import dagster as dg

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically

# A run of 90 cells leaves 7 MB; the CLI's own folders come and go beside it.
NEEDED_BYTES = 32 << 20
_EMBEDDED = Path(__file__).parents[2] / "dagster.yaml"


def open_instance(home: CompatHome) -> dg.DagsterInstance:
    """The instance of `home`, made ready on first use; also sets DAGSTER_HOME for processes we start.

    Settings come from the file COMPAT_DAGSTER_YAML names, else from the embedded one.
    """
    source = Path(os.environ.get("COMPAT_DAGSTER_YAML") or _EMBEDDED)
    try:
        settings = source.read_bytes()
    except OSError as error:
        raise CompatError(f"cannot read Dagster's settings {source}: {error.strerror}") from error
    folder = make_folder(home.dagster)
    if (free := shutil.disk_usage(folder).free) < NEEDED_BYTES:
        raise CompatError(
            f"only {free >> 10} kB are free on the disk of {home.root}, a run takes up to {NEEDED_BYTES >> 20} MB",
            "free some space, or set COMPAT_HOME to another disk",
        )
    if not (folder / "dagster.yaml").exists() or (folder / "dagster.yaml").read_bytes() != settings:
        write_atomically(folder / "dagster.yaml", settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    # An interrupt that comes while a connection closes would be logged with its traceback, and is raised anyway.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        return dg.DagsterInstance.get()
    except Exception as error:
        raise storage_fault(folder, error) from error


def storage_fault(folder: Path, error: Exception) -> CompatError:
    """What a person is told when Dagster's storage cannot be opened, or failed in the middle of a run."""
    cause = getattr(error, "orig", None) or error
    return CompatError(
        f"cannot use Dagster's storage in {folder}: {cause}",
        f"check the free disk space and {folder / 'dagster.yaml'}, or move {folder} away",
    )
