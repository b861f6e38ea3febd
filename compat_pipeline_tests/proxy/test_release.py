"""Resolving a release through the real package client."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from packaging.version import Version

from compat_pipeline.domain.versions import is_denied_litellm
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy import release
from compat_pipeline.proxy.client import run_uv
from compat_pipeline.proxy.release import LitellmRelease, fingerprint, locked_version, resolve_litellm
from compat_pipeline_tests.environment.conftest import wheels
from compat_pipeline_tests.environment.stand_ins import StandIns, dated_index
from compat_pipeline_tests.pins import LITELLM

__all__ = ["wheels"]

PYTHON = Path(sys.executable)
NOWHERE = "http://127.0.0.1:9/simple"


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.mark.parametrize("request_", [LITELLM, f"v{LITELLM}", f"v{LITELLM}-stable"])
def test_a_version_and_both_tag_forms_mean_the_same_release(
    request_: str, litellm_release: LitellmRelease, shared_cache: Path
) -> None:
    found = resolve_litellm(request_, shared_cache, PYTHON)
    assert (found.version, found.digest) == (LITELLM, litellm_release.digest)
    assert found.policy == request_


@pytest.mark.usefixtures("litellm_release")
@pytest.mark.parametrize(
    ("request_", "tag"),
    [(LITELLM, f"v{LITELLM}"), (f"v{LITELLM}", f"v{LITELLM}"), (f"v{LITELLM}-stable", f"v{LITELLM}-stable")],
)
def test_the_tag_that_was_asked_for_is_kept_and_asked_for_again(request_: str, tag: str, shared_cache: Path) -> None:
    found = resolve_litellm(request_, shared_cache, PYTHON)
    assert found.tag == tag
    assert resolve_litellm(found.request, shared_cache, PYTHON).tag == tag


def test_the_lock_pins_everything_with_hashes_and_names_no_address(litellm_release: LitellmRelease) -> None:
    text = litellm_release.verified_lock().read_text()
    requirements = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert all(re.fullmatch(r"[A-Za-z0-9._\-\[\]]+==\S+( ;.*)? \\", line) for line in requirements)
    assert text.count("--hash=sha256:") >= len(requirements)
    assert "://" not in text
    assert hashlib.sha256(text.encode()).hexdigest() == litellm_release.digest


def test_the_lock_holds_what_the_vertex_routes_need(litellm_release: LitellmRelease) -> None:
    assert locked_version(litellm_release.verified_lock().read_text(), "google-auth")


def test_latest_is_a_final_version_that_is_not_denied(shared_cache: Path) -> None:
    found = resolve_litellm("latest", shared_cache, PYTHON)
    assert Version(found.version) >= Version(LITELLM)
    assert not Version(found.version).is_prerelease
    assert not is_denied_litellm(found.version)


def test_a_minor_means_its_newest_patch(tmp_path: Path) -> None:
    assert resolve_litellm("1.98", tmp_path, PYTHON).version.startswith("1.98.")
    with pytest.raises(CompatError, match=r"cannot resolve the newest LiteLLM 9\.9"):
        resolve_litellm("9.9", tmp_path, PYTHON)


def test_a_version_that_misses_an_upper_bound_gets_it(tmp_path: Path) -> None:
    lock = resolve_litellm("1.96.2", tmp_path, PYTHON).verified_lock().read_text()
    assert locked_version(lock, "fastapi") == "0.136.3"


def test_the_index_tells_when_a_version_was_published_and_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = resolve_litellm(LITELLM, tmp_path, PYTHON)
    if found.published_at is None:
        pytest.skip("this package index keeps no upload times")
    assert found.published_at.tzinfo is not None
    monkeypatch.setenv("UV_DEFAULT_INDEX", NOWHERE)
    assert resolve_litellm(LITELLM, tmp_path, PYTHON).published_at == found.published_at


@pytest.mark.usefixtures("litellm_release", "no_index")
def test_a_pin_that_was_resolved_before_needs_no_network(shared_cache: Path) -> None:
    assert resolve_litellm(LITELLM, shared_cache, PYTHON).version == LITELLM


def test_when_a_version_was_published_is_asked_again_after_the_index_gave_no_answer(
    tmp_path: Path, wheels: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locks_only(arguments: Sequence[str | Path], **settings: Any) -> str:
        if "--generate-hashes" not in arguments:
            raise CompatError("no answer")
        return run_uv(arguments, **settings)

    monkeypatch.delenv("UV_FIND_LINKS")
    with dated_index(wheels.folder, {}, before="2026-01-01T00:00:00Z") as url:
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        with monkeypatch.context() as once:
            once.setattr(release, "run_uv", locks_only)
            assert resolve_litellm("1.83.14", tmp_path, PYTHON).published_at is None
        assert resolve_litellm("1.83.14", tmp_path, PYTHON).published_at == datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_two_who_resolve_a_version_at_once_get_the_lock_of_the_first(
    tmp_path: Path, wheels: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels.litellm("1.83.14", "Requires-Dist: part")
    wheels.wheel("part", "1.0", {"part.py": ""})
    resolve, turn = release.compile_lock, Lock()

    def and_the_index_changes(*asked: Any) -> str:
        with turn:
            text = resolve(*asked)
            wheels.wheel("part", "2.0", {"part.py": ""})
        return text

    monkeypatch.setattr(release, "compile_lock", and_the_index_changes)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: resolve_litellm("1.83.14", tmp_path, PYTHON), range(2))
    assert first == second
    assert locked_version(first.verified_lock().read_text(), "part") == "1.0"


@pytest.mark.usefixtures("no_index")
def test_an_index_that_cannot_be_reached_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match=r"cannot resolve the newest LiteLLM.*\n(.|\n)*check the network"):
        resolve_litellm("latest", tmp_path, PYTHON)


def test_a_version_that_does_not_exist_is_refused_by_name_and_leaves_no_lock_of_it(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match=r"cannot resolve LiteLLM 9\.9\.9:(.|\n)*there is no version"):
        resolve_litellm("9.9.9", tmp_path, PYTHON)
    assert list(tmp_path.rglob("*.txt")) == []


@pytest.mark.parametrize("version", ["1.82.7", "v1.82.8-stable", "1.107.3"])
def test_a_denied_version_is_refused_with_its_reason(version: str, tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="must not be installed: withdrawn"):
        resolve_litellm(version, tmp_path, PYTHON)


@pytest.mark.parametrize("request_", ["newest", "1.106.x", "v1.106.2-nightly", ""])
def test_a_request_that_names_no_final_version_is_refused(request_: str, tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="give a version such as"):
        resolve_litellm(request_, tmp_path, PYTHON)


def test_a_python_that_is_asked_what_it_is_sees_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, seen = tmp_path / "python", tmp_path / "seen"
    python.write_text(f'#!/bin/sh\n/usr/bin/env > {seen}\nexec {PYTHON} "$@"\n')
    python.chmod(0o700)
    monkeypatch.setenv("COMPAT_DOCS_TOKEN", "s3cret-value")
    fingerprint(python, ())
    assert "HOME" in seen.read_text()
    assert "s3cret-value" not in seen.read_text()


def test_a_python_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="no-python is not a Python that runs"):
        resolve_litellm(LITELLM, tmp_path, tmp_path / "no-python")
