"""uv as a process: what it started ends with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import uv

from compat_pipeline.proxy.client import ClientRefused, run_uv
from compat_pipeline_tests.processes import gone

LIMIT_S = 5.0


def stand_in(folder: Path, last_command: str) -> Path:
    """A `uv` that starts a build, leaves a note of its process id, and goes on with `last_command`."""
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\nsleep 60 > /dev/null 2>&1 &\necho $! > '{folder}/build'\n{last_command}\n")
    path.chmod(0o755)
    return path


def test_a_build_ends_with_a_uv_that_took_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(stand_in(tmp_path, "sleep 60")))
    with pytest.raises(ClientRefused, match="gave no answer"):
        run_uv([], what="cannot build", cwd=tmp_path, next_step="", timeout_s=LIMIT_S)
    assert gone(int((tmp_path / "build").read_text()))


def test_a_build_ends_with_a_uv_that_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(stand_in(tmp_path, "echo built")))
    assert run_uv([], what="cannot build", cwd=tmp_path, next_step="") == "built\n"
    assert gone(int((tmp_path / "build").read_text()))
