"""The proxy's venv: one per exact lock, built once, never trusted half-built."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from compat_pipeline.ground.child import ChildRun, ask_python
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.shelf import forget_unused
from compat_pipeline.proxy.process import VenvPlace
from compat_pipeline.proxy.release import LitellmRelease, resolve_litellm
from compat_pipeline.proxy.venv import ProxyVenv, ensure_venv, installed_versions
from compat_pipeline_tests.environment.conftest import wheels
from compat_pipeline_tests.environment.stand_ins import StandIns

__all__ = ["wheels"]

PYTHON = Path(sys.executable)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory, litellm_release: LitellmRelease) -> Path:
    """A cache of our own, with one venv that two threads asked for at once."""
    cache = tmp_path_factory.mktemp("cache")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure_venv(litellm_release, cache, PYTHON), range(2))
    assert first == second
    return cache


def folder_of(venv: ProxyVenv) -> Path:
    return venv.python.parents[1]


def identity(venv: ProxyVenv) -> int:
    return folder_of(venv).stat().st_ino


def test_a_venv_that_is_there_is_used_again_without_a_network(
    own_cache: Path, litellm_release: LitellmRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    before = ensure_venv(litellm_release, own_cache, PYTHON)
    inode = identity(before)
    assert ensure_venv(litellm_release, own_cache, PYTHON) == before
    assert identity(before) == inode
    assert before.digest == litellm_release.digest


@pytest.mark.parametrize("stamp", [b"", b"\xff\xfe garbage"])
def test_an_install_that_was_interrupted_is_done_anew(
    own_cache: Path, litellm_release: LitellmRelease, stamp: bytes
) -> None:
    venv = ensure_venv(litellm_release, own_cache, PYTHON)
    (folder_of(venv) / ".complete").unlink()
    if stamp:
        (folder_of(venv) / ".complete").write_bytes(stamp)
    (half := next(folder_of(venv).rglob("proxy_cli.py"))).unlink()
    ensure_venv(litellm_release, own_cache, PYTHON)
    assert half.is_file()


def test_a_venv_whose_litellm_does_not_answer_is_built_anew(own_cache: Path, litellm_release: LitellmRelease) -> None:
    venv = ensure_venv(litellm_release, own_cache, PYTHON)
    venv.python.unlink()
    assert ensure_venv(litellm_release, own_cache, PYTHON).python.exists()


def test_a_venv_that_was_moved_is_built_anew_because_its_commands_name_their_interpreter(
    own_cache: Path, litellm_release: LitellmRelease, tmp_path: Path
) -> None:
    ensure_venv(litellm_release, own_cache, PYTHON)
    own_cache.rename(tmp_path / "moved")
    try:
        venv = ensure_venv(litellm_release, tmp_path / "moved", PYTHON)
        assert str(venv.python) in venv.litellm.read_text()
    finally:
        (tmp_path / "moved").rename(own_cache)


def test_a_venv_counts_as_used_when_it_is_asked_for_and_while_a_proxy_runs_in_it(
    own_cache: Path, litellm_release: LitellmRelease, tmp_path: Path
) -> None:
    lock = (folder := folder_of(ensure_venv(litellm_release, own_cache, PYTHON))).with_name(f"{folder.name}.lock")
    os.utime(lock, (0, 0))
    place = VenvPlace(ensure_venv(litellm_release, own_cache, PYTHON), tmp_path)
    assert forget_unused(folder.parent, older_than_days=30) == []
    place.open()
    os.utime(lock, (0, 0))
    assert forget_unused(folder.parent, older_than_days=30) == []
    place.close()
    assert forget_unused(folder.parent, older_than_days=30) == [folder.name]


@pytest.fixture
def made(wheels: StandIns, tmp_path: Path) -> tuple[LitellmRelease, ProxyVenv]:  # noqa: ARG001
    """A small release and its venv, which are this test's alone."""
    release = resolve_litellm("1.83.14", tmp_path, PYTHON)
    return release, ensure_venv(release, tmp_path, PYTHON)


