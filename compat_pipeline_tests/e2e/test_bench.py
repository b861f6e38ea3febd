"""`compat bench` on a matrix of one cell, run twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compat_pipeline.ground.exit_codes import COULD_NOT_RUN
from compat_pipeline_tests.e2e.conftest import Site, make_site, wait_for

MANIFEST = """
features: [{id: basic_messaging_non_streaming, name: Basic messaging}]
providers: [{id: anthropic, name: Anthropic, routes: {claude-haiku-4-5: anthropic/claude-haiku-4-5}}]
models: [{id: claude-haiku-4-5, name: Claude Haiku 4.5}]
"""


@pytest.fixture
def site(tmp_path: Path, shared_cache: Path) -> Site:
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    return make_site(tmp_path, shared_cache, COMPAT_MANIFEST=str(tmp_path / "manifest.yaml"))


def test_every_cell_is_measured_and_nothing_but_the_figures_is_kept(site: Site) -> None:
    done = site.run("compat", "bench", "--repeat", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    figures = json.loads((site.home.root / "bench.json").read_text())
    assert json.loads(done.stdout) == figures
    assert (figures["cells"], figures["judged"]) == (2, 2)
    assert all(figure > 0 for figure in figures.values()), figures
    assert [path.name for path in site.home.root.iterdir()] == ["bench.json"]
    wait_for("the end of all its processes", lambda: site.processes() == [])


def test_what_cannot_be_measured_is_told_in_one_message(site: Site) -> None:
    site.environment["COMPAT_CLAUDE_CODE_VERSION"] = "99.0.0"
    done = site.run("compat", "bench")
    assert done.returncode == COULD_NOT_RUN
    assert done.stderr.startswith("compat: there is no Claude Code '99.0.0'")
    assert "Traceback" not in done.stderr
    assert list(site.home.root.iterdir()) == []
