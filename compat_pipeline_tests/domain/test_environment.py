"""The plan of the environment matrix: what each environment means today, what is left out, what is wrong with it."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.cell import NoSuchCell
from compat_pipeline.domain.environment import Interpreter, parse_environment, plan, select_environments, targets_of
from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.domain.manifest import ManifestError
from compat_pipeline.ground.environment_files import load_environment_issues, load_environments
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline_tests.domain.environments import FAST, MANIFEST, NEWEST

HERE = [Interpreter(minor="3.11", path="/python3.11", version="3.11.7", platform="linux-x86_64")]

ONE = """
pythons: ["3.11"]
litellm: [1.96.2]
small: [1.96.2]
runtimes: [stock]
lanes: [as_of_today]
routes: [anthropic/claude-haiku-4-5]
valid_days: 14
cell_limit_s: 60
"""


@pytest.mark.parametrize("key", ["3.11|1.96.2@stock", "3.9|latest@fast-litellm==latest@as_released"])
def test_a_key_reads_back(key: str) -> None:
    assert EnvironmentCell.parse(key).key == key


@pytest.mark.parametrize("key", ["3.11", "3.11|1.96.2", "3.11|1.96.2@stock@tomorrow", "|1.96.2@stock"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not an environment"):
        EnvironmentCell.parse(key)


def test_latest_means_a_version_and_what_means_the_same_is_run_once() -> None:
    cells = [cell for cell in MANIFEST.cells if cell.python == "3.11" and cell.lane == "as_of_today"]
    planned = {one.cell.key: one for one in plan(MANIFEST, cells, HERE, NEWEST)}
    assert planned["3.11|1.106.2@fast-litellm==latest"].means == EnvironmentCell("3.11", "1.106.2", FAST)
    assert planned["3.11|latest@stock"].excluded == "the same as 3.11|1.106.2@stock"
    assert [one.cell.key for one in planned.values() if one.runs] == [
        "3.11|1.96.2@stock",
        "3.11|1.96.2@fast-litellm==latest",
        "3.11|1.106.2@stock",
        "3.11|1.106.2@fast-litellm==latest",
    ]


def test_an_excluded_environment_is_not_run_and_says_why() -> None:
    left_out = [one for one in plan(MANIFEST, MANIFEST.cells, HERE, NEWEST) if one.cell.lane == "as_released"]
    assert {one.excluded for one in left_out} == {"one lane is enough here"}
    assert not any(one.runs for one in left_out)


def test_an_interpreter_with_trouble_is_not_run_and_not_targeted_either() -> None:
    broken = [Interpreter(minor="3.11", path="/python3.11", trouble="it does not start")]
    planned = plan(MANIFEST, MANIFEST.cells, broken, NEWEST)
    assert not any(one.runs for one in planned)
    asked = {
        cell.python for platform, cell in targets_of(MANIFEST, planned, NEWEST, "linux-x86_64") if platform is None
    }
    assert asked == {"3.9", "3.14"}


def test_the_newest_versions_are_asked_for_on_every_other_platform() -> None:
    planned = plan(MANIFEST, MANIFEST.cells, HERE, NEWEST)
    asked = [(one.id, cell.key) for one, cell in targets_of(MANIFEST, planned, NEWEST, "linux-x86_64") if one]
    assert len(asked) == 6
    assert asked[0] == ("macos-arm64", f"3.9|1.106.2@{FAST}")


def test_the_small_set_is_of_one_python_and_the_versions_that_are_named() -> None:
    assert [cell.key for cell in MANIFEST.small_set("3.11")] == [
        "3.11|1.96.2@stock",
        "3.11|1.96.2@fast-litellm==latest",
    ]
    assert MANIFEST.small_set("3.8") == []


def test_a_pattern_that_matches_nothing_is_refused_with_what_there_is() -> None:
    with pytest.raises(NoSuchCell, match=r"3\.9, 3\.11, 3\.14"):
        select_environments(MANIFEST.cells, ["3.12|*"])
    assert len(select_environments(MANIFEST.cells, ["3.11|latest@stock", "3.9|*@stock"])) == 4


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ('pythons: ["3.11", "3.11"]', "Python '3.11' is listed twice"),
        ("pythons: [3.11.7]", "pythons.0"),
        ("small: [1.0.0]", "versions that are not listed: 1.0.0"),
        ("runtimes: [fast-litellm==latest]", "is what the others are compared with"),
        ("runtimes: [stock, other==1]", "runtimes.1"),
        ('excluded: [{cells: "3.8|*", reason: old}]', "excludes no cell"),
        ("valid_days: 0", "valid_days"),
        ("pytons: []", "pytons: Extra inputs"),
    ],
)
def test_a_wrong_manifest_is_refused_and_names_the_entry(entry: str, told: str) -> None:
    name = entry.partition(":")[0]
    lines = [line for line in ONE.splitlines() if not line.startswith(f"{name}:")]
    with pytest.raises(ManifestError, match=told):
        parse_environment("\n".join([*lines, entry]))


def test_the_packaged_files_hold_and_their_routes_exist() -> None:
    manifest = load_environments({})
    assert load_environment_issues({})
    assert load_manifest({}).of_targets(manifest.routes).targets == list(manifest.routes)
    for claim in manifest.claims:
        assert select_environments(manifest.cells, [claim.cells])


def test_a_target_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(ValueError, match="no target is called anthropic/claude-of-tomorrow"):
        load_manifest({}).of_targets(["anthropic/claude-of-tomorrow"])
