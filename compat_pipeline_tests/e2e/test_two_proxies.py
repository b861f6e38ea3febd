"""Two `compat proxy` in one home."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from compat_pipeline.command.main import INTERRUPTED
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline_tests.e2e.conftest import BIN, make_site

PATIENCE_S = 120


def test_the_suite_s_settings_stay_until_the_last_of_two_proxies_ends(tmp_path: Path, shared_cache: Path) -> None:
    site = make_site(tmp_path, shared_cache)
    doors = [
        spawn([BIN / "compat", "proxy"], env=site.environment, cwd=site.home.root, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for door in doors:
            assert door.stdout is not None
            while b"Ctrl-C ends it" not in (line := door.stdout.readline()):
                assert line, "it ended before its proxy was up"
        for door, left in zip(doors, (True, False), strict=True):
            door.send_signal(signal.SIGINT)
            assert door.wait(PATIENCE_S) == INTERRUPTED
            assert site.home.suite_settings.exists() is left
    finally:
        for door in doors:
            end_group(door)
    assert not list(site.home.runtimes.glob("*/runtime.json"))
