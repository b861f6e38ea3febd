"""Which proxies may be shared: those of equal specs that run the same code of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_pipeline.ground import revision
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import RuntimeSpec
from compat_pipeline.proxy.venv import ProxyVenv

NOWHERE = Path("/nowhere")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in place of ours."""
    monkeypatch.setattr(revision, "_PACKAGE", tmp_path)
    yield tmp_path
    revision.code_revision.cache_clear()


def key() -> str:
    revision.code_revision.cache_clear()
    release = LitellmRelease(version="1.106.2", tag="v1.106.2", policy="1.106.2", lock=NOWHERE, digest="ab")
    return RuntimeSpec(
        release=release, installed=ProxyVenv(python=NOWHERE, digest="ab"), manifest=load_manifest({})
    ).key


@pytest.mark.parametrize(
    ("room", "another"),
    [
        *((room, True) for room in ("domain", "emulator", "ground", "proxy", "relay", "wire")),
        ("command", False),
    ],
)
def test_a_proxy_is_not_shared_with_other_code_than_its_supervisor_runs(
    package: Path, room: str, another: bool
) -> None:
    before = key()
    (package / room).mkdir()
    (package / room / "module.py").write_text("as it is\n")
    assert (key() != before) is another
