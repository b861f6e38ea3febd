"""Which Pythons are found: real ones, one that does not start, and what is nobody's interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compat_pipeline.environment.interpreters import find_interpreters

BASE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs; uv has no Pythons of its own."""
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def posing_as(version: str) -> str:
    minor = version.rpartition(".")[0]
    return f"""echo '["cpython", "{minor}", "{version}", "linux-x86_64", false]'"""


def test_a_python_on_the_path_is_found_by_starting_it(place: Path, tmp_path: Path) -> None:
    (place / BASE.name).symlink_to(BASE)
    (found,) = find_interpreters(tmp_path, {"PATH": str(place), "HOME": str(tmp_path)})
    assert (found.minor, found.trouble) == (OWN, "")
    assert found.version == ".".join(map(str, sys.version_info[:3]))


def test_pyenv_s_own_pythons_are_found_and_its_shims_are_not_asked(place: Path, tmp_path: Path) -> None:
    program(tmp_path / ".pyenv/versions/3.12.1/bin/python", posing_as("3.12.1"))
    program(tmp_path / ".pyenv/versions/3.12.4/bin/python", posing_as("3.12.4"))
    shim = program(tmp_path / ".pyenv/shims/python3.12", "exit 127")
    found = find_interpreters(tmp_path, {"PATH": f"{shim.parent}:{place}", "HOME": str(tmp_path)})
    assert [(one.minor, one.version) for one in found] == [("3.12", "3.12.4")]


def test_one_that_does_not_start_is_trouble_unless_another_of_its_minor_does(place: Path, tmp_path: Path) -> None:
    program(place / "python3.9", "echo 'no such library' >&2; exit 3")
    program(place / "python3.10", "exit 3")
    program(tmp_path / ".pyenv/versions/3.10.13/bin/python", posing_as("3.10.13"))
    nine, ten = find_interpreters(tmp_path, {"PATH": str(place), "HOME": str(tmp_path)})
    assert "does not start: ended with exit code 3: no such library" in nine.trouble
    assert (ten.version, ten.trouble) == ("3.10.13", "")


def test_one_is_started_without_the_credentials_of_a_package_client(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_MINE_PASSWORD", "hunter2-or-so")
    program(place / "python3.12", f"env > {tmp_path}/seen; {posing_as('3.12.1')}")
    find_interpreters(tmp_path, {"PATH": str(place), "HOME": str(tmp_path)})
    seen = (tmp_path / "seen").read_text()
    assert f"HOME={tmp_path}" in seen
    assert "hunter2" not in seen


def test_an_environment_of_somebody_is_no_interpreter(place: Path, tmp_path: Path) -> None:
    program(place / "python3.12", """echo '["cpython", "3.12", "3.12.1", "linux-x86_64", true]'""")
    program(place / "python3.13", """echo '["pypy", "3.13", "3.13.1", "linux-x86_64", false]'""")
    assert find_interpreters(tmp_path, {"PATH": str(place), "HOME": str(tmp_path)}) == []
