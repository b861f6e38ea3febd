"""Short-lived folders that a killed process cannot leave behind for good."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compat_pipeline.ground.lock import locked

_PREFIX = "scratch-"
HELD = ".held"
"""The file in it that its user has locked."""


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """A folder under `root` for the length of the block; those of processes that were killed are removed first.

    Its user holds a file lock inside it, so that a living folder is told from a dead one in any process.
    """
    with locked(root / ".lock"):
        for left in root.glob(f"{_PREFIX}*"):
            _remove_if_dead(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        held = (folder / HELD).open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    with held:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_dead(folder: Path) -> None:
    try:
        with (folder / HELD).open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    except OSError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
