"""The environment matrix and its report: golden bytes, and nothing in the text that no row bears out."""

from __future__ import annotations

from pathlib import Path

from compat_pipeline.domain.environment_claims import claims_without_cell
from compat_pipeline.domain.environment_matrix import (
    EnvironmentMatrix,
    build_environment_matrix,
    dump_environment_matrix,
)
from compat_pipeline.domain.environment_report import render_report
from compat_pipeline.domain.environment_rows import wheel_pythons
from compat_pipeline.domain.environment_verdict import EnvironmentObservation
from compat_pipeline_tests.domain.environments import ISSUES, MANIFEST, NOW, cell, everything, observed, planned

GOLDEN = Path(__file__).parent / "golden"


def built(*seen: EnvironmentObservation) -> EnvironmentMatrix:
    return build_environment_matrix(MANIFEST, planned(), seen, ISSUES, NOW)


def test_the_bytes_of_the_matrix_are_those_of_the_golden_file_and_read_back() -> None:
    matrix = built(*everything())
    text = dump_environment_matrix(matrix)
    assert text == (GOLDEN / "environment-matrix.json").read_text()
    assert EnvironmentMatrix.model_validate_json(text) == matrix


def test_the_bytes_of_the_report_are_those_of_the_golden_file() -> None:
    report = render_report(built(*everything()), MANIFEST.platforms)
    assert report == (GOLDEN / "COMPATIBILITY.md").read_text()


def test_the_order_in_which_things_were_seen_changes_nothing() -> None:
    assert render_report(built(*reversed(everything())), MANIFEST.platforms) == render_report(
        built(*everything()), MANIFEST.platforms
    )


def test_a_python_is_said_to_work_only_where_an_accelerated_environment_does() -> None:
    line = "| **Python** | {} |"
    nothing = render_report(built(observed(cell(runtime="stock"))), MANIFEST.platforms)
    assert line.format("—") in nothing
    assert line.format("3.11") in render_report(built(*everything()), MANIFEST.platforms)
    old = [observed(cell(runtime="stock"), days_ago=30), observed(cell(), days_ago=30)]
    assert line.format("—") in render_report(built(*old), MANIFEST.platforms)


def test_without_a_single_observation_nothing_is_verified() -> None:
    report = render_report(built(), MANIFEST.platforms)
    assert "None yet." in report
    assert "✅ holds" not in report


def test_an_environment_without_an_interpreter_is_targeted_or_not_by_its_wheel() -> None:
    by_cell = {row.cell: row.status for row in built().environments}
    assert by_cell["3.14|1.106.2@stock"] == "targeted"
    assert by_cell["3.14|1.106.2@fast-litellm==latest"] == "unsupported"


def test_a_foreign_platform_is_targeted_only_if_there_is_a_wheel_and_it_resolves() -> None:
    targets = {(row.platform, row.python): row.status for row in built().targets}
    assert targets["macos-arm64", "3.11"] == "targeted"
    assert targets["macos-arm64", "3.14"] == "unsupported"
    assert set(targets.values()) <= {"targeted", "unsupported", "unsatisfiable"}
    assert {status for (platform, _), status in targets.items() if platform == "win-arm64"} == {"unsupported"}


def test_a_claim_about_nothing_that_is_planned_is_told() -> None:
    rows = built().environments
    assert claims_without_cell(MANIFEST.claims, rows) == []
    lost = MANIFEST.claims[0].model_copy(update={"cells": "3.8|*"})
    assert claims_without_cell([lost], rows) == ["python"]


def test_the_tags_of_wheels_tell_for_which_pythons_they_are() -> None:
    names = ["a-1-cp39-cp39-win_amd64.whl", "a-1-cp310-cp310-win_amd64.whl", "a-1-py3-none-any.whl", "nonsense.whl"]
    assert wheel_pythons(names, "win_amd64") == ["3", "3.9", "3.10"]
    assert wheel_pythons(names[:2], "win32") == []
