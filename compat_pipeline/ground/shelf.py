"""Shelves of the cache: what was downloaded or built, in a folder each, until nobody has used it for long."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from compat_pipeline.ground.amount import DAY_S, amount
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.lock import locked, locked_unless_busy

DAYS_VARIABLE = "COMPAT_CACHE_DAYS"
_DEFAULT_DAYS = 30.0
_GONE = ".gone"


def cache_days(environ: Mapping[str, str] = os.environ) -> float:
    """For how many days what nobody uses is kept; WrongUsage where the setting is less than one, or no number."""
    days = amount(environ, DAYS_VARIABLE, "days") or _DEFAULT_DAYS
    if days < 1:
        raise WrongUsage(f"{DAYS_VARIABLE} is {days:g}: what a run uses must outlast it", "set it to 1 or more")
    return days


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Use `folder`, which need not be there yet, while nobody else takes it; waits for who does.

    From now on it counts as used. Raises CompatError as `locked`.
    """
    with locked(lock := _lock(folder)):
        os.utime(lock)
        yield


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """`folder` is not forgotten within the block, however long that is; others may use it, too."""
    if not _lock(folder).exists():  # it is on no shelf
        yield
        return
    with _use(folder).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def forget_unused(shelf: Path, older_than_days: float) -> list[str]:
    """Remove the folders of `shelf` that were taken longer ago, and are not in use; returns their names.

    What killed processes left there half-done goes as well.
    """
    limit = time.time() - older_than_days * DAY_S
    forgotten = []
    for left in shelf.glob(f"*{_GONE}"):
        shutil.rmtree(left, ignore_errors=True)
    for folder in sorted(path for path in shelf.glob("*") if path.is_dir()):
        lock = _lock(folder)
        with suppress(FileNotFoundError):  # others tidy up, too
            if not lock.exists():
                if folder.stat().st_mtime < limit:
                    shutil.rmtree(folder, ignore_errors=True)
            elif lock.stat().st_mtime < limit and _forgotten(folder, lock, limit):
                forgotten.append(folder.name)
    return forgotten


def _forgotten(folder: Path, lock: Path, limit: float) -> bool:
    with locked_unless_busy(lock) as ours, locked_unless_busy(_use(folder)) as idle:
        if not (ours and idle) or lock.stat().st_mtime >= limit:
            return False
        # In one step: half a venv whose stamp is still there would pass for a whole one.
        gone = folder.rename(folder.with_name(f"{folder.name}{_GONE}"))
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _lock(folder: Path) -> Path:
    """Locked by who takes the folder; as old as its last use."""
    return folder.with_name(f"{folder.name}.lock")


def _use(folder: Path) -> Path:
    """Locked, by any number, as long as the folder is in use."""
    return folder.with_name(f"{folder.name}.use")
