"""The gate's report as people and CI services read it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from compat_pipeline.domain.gate import GateReport
from compat_pipeline.domain.gate_report import junit_xml, reproduce, step_summary, summary_markdown, workflow_commands
from compat_pipeline.domain.observation import Fail, NotApplicable
from compat_pipeline_tests.domain.samples import FAIL, MANIFEST, OVERLOADED
from compat_pipeline_tests.domain.test_gate import GREEN, HAIKU, OLDER, OPUS, red_before, report

NASTY = "<b>]]>&\x1b[31m\x00 | `x` \ufffe\n::error::forged\n\N{SNOWMAN}"


def mixed(told: str = "lost") -> GateReport:
    """A regression, a known red, a cell that does not apply, one that could not be judged, and passes."""
    vision = [cell for cell in MANIFEST.cells if cell.feature == "vision"]
    return report(
        {HAIKU: Fail(error=told), OPUS: FAIL, vision[0]: NotApplicable(reason="none"), vision[1]: OVERLOADED},
        red_before(OPUS),
    )


def test_the_summary_tells_changes_then_the_matrix_then_how_to_run_a_red_cell_again() -> None:
    text = summary_markdown(mixed())
    places = [text.index(part) for part in ("### Changes", "Passed before, red now", "### Matrix", "### Run one again")]
    assert places == sorted(places)
    for cell in mixed().of("regression", "known_red", "new_red", "unjudged"):
        assert f"\n{reproduce(mixed(), cell)}\n" in text


AGAIN = (
    "COMPAT_UPSTREAM=emulated compat gate --litellm path:. --claude-code 2.1.329 "
    "--cells 'tool_use|azure/claude-haiku-4-5'"
)
"""Whoever runs it stands in a checkout of the code, which lies elsewhere than it did here."""


@pytest.mark.parametrize(
    ("baseline", "named"),
    [
        ("https://docs.example/matrix.json", "https://docs.example/matrix.json"),
        ("docs-repo", "docs-repo"),
        ("/home/ci/base line.json", "'base line.json'"),
    ],
)
def test_the_command_runs_elsewhere_with_the_same_code_cell_and_baseline(baseline: str, named: str) -> None:
    found = report({HAIKU: FAIL}, replace(GREEN, name=baseline))
    (cell,) = found.of("regression")
    assert reproduce(found, cell) == f"{AGAIN} --baseline {named}"
    assert f"In a checkout of v1.106.2:\n\n```sh\n{AGAIN}" in summary_markdown(found)


def test_the_command_names_a_release_and_the_clouds_where_they_were_run() -> None:
    found = report({HAIKU: FAIL}, None).model_copy(update={"litellm": "1.106.2", "upstream": "live"})
    (cell,) = found.of("regression")
    assert reproduce(found, cell) == AGAIN.replace("path:.", "1.106.2").replace("emulated", "live")


def test_a_clean_summary_has_nothing_to_run_again() -> None:
    text = summary_markdown(report({}))
    assert "no regression" in text
    assert "Run one again" not in text


def test_what_a_test_said_cannot_write_markdown_of_its_own() -> None:
    assert "<b>" not in summary_markdown(mixed(NASTY))


def parsed(found: GateReport) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(found).encode())


def test_junit_has_a_case_per_cell_and_fails_only_for_what_closes_the_gate() -> None:
    root = parsed(mixed())
    assert len(root.findall(".//testcase")) == len(MANIFEST.cells)
    (failure,) = root.findall(".//failure")
    assert AGAIN in str(failure.text)
    assert len(root.findall(".//error")) == 1
    assert [skipped.get("message") for skipped in root.findall(".//skipped")] == [
        "red before, too: gateway: the tool input arrived empty",
        "none",
    ]
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("8", "1", "1", "2")


def test_a_red_where_nothing_passed_before_is_told_as_that_and_closes_nothing() -> None:
    found = report({HAIKU: FAIL}, OLDER)
    text = summary_markdown(found)
    assert f"**Red, and nothing passed before**\n\n- `{HAIKU.key}`" in text
    assert "Red before, too" not in text
    (skipped,) = parsed(found).findall(".//skipped")
    assert skipped.get("message") == "nothing passed before: gateway: the tool input arrived empty"
    (line,) = workflow_commands(found)
    assert line.startswith("::notice title=Claude Code compatibility%3A red%2C nothing passed before::tool_use|azure")


def test_junit_stays_xml_whatever_a_test_said() -> None:
    (failure,) = parsed(mixed(NASTY)).findall(".//failure")
    assert "<b>]]>&\N{REPLACEMENT CHARACTER}[31m" in str(failure.text)
    assert "\N{SNOWMAN}" in str(failure.text)


def test_each_annotation_is_one_line_that_no_test_can_end() -> None:
    lines = workflow_commands(mixed(NASTY))
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning"]
    assert "%0A::error::forged" in lines[0]
    assert all("\n" not in line and "\r" not in line for line in lines)
    assert lines[0].startswith("::error title=Claude Code compatibility%3A regression::tool_use|azure")


def test_more_annotations_than_github_shows_end_with_how_many_there_are() -> None:
    found = report(dict.fromkeys(MANIFEST.cells, FAIL))
    assert len(workflow_commands(found)) == 8
    twice = found.model_copy(update={"cells": found.cells * 2})
    lines = workflow_commands(twice)
    assert len(lines) == 10
    assert lines[-1].endswith("and 7 more: see the summary")


def test_a_summary_is_cut_to_what_github_takes() -> None:
    text = "line\n" * 300_000 + "\N{SNOWMAN}" * 10
    shown = step_summary(text, already_bytes=1000)
    assert len(shown.encode()) <= (1 << 20) - 1000
    assert shown.endswith("line\n\n(cut short: the whole summary is in the artifact)\n")
    assert step_summary("short\n", 0) == "short\n"
    assert step_summary(text, already_bytes=1 << 20) == ""
