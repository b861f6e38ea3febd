"""One at a time: a file lock that the kernel frees the moment its holder ends, even by `kill -9`."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made with its folder if need be; waits for its holder. CompatError if it cannot be."""
    make_folder(path.parent)
    try:
        handle = path.open("a")
    except OSError as error:
        raise CompatError(f"cannot lock {path}: {error.strerror}", "check its owner and the free disk space") from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_unless_busy(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` if nobody else does now; gives whether it is held. Its time stays what it was."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def is_locked(path: Path) -> bool:
    """Whether anyone holds the lock file `path` now."""
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
