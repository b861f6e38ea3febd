"""What the resolver says of an environment, through the real package client and a folder of wheels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.environment.resolving import (
    Unresolvable,
    ask_target,
    lock_environment,
    newest_below,
    released_accelerator,
    without_the_proxy,
)
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.release import locked_version
from compat_pipeline_tests.environment.stand_ins import StandIns, dated_index

PYTHON = Path(sys.executable)
FAST = EnvironmentCell("3.11", "1.83.14", "fast-litellm==0.1.10")


def test_the_lock_holds_both_packages_with_their_hashes(wheels: StandIns, tmp_path: Path) -> None:
    release = lock_environment(FAST, PYTHON, tmp_path / "asked")
    text = release.verified_lock().read_text()
    assert locked_version(text, "litellm") == "1.83.14"
    assert locked_version(text, "fast-litellm") == "0.1.10"
    assert "--hash=sha256:" in text
    assert str(wheels.folder) not in text


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_as_released_is_as_on_the_day_of_the_release_wherever_that_is_asked(
    wheels: StandIns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    wheels.litellm("1.83.14", "Requires-Dist: part")
    uploads = {"litellm-1.83.14": "2026-03-10T12:00:00Z"}
    for version, uploaded in {"1.0": "2026-03-10T23:00:00Z", "2.0": "2026-03-11T00:30:00Z"}.items():
        wheels.wheel("part", version, {"part.py": ""})
        uploads[f"part-{version}"] = uploaded
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("TZ", zone)
    with dated_index(wheels.folder, uploads, before="2026-01-01T00:00:00Z") as url:
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        release = lock_environment(FAST.stock._replace(lane="as_released"), PYTHON, tmp_path / "asked")
    assert locked_version(release.verified_lock().read_text(), "part") == "1.0"


def test_what_does_not_resolve_is_told_in_the_resolver_s_own_words(wheels: StandIns, tmp_path: Path) -> None:
    wheels.accelerator("0.2.0", requires="litellm>=2.0")
    with pytest.raises(Unresolvable, match=r"Because .*litellm") as caught:
        lock_environment(FAST._replace(runtime="fast-litellm==0.2.0"), PYTHON, tmp_path)
    assert "hint" not in str(caught.value)


def test_an_index_that_cannot_be_asked_proves_nothing(
    wheels: StandIns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels.folder / "gone"))
    with pytest.raises(CompatError, match=r"cannot resolve 3\.11"):
        lock_environment(FAST, PYTHON, tmp_path)


def test_without_the_proxy_an_older_litellm_may_do(wheels: StandIns, tmp_path: Path) -> None:
    wheels.litellm("1.83.7")
    assert without_the_proxy("fast-litellm==0.1.10", PYTHON, tmp_path) == "1.83.14"
    assert without_the_proxy("fast-litellm==9.9", PYTHON, tmp_path) == ""


def test_another_platform_is_targeted_by_what_there_are_wheels_for(wheels: StandIns, tmp_path: Path) -> None:
    wheels.accelerator("0.3.0", tags="cp312-cp312-win_amd64")
    cell = EnvironmentCell("3.12", "1.83.14", "fast-litellm==0.3.0")
    windows = ask_target(cell, "win", "x86_64-pc-windows-msvc", PYTHON, tmp_path)
    linux = ask_target(cell, "linux", "x86_64-unknown-linux-gnu", PYTHON, tmp_path)
    older = ask_target(cell._replace(python="3.11"), "win", "x86_64-pc-windows-msvc", PYTHON, tmp_path)
    assert [one.status for one in (windows, linux, older)] == ["targeted", "unsupported", "unsupported"]


@pytest.mark.usefixtures("wheels")
def test_a_platform_of_which_the_index_tells_nothing_is_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    assert ask_target(FAST, "here", "", PYTHON, tmp_path).status == "inconclusive"


def test_the_newest_accelerator_comes_with_the_names_of_its_wheels(wheels: StandIns, tmp_path: Path) -> None:
    for tags in ("cp311-cp311-win_amd64", "cp312-cp312-macosx_11_0_arm64"):
        wheels.accelerator("0.2.0", tags=tags)
    version, names = released_accelerator(PYTHON, tmp_path)
    assert version == "0.2.0"
    assert names == [
        "fast_litellm-0.2.0-cp311-cp311-win_amd64.whl",
        "fast_litellm-0.2.0-cp312-cp312-macosx_11_0_arm64.whl",
    ]


def test_versions_are_found_from_the_newest_down(wheels: StandIns, tmp_path: Path) -> None:
    for version in ("1.84.0", "1.84.2", "1.107.0"):
        wheels.litellm(version)
    assert newest_below("==1.84.*", PYTHON, tmp_path) == "1.84.2"
    assert newest_below("==1.84.*,<1.84.2", PYTHON, tmp_path) == "1.84.0"
    assert newest_below("==1.107.*", PYTHON, tmp_path) is None
