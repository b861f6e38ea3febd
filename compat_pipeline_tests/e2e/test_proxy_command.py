"""`compat proxy` as a process: two in one home, and one that a script starts in the background."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from compat_pipeline.command.main import INTERRUPTED
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.suite.runner import SUITE
from compat_pipeline_tests.e2e.conftest import BIN, Site

PATIENCE_S = 120


def wait_until_up(door: subprocess.Popen[bytes]) -> None:
    assert door.stdout is not None
    while b"Ctrl-C ends it" not in (line := door.stdout.readline()):
        assert line, "it ended before its proxy was up"


def test_two_proxies_of_one_home_serve_an_author_s_pytest_until_the_last_of_them_ends(small_site: Site) -> None:
    doors = [
        spawn([BIN / "compat", "proxy"], env=small_site.environment, cwd=small_site.home.root, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for door in doors:
            wait_until_up(door)
        doors[0].send_signal(signal.SIGINT)
        assert doors[0].wait(PATIENCE_S) == INTERRUPTED
        done = small_site.run("pytest", SUITE / "vision" / "test_anthropic.py")
        doors[1].send_signal(signal.SIGINT)
        assert doors[1].wait(PATIENCE_S) == INTERRUPTED
    finally:
        for door in doors:
            end_group(door)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    (seen,) = json.loads(small_site.home.results.read_text())["results"]
    assert (seen["feature"], seen["provider"], seen["outcome"]["status"]) == ("vision", "anthropic", "pass")
    assert not small_site.home.suite_settings.exists()
    assert not list(small_site.home.runtimes.glob("*/runtime.json"))


def test_sigterm_ends_a_proxy_that_was_started_with_sigint_ignored(small_site: Site) -> None:
    in_background: list[str | Path] = ["/bin/sh", "-c", 'trap "" INT; exec "$0" proxy', BIN / "compat"]
    door = spawn(in_background, env=small_site.environment, cwd=small_site.home.root, stdout=subprocess.PIPE)
    try:
        wait_until_up(door)
        door.send_signal(signal.SIGTERM)
        assert door.wait(PATIENCE_S) == INTERRUPTED
    finally:
        end_group(door)
    assert not small_site.home.suite_settings.exists()
    assert not list(small_site.home.runtimes.glob("*/runtime.json"))
