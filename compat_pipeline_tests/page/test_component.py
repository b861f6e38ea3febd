"""The component's own tests and types, and that the packages of the docs site are pinned without naming a registry."""

from __future__ import annotations

import json
import re

import pytest

from compat_pipeline_tests.page.conftest import SITE, Npm


@pytest.mark.parametrize("script", ["typecheck", "test"])
def test_what_the_component_checks_of_itself_holds(script: str, npm: Npm) -> None:
    done = npm("run", script)
    assert done.returncode == 0, done.stdout


def test_no_script_sees_a_credential(npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NPM_TOKEN", "npm_config__auth", "UV_INDEX_MINE_PASSWORD"):
        monkeypatch.setenv(name, "hunter2-or-so")
    done = npm("exec", "--call", "env")
    assert "NO_UPDATE_NOTIFIER=1" in done.stdout
    assert "hunter2" not in done.stdout


def test_every_package_is_pinned_by_its_digest_and_no_registry_is_named() -> None:
    lock = json.loads((SITE / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert all("resolved" not in package for package in packages.values())
    asked = json.loads((SITE / "package.json").read_text())
    wanted = {**asked["dependencies"], **asked["devDependencies"], **asked["overrides"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