def test_another_kind_of_python_gets_a_venv_of_its_own(made: tuple[LitellmRelease, ProxyVenv], tmp_path: Path) -> None:
    release, venv = made
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\ncase "$*" in *cache_tag*) echo another;; *) exec {PYTHON} "$@";; esac\n')
    other.chmod(0o700)
    assert ensure_venv(release, tmp_path, other).folder != venv.folder
    assert ensure_venv(release, tmp_path, PYTHON) == venv
    assert installed_versions(tmp_path) == ["1.83.14"]


def test_a_venv_that_does_not_answer_in_time_is_not_taken_for_damaged(
    made: tuple[LitellmRelease, ProxyVenv], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, venv = made
    inode = identity(venv)
    monkeypatch.setattr("compat_pipeline.proxy.venv.ask_python", partial(ask_python, limit_s=0.0))
    with pytest.raises(CompatError, match="gave no answer in time"):
        ensure_venv(release, tmp_path, PYTHON)
    assert identity(venv) == inode


def test_a_venv_that_cannot_be_started_just_now_is_not_taken_for_damaged(
    made: tuple[LitellmRelease, ProxyVenv], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(*_: object) -> ChildRun:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    release, venv = made
    inode = identity(venv)
    monkeypatch.setattr("compat_pipeline.proxy.venv.ask_python", without_memory)
    with pytest.raises(CompatError, match=r"cannot start .*python: Cannot allocate memory"):
        ensure_venv(release, tmp_path, PYTHON)
    assert identity(venv) == inode


def test_a_damaged_venv_in_which_a_proxy_runs_is_left_to_it(
    made: tuple[LitellmRelease, ProxyVenv], tmp_path: Path
) -> None:
    release, venv = made
    inode = identity(venv)
    (place := VenvPlace(venv, tmp_path)).open()
    venv.python.unlink()
    with pytest.raises(CompatError, match="is damaged, and a proxy runs in it"):
        ensure_venv(release, tmp_path, PYTHON)
    assert identity(venv) == inode
    place.close()
    assert ensure_venv(release, tmp_path, PYTHON).python.exists()


def test_a_venv_whose_removal_is_cut_off_does_not_look_complete(
    made: tuple[LitellmRelease, ProxyVenv], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    release, venv = made
    venv.python.unlink()
    monkeypatch.setattr("compat_pipeline.proxy.venv.shutil.rmtree", cut_off)
    with pytest.raises(KeyboardInterrupt):
        ensure_venv(release, tmp_path, PYTHON)
    assert list(tmp_path.rglob(".complete")) == []


def test_a_lock_that_was_changed_is_not_installed(tmp_path: Path, litellm_release: LitellmRelease) -> None:
    changed = tmp_path / "lock.txt"
    changed.write_text(litellm_release.verified_lock().read_text() + "\nsomething==1.0\n")
    with pytest.raises(CompatError, match="was changed since it was resolved"):
        ensure_venv(litellm_release.model_copy(update={"lock": changed}), tmp_path, PYTHON)


def test_what_is_installed_sees_no_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    spy = f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(str(os.environ))\n"
    index = StandIns(tmp_path / "index")
    index.wheel("litellm", "9.9.9", {"litellm/__init__.py": "", "litellm.pth": spy})
    (wheel,) = index.folder.glob("litellm-*.whl")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"litellm @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    monkeypatch.setenv("COMPAT_DOCS_TOKEN", "s3cret-value")
    release = LitellmRelease(version="9.9.9", tag="v9.9.9", policy="9.9.9", lock=lock, digest=digest)
    ensure_venv(release, tmp_path / "cache", PYTHON)
    assert "HOME" in seen.read_text()
    assert "s3cret-value" not in seen.read_text()


def test_an_install_that_fails_tells_why_and_leaves_no_venv_that_looks_complete(
    tmp_path: Path, litellm_release: LitellmRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"UV_CACHE_DIR": str(tmp_path / "uv"), "UV_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CompatError, match="cannot install LiteLLM"):
        ensure_venv(litellm_release, tmp_path, PYTHON)
    assert list(tmp_path.rglob(".complete")) == []
