"""The command line in this process, over the scripted runner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_pipeline.command import run
from compat_pipeline.command.main import main
from compat_pipeline_tests.automation.scripted import scripted


@pytest.fixture
def scripted_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test alone, in which every cell passes."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(run, "defs", scripted({}))
    return tmp_path


@pytest.fixture
def compat(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of `compat ARGUMENTS`."""

    def execute(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["compat", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return execute
