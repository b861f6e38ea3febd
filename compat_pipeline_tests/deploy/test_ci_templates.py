"""The CI templates: valid by their services' published schemas, pinned, and without a secret in reach."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "deploy" / "ci"
GITHUB, CIRCLECI = TEMPLATES / "github-actions.yml", TEMPLATES / "circleci.yml"
BOTH = pytest.mark.parametrize("template", [GITHUB, CIRCLECI], ids=lambda path: path.stem)


@pytest.mark.parametrize(("template", "schema"), [(GITHUB, "github-workflows"), (CIRCLECI, "circle-ci")])
def test_it_is_valid_by_the_services_schema(template: Path, schema: str) -> None:
    pytest.importorskip("check_jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", template],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(GITHUB.read_text())
    return loaded


def steps() -> Iterator[dict[str, Any]]:
    for job in workflow()["jobs"].values():
        yield from job["steps"]


def test_every_action_is_pinned_by_commit_with_its_version_beside_it() -> None:
    used = [line.partition("uses:")[2].strip() for line in GITHUB.read_text().splitlines() if "uses:" in line]
    assert len(used) == 4
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action) for action in used)


def test_the_workflow_may_read_the_repository_and_nothing_else() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow()["jobs"].values())
    # YAML 1.1 reads the key `on` as true. `pull_request_target` would run a fork's code with the repository's secrets.
    assert list(workflow()[True]) == ["pull_request"]  # type: ignore[index]


def test_no_checkout_leaves_its_credentials_behind() -> None:
    checkouts = [step for step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False, False]


@BOTH
def test_no_secret_is_asked_for(template: Path) -> None:
    text = template.read_text()
    assert "secrets." not in text
    assert not re.search(r"^\s*context:", text, re.MULTILINE)


def test_nothing_a_pull_request_says_becomes_part_of_a_command() -> None:
    assert all("${{" not in step.get("run", "") for step in steps())


def test_every_step_on_circleci_is_one_of_its_own() -> None:
    # Its schema takes any other word for a command that the configuration defines.
    (job,) = yaml.safe_load(CIRCLECI.read_text())["jobs"].values()
    words = [step if isinstance(step, str) else next(iter(step)) for step in job["steps"]]
    assert words == ["checkout", *["run"] * 3, "store_test_results", "store_artifacts", "store_artifacts"]


@BOTH
def test_every_setting_in_it_is_one_of_ours(template: Path) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "compat_pipeline").rglob("*.py"))
    named = set(re.findall(r"COMPAT_[A-Z_]+", template.read_text()))
    assert named
    assert all(f'"{name}"' in sources for name in named)


@BOTH
def test_its_only_places_to_fill_in_are_the_ones_it_names(template: Path) -> None:
    words = set(re.findall(r"\b[A-Z][A-Z/]{3,}[A-Z]\b", re.sub(r"COMPAT_[A-Z_]+|\$PWD", "", template.read_text())))
    assert words == {"OWNER/REPOSITORY", "COMMIT"}


def test_make_knows_the_target_that_both_use() -> None:
    assert re.search(r"^setup:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "make -C pipeline setup" in GITHUB.read_text()
    assert "make -C /tmp/pipeline setup" in CIRCLECI.read_text()
