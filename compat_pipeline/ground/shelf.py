"""Shelves of the cache: what was downloaded or built, in a folder each, until nobody has used it for long.

A folder is named `WHAT-DIGEST`, with 12 to 16 hexadecimal digits of the digest.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from compat_pipeline.ground.age import days_ago
from compat_pipeline.ground.amount import amount
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.lock import locked, locked_unless_busy

DAYS_VARIABLE = "COMPAT_CACHE_DAYS"
_LOCK = ".lock"
"""Of a folder, locked by who takes it; as old as its last use."""
_USE = ".use"
"""Of a folder, locked, by any number, as long as it is in use."""
_DEFAULT_DAYS = 30.0
_GONE = ".gone"
_OURS = re.compile(r".+-[0-9a-f]{12,16}")
"""The names of what is put on a shelf; another's folder hardly has one."""
PART = ".part"
"""Ends the name of what is not yet whole, beside the folder that it becomes; who makes it has taken that folder."""


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
    with _beside(folder, _USE).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def is_idle(folder: Path) -> bool:
    """Whether nobody is `in_use` of `folder` now."""
    with locked_unless_busy(_beside(folder, _USE)) as idle:
        return idle


def forget_unused(shelf: Path, older_than_days: float) -> list[str]:
    """Remove the folders of `shelf` that were taken longer ago, and are not in use; returns their names.

    What killed processes left there half-done goes as well.
    """
    limit = days_ago(older_than_days)
    # Only what was ever taken: the cache may be a folder in which others, too, have a shelf of that name.
    locks = [lock for lock in sorted(shelf.glob(f"*{_LOCK}")) if lock.is_file() and not lock.is_symlink()]
    taken_once = [lock.with_name(lock.name.removesuffix(_LOCK)) for lock in locks]
    return [folder.name for folder in taken_once if _OURS.fullmatch(folder.name) and _forgotten(folder, limit)]


def _forgotten(folder: Path, limit: float) -> bool:
    """Whether `folder` was there, and is no longer."""
    if (lock := _lock(folder)).stat().st_mtime >= limit:
        return False
    gone = _beside(folder, _GONE)
    with locked_unless_busy(lock) as ours, locked_unless_busy(_beside(folder, _USE)) as idle:
        if not (ours and idle) or lock.stat().st_mtime >= limit:
            return False
        for left in (gone, _beside(folder, PART)):
            shutil.rmtree(left, ignore_errors=True)
        if not folder.is_dir():
            return False
        # In one step: half a venv whose stamp is still there would pass for a whole one.
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
    return True


def _lock(folder: Path) -> Path:
    return _beside(folder, _LOCK)


def _beside(folder: Path, ending: str) -> Path:
    return folder.with_name(f"{folder.name}{ending}")
