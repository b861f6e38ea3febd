"""A run that is killed leaves nothing running and loses no finished cell."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import psutil
import pytest

from compat_pipeline_tests.e2e.conftest import BIN, PATIENCE_S, Site, make_site, wait_for

CELLS = [
    f"{row}|{provider}/claude-haiku-4-5"
    for row in ("basic_messaging_streaming", "vision")
    for provider in ("anthropic", "vertex_ai", "azure")
]


def finished_cells(site: Site) -> int:
    if not site.home.history.exists():
        return 0
    with sqlite3.connect(site.home.history) as history:
        return int(history.execute("SELECT count(*) FROM observations").fetchone()[0])


def begun(site: Site) -> subprocess.Popen[str]:
    """`compat run` of the cells."""
    return subprocess.Popen(
        [BIN / "compat", "run", *(word for cell in CELLS for word in ("--cells", cell))],
        env=site.environment, cwd=site.home.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def well_begun(site: Site) -> subprocess.Popen[str]:
    """`compat run` of the cells, once its first cell is done."""
    process = begun(site)
    assert process.stdout is not None
    while f"/{len(CELLS)} " not in (line := process.stdout.readline()):
        assert line, "the run ended before a cell did"
    return process


def proxies(site: Site) -> list[psutil.Process]:
    """LiteLLM's processes of this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "litellm" in line and "--config" in line and str(site.home.root) in line:
                found.append(process)
    return found


def stopped(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """What a run still says once it gets a signal."""
    assert process.stdout is not None
    process.send_signal(number)
    said = process.stdout.read()
    process.wait(PATIENCE_S)
    return said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Site:
    """One home: each run that starts in it shows that the one stopped before was no hindrance."""
    return make_site(tmp_path_factory.mktemp("killed"), shared_cache)


def test_a_run_ended_while_its_proxy_starts_leaves_no_process(site: Site) -> None:
    process = begun(site)
    wait_for("the proxy's start", lambda: proxies(site))
    assert "Traceback" not in stopped(process, signal.SIGTERM)
    wait_for("the end of all its processes", lambda: site.processes() == [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_stopped_in_the_middle_leaves_no_process_and_loses_no_finished_cell(
    site: Site, number: signal.Signals
) -> None:
    before = finished_cells(site)
    assert "Traceback" not in stopped(well_begun(site), number)
    wait_for("the end of all its processes", lambda: site.processes() == [])
    assert finished_cells(site) > before


def test_cells_whose_proxy_died_are_open_and_re_run_with_one_command(site: Site) -> None:
    before = finished_cells(site)
    process = well_begun(site)
    for proxy in proxies(site):
        proxy.kill()
    assert process.stdout is not None
    said = process.stdout.read()
    assert process.wait(PATIENCE_S) == 3, said
    details = json.loads(site.home.details.read_text())
    assert not [cell for cell in details["cells"] if cell["status"] == "fail"]
    unjudged = [cell for cell in details["cells"] if cell["status"] == "unjudged" and "observed_at" in cell]
    assert {cell["cause"] for cell in unjudged} == {"environment"}
    left_open = details["counts"]["inconclusive"]

    again = site.run("compat", "run", "--cells", "inconclusive")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{left_open}/{left_open}" in again.stdout
    assert finished_cells(site) == before + len(CELLS) + left_open
    counts = json.loads(site.home.details.read_text())["counts"]
    assert (counts["observed"], counts["inconclusive"]) == (len(CELLS), 0)
    assert not list(site.home.scratch.glob("scratch-*"))
