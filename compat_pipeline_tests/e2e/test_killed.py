"""A run that is killed leaves nothing running and loses no finished cell."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil

from compat_pipeline_tests.e2e.conftest import BIN, Site, make_site

ROWS = ("basic_messaging_streaming", "prompt_caching_5m", "vision")
CHOICE = [word for row in ROWS for word in ("--cells", f"{row}|*/claude-haiku-4-5")]
"""Fifteen cells."""
PATIENCE_S = 60


def finished_cells(site: Site) -> int:
    if not site.home.history.exists():
        return 0
    with sqlite3.connect(site.home.history) as history:
        return int(history.execute("SELECT count(*) FROM observations").fetchone()[0])


def started(site: Site) -> subprocess.Popen[str]:
    """`compat run` of one model's cells, once its first cell is done."""
    process = subprocess.Popen(
        [BIN / "compat", "run", *CHOICE],
        env=site.environment, cwd=site.home.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "/15" not in (line := process.stdout.readline()):
        assert line, "the run ended before a cell did"
    return process


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """What a run still says once it gets a signal."""
    assert process.stdout is not None
    process.send_signal(number)
    said = process.stdout.read()
    process.wait(PATIENCE_S)
    return said


def test_a_run_stopped_in_the_middle_leaves_nothing_and_can_be_started_again(
    tmp_path: Path, shared_cache: Path
) -> None:
    site, kept = make_site(tmp_path, shared_cache), 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        said = stopped(started(site), number)
        assert "Traceback" not in said, number.name
        deadline = time.monotonic() + PATIENCE_S
        while site.processes() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert site.processes() == [], number.name
        assert finished_cells(site) > kept, number.name
        kept = finished_cells(site)

    again = site.run("compat", "run", "--cells", "vision|azure/claude-haiku-4-5")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1/1" in again.stdout
    assert finished_cells(site) == kept + 1
    assert not list(site.home.scratch.glob("scratch-*"))


def test_cells_whose_proxy_died_are_open_and_re_run_with_one_command(tmp_path: Path, shared_cache: Path) -> None:
    site = make_site(tmp_path, shared_cache)
    process = started(site)
    for proxy in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(proxy.cmdline())
            if "litellm" in line and "--config" in line and str(site.home.root) in line:
                proxy.kill()
    assert process.stdout is not None
    said = process.stdout.read()
    assert process.wait(PATIENCE_S) == 3, said
    cells = json.loads(site.home.details.read_text())["cells"]
    assert not [cell for cell in cells if cell["status"] == "fail"]
    assert {cell["cause"] for cell in cells if cell["status"] == "unjudged" and "observed_at" in cell} == {
        "environment"
    }

    again = site.run("compat", "run", "--cells", "inconclusive")
    assert again.returncode == 0, again.stdout + again.stderr
    counts = json.loads(site.home.details.read_text())["counts"]
    assert (counts["observed"], counts["inconclusive"]) == (15, 0)
