"""The Dagster instance under COMPAT_HOME."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically

_EMBEDDED = Path(__file__).parents[2] / "dagster.yaml"


def open_instance(home: CompatHome) -> dg.DagsterInstance:
    """The instance of `home`, made ready on first use; also sets DAGSTER_HOME for processes we start.

    Settings come from the file COMPAT_DAGSTER_YAML names, else from the embedded one.
    """
    source = Path(os.environ.get("COMPAT_DAGSTER_YAML") or _EMBEDDED)
    try:
        settings = source.read_text()
    except OSError as error:
        raise CompatError(f"cannot read Dagster's settings {source}: {error.strerror}") from error
    folder = make_folder(home.dagster)
    if not (folder / "dagster.yaml").exists() or (folder / "dagster.yaml").read_text() != settings:
        write_atomically(folder / "dagster.yaml", settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        return dg.DagsterInstance.get()
    except Exception as error:
        raise CompatError(
            f"cannot open Dagster's storage in {folder}: {error}", f"correct {source}, or move {folder} away"
        ) from error
