"""`compat proxy` as a process: two in one home, and one that a script starts in the background."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from compat_pipeline.ground.exit_codes import INTERRUPTED
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.suite.runner import SUITE
from compat_pipeline_tests.e2e.conftest import BIN, PATIENCE_S, Site


def wait_until_up(door: subprocess.Popen[bytes]) -> None:
    assert door.stdout is not None
    while b"Ctrl-C ends it" not in (line := door.stdout.readline()):
        assert line, "it ended before its proxy was up"


def test_two_proxies_of_one_home_serve_an_author_s_pytest_until_the_last_of_them_ends(small_site: Site) -> None:
    """The other one runs as in a script's background, with SIGINT ignored, and is ended by SIGTERM."""
    commands: list[list[str | Path]] = [
        [BIN / "compat", "proxy"],
        ["/bin/sh", "-c", 'trap "" INT; exec "$0" proxy', BIN / "compat"],
    ]
    doors = [
        spawn(command, env=small_site.environment, cwd=small_site.home.root, stdout=subprocess.PIPE)
        for command in commands
    ]
    try:
        for door in doors:
            wait_until_up(door)
        doors[0].send_signal(signal.SIGINT)
        assert doors[0].wait(PATIENCE_S) == INTERRUPTED
        done = small_site.run("pytest", SUITE / "vision" / "test_anthropic.py")
        doors[1].send_signal(signal.SIGTERM)
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
