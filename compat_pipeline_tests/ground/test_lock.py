"""One at a time: who holds a lock, who waits, and what becomes of the lock of a killed holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.lock import locked
from compat_pipeline_tests.processes import PATIENCE_S

_HOLDER = (
    "import sys, time; from pathlib import Path; from compat_pipeline.ground.lock import locked\n"
    "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def test_a_second_one_waits_until_the_holder_was_killed(tmp_path: Path) -> None:
    path, entered = tmp_path / "new" / "one.lock", threading.Event()

    def enter() -> None:
        with locked(path):
            entered.set()

    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    second = threading.Thread(target=enter)
    second.start()
    try:
        assert not entered.wait(0.3)
    finally:
        holder.kill()
        holder.wait()
    assert entered.wait(PATIENCE_S)
    second.join()


def test_what_stood_in_the_lock_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "one.lock").write_bytes(b"\x00\xffgarbage")
    with locked(tmp_path / "one.lock"):
        pass


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.lock").mkdir()
    with pytest.raises(CompatError, match=r"one\.lock: Is a directory"), locked(tmp_path / "one.lock"):
        pass
