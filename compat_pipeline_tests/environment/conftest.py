"""An index of stand-ins, and a home whose own package cache they are kept in."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline_tests.environment.stand_ins import StandIns


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """LiteLLM and its accelerator, sound; what a test adds comes beside them or in their place."""
    stand_ins = StandIns(tmp_path / "wheels")
    stand_ins.litellm()
    stand_ins.accelerator()
    (tmp_path / "no-index").mkdir()
    for name, value in {
        "UV_FIND_LINKS": str(stand_ins.folder),
        "UV_DEFAULT_INDEX": (tmp_path / "no-index").as_uri(),
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }.items():
        monkeypatch.setenv(name, value)
    return stand_ins


@pytest.fixture
def home(tmp_path: Path) -> CompatHome:
    return CompatHome(root=tmp_path / "home", cache=tmp_path / "cache")
