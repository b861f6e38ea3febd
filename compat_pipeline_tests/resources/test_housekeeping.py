"""A run ends with what is kept no longer removed, and loses nothing where that cannot be done."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.age import DAY_S
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.shelf import taken
from compat_pipeline.resources import cell_runner
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.wire.evidence import EvidenceStore
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, LITELLM
from compat_pipeline_tests.resources.test_budget import CELLS, Fetched, Installed, Up, one_by_one
from compat_pipeline_tests.wire.bundles import evidence


def written(path: Path, days: float) -> Path:
    """A file that was written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something")
    before = path.stat().st_mtime - days * DAY_S
    os.utime(path, (before, before))
    os.utime(path.parent, (before, before))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompatHome:
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv("COMPAT_EVIDENCE_DAYS", "10")
    monkeypatch.setenv("COMPAT_CACHE_DAYS", "20")
    monkeypatch.delenv("COMPAT_CACHE", raising=False)
    monkeypatch.setattr(cell_runner, "run_suite", one_by_one)
    return CompatHome.from_env()


def run() -> int:
    """How many cells a run of them observed."""
    runner = CellRunner(home=Home(), python_index=Installed(), npm=Fetched(), runtime=Up())
    return len(list(runner.observe(LITELLM, CLAUDE_CODE, CELLS, "run-1")))


def test_a_run_removes_what_is_older_than_it_is_to_be_kept(home: CompatHome, caplog: pytest.LogCaptureFixture) -> None:
    old: list[Path] = []
    young: list[Path] = []
    for shelf in ("claude", "litellm/venvs", "litellm/checkouts"):
        for days, group in ((21, old), (19, young)):
            folder = home.cache / shelf / f"1.0-{days:012}"
            with taken(folder):
                group.append(written(folder / "content", days))
            written(folder.with_name(f"{folder.name}.lock"), days)
    for days, group in ((21, old), (19, young)):
        group.append(written(home.cache / f"npm/_cacache/content-v2/sha512/{days}", days))
    for days, group in ((11, old), (9, young)):
        group.append(written(home.logs / "proxy" / f"gone-{days}" / "proxy.log", days))
        written(home.runtimes / f"gone-{days}.lock", days)
        group.append(written(home.logs / "images" / f"{days:040x}.log", days))
    young += [written(home.logs / "proxy" / "theirs" / "access.log", 11), written(home.logs / "images" / "a.log", 11)]
    digest = EvidenceStore(home.evidence).keep(evidence(), Redactor(()))
    written(bundle := next((home.evidence / "bundles").rglob(f"{digest}*")), 11)
    with caplog.at_level(logging.INFO, "compat_pipeline.progress"):
        assert run() == len(CELLS)
    assert [path for path in (bundle, *old) if path.exists()] == []
    assert [path for path in young if not path.exists()] == []
    assert "1 bundle(s) of evidence older than 10 days removed" in caplog.messages
    assert f"{home.cache}/litellm/venvs/1.0-000000000021 removed: nobody has used it for 20 days" in caplog.messages


def test_the_logs_of_a_proxy_that_is_up_stay(home: CompatHome) -> None:
    log = written(home.logs / "proxy" / "up" / "proxy.log", 11)
    (home.runtimes / "up").mkdir(parents=True)
    written(home.runtimes / "up.lock", 11)
    run()
    assert log.exists()


def test_what_cannot_be_removed_takes_nothing_from_the_run(home: CompatHome, caplog: pytest.LogCaptureFixture) -> None:
    written(home.evidence, 0)
    assert run() == len(CELLS)
    assert any(line.startswith("cannot remove what is kept no longer: cannot ") for line in caplog.messages)
