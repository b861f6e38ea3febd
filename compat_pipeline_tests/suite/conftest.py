"""A stage for each test, and the settings of its suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.suite.stage import Stage


@pytest.fixture
def settings(tmp_path: Path) -> SuiteSettings:
    return SuiteSettings(
        proxy_url="http://proxy", proxy_key="k", control_url="http://upstream", control_token="t",
        claude=tmp_path / "claude", scratch=tmp_path,
    )  # fmt: skip


@pytest.fixture
def stage(settings: SuiteSettings, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(settings, monkeypatch)
