"""The suite's revision: another one for whatever decides what an observation says, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_pipeline.ground import revision
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.suite.revision import suite_revision


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in place of ours, with a module in each room that is changed here."""
    for room in ("ground", "wire", "command"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "module.py").write_text("as it was\n")
    monkeypatch.setattr(revision, "_PACKAGE", tmp_path)
    yield tmp_path
    revision.code_revision.cache_clear()


def now() -> str:
    revision.code_revision.cache_clear()
    return suite_revision(load_manifest({}))


@pytest.mark.parametrize(("room", "another"), [("ground", True), ("wire", True), ("command", False)])
def test_it_changes_with_code_that_runs_or_judges_a_cell(package: Path, room: str, another: bool) -> None:
    before = now()
    (package / room / "module.py").write_text("as it is\n")
    assert (now() != before) is another
