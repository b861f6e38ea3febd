"""What nobody has used for long leaves the cache; what somebody uses, takes or has just used stays."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compat_pipeline.ground.age import DAY_S
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.shelf import cache_days, forget_unused, in_use, taken

_USER = (
    "import sys, time; from pathlib import Path; from compat_pipeline.ground.shelf import in_use\n"
    "with in_use(Path(sys.argv[1])): print('used', flush=True); time.sleep(60)"
)


def grow_old(path: Path, days: float) -> None:
    before = path.stat().st_mtime - days * DAY_S
    os.utime(path, (before, before))


def put(shelf: Path, name: str, days: float) -> Path:
    """A folder that was taken so many days ago."""
    folder = shelf / name
    with taken(folder):
        folder.mkdir()
        (folder / "content").write_text(name)
    grow_old(shelf / f"{name}.lock", days)
    grow_old(folder, days)
    return folder


def folders(shelf: Path) -> list[str]:
    return sorted(path.name for path in shelf.iterdir() if path.is_dir())


def test_what_nobody_took_for_as_many_days_is_forgotten(tmp_path: Path) -> None:
    put(tmp_path, "1.0-abababababab", days=31)
    put(tmp_path, "2.0-cdcdcdcdcdcd", days=29)
    assert forget_unused(tmp_path, older_than_days=30) == ["1.0-abababababab"]
    assert folders(tmp_path) == ["2.0-cdcdcdcdcdcd"]
    assert forget_unused(tmp_path, older_than_days=30) == []


def test_what_is_old_and_was_taken_again_stays(tmp_path: Path) -> None:
    folder = put(tmp_path, "1.0-abababababab", days=31)
    with taken(folder):
        pass
    assert forget_unused(tmp_path, older_than_days=30) == []
    assert folders(tmp_path) == ["1.0-abababababab"]


def test_what_somebody_takes_now_is_left_to_them(tmp_path: Path) -> None:
    folder = put(tmp_path, "1.0-abababababab", days=31)
    with taken(folder):
        grow_old(tmp_path / "1.0-abababababab.lock", days=31)
        assert forget_unused(tmp_path, older_than_days=30) == []
    assert forget_unused(tmp_path, older_than_days=30) == ["1.0-abababababab"]


def test_what_two_use_stays_until_the_last_of_them_was_killed(tmp_path: Path) -> None:
    folder = put(tmp_path, "1.0-abababababab", days=31)
    user = subprocess.Popen([sys.executable, "-c", _USER, folder], stdout=subprocess.PIPE)
    try:
        assert user.stdout is not None
        assert user.stdout.readline() == b"used\n"
        with in_use(folder):
            pass
        assert forget_unused(tmp_path, older_than_days=30) == []
    finally:
        user.kill()
        user.wait()
    assert forget_unused(tmp_path, older_than_days=30) == ["1.0-abababababab"]


def test_a_folder_of_no_shelf_can_be_used_and_nothing_is_put_beside_it(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    with in_use(tmp_path / "venv"):
        assert [path.name for path in tmp_path.iterdir()] == ["venv"]


def test_what_killed_processes_left_goes_and_a_download_under_way_stays(tmp_path: Path) -> None:
    for name, days in (("1.0-abababababab", 31), ("2.0-cdcdcdcdcdcd", 31), ("3.0-efefefefefef", 0)):
        put(tmp_path, name, days)
    (tmp_path / "1.0-abababababab.gone").mkdir()
    (tmp_path / "1.0-abababababab.gone" / "half").write_text("of it")
    (tmp_path / "2.0-cdcdcdcdcdcd").rename(tmp_path / "2.0-cdcdcdcdcdcd.part")
    (tmp_path / "3.0-efefefefefef").rename(tmp_path / "3.0-efefefefefef.part")
    assert forget_unused(tmp_path, older_than_days=30) == ["1.0-abababababab"]
    assert folders(tmp_path) == ["3.0-efefefefefef.part"]


def test_what_others_keep_in_a_folder_of_that_name_is_theirs(tmp_path: Path) -> None:
    for name in ("projects", "staging.part", "staging.gone"):
        (tmp_path / name).mkdir()
        grow_old(tmp_path / name, days=3000)
    assert forget_unused(tmp_path, older_than_days=30) == []
    assert folders(tmp_path) == ["projects", "staging.gone", "staging.part"]


def test_a_lock_of_others_does_not_make_their_folder_ours(tmp_path: Path) -> None:
    put(tmp_path, "theirs", days=3000)
    assert forget_unused(tmp_path, older_than_days=30) == []
    assert folders(tmp_path) == ["theirs"]


def test_what_only_has_the_name_of_a_lock_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "1.0-abababababab", days=31)
    for name in ("0.0-abababababab.lock", "2.0-abababababab.lock"):
        (tmp_path / name).mkdir()
        grow_old(tmp_path / name, days=3000)
    assert forget_unused(tmp_path, older_than_days=30) == ["1.0-abababababab"]


def test_a_shelf_that_nobody_has_made_yet_is_empty(tmp_path: Path) -> None:
    assert forget_unused(tmp_path / "none", older_than_days=30) == []


def test_a_run_must_not_outlast_what_it_uses() -> None:
    assert (cache_days({}), cache_days({"COMPAT_CACHE_DAYS": "1"})) == (30.0, 1.0)
    for asked in ("0.5", "0", "soon"):
        with pytest.raises(WrongUsage, match=f"COMPAT_CACHE_DAYS is '?{asked}"):
            cache_days({"COMPAT_CACHE_DAYS": asked})


def test_two_that_tidy_up_at_once_forget_each_folder_once(tmp_path: Path) -> None:
    for number in range(20):
        put(tmp_path, f"{number}.0-abababababab", days=31)
    with ThreadPoolExecutor(4) as pool:
        forgotten = list(pool.map(lambda _: forget_unused(tmp_path, older_than_days=30), range(4)))
    assert sum(len(names) for names in forgotten) == 20
    assert folders(tmp_path) == []
