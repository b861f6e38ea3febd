"""The published document: its bytes are locked, and one rule aggregates the models."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.matrix import (
    CompatibilityMatrix,
    Failing,
    Passing,
    Untested,
    aggregate,
    build_matrix,
    dump_matrix,
    parse_matrix,
)
from compat_pipeline.domain.observation import Fail, NotApplicable, Outcome
from compat_pipeline.domain.verdict import Verdict
from compat_pipeline_tests.domain.samples import (
    FAIL,
    MANIFEST,
    NOT_APPLICABLE,
    OVERLOADED,
    PASS,
    everything,
    matrix_of,
    verdict_of,
)

GOLDEN = Path(__file__).parent / "golden"
HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-4-7"

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
verdicts: st.SearchStrategy[Verdict] = st.one_of(
    st.just(verdict_of(PASS)),
    st.just(verdict_of(OVERLOADED)),
    st.just(Verdict(status="unjudged")),
    text.map(lambda why: verdict_of(Fail(error=why))),
    text.map(lambda why: verdict_of(NotApplicable(reason=why))),
)
whole_matrices = st.fixed_dictionaries(dict.fromkeys(MANIFEST.cells, verdicts)).map(matrix_of)


def two_models(haiku: Outcome, opus: Outcome) -> dict[str, Any]:
    cell = aggregate([("Claude Haiku 4.5", verdict_of(haiku)), ("Claude Opus 4.7", verdict_of(opus))])
    return cell.model_dump()


def test_the_published_bytes_are_those_of_the_golden_file() -> None:
    verdicts = everything()
    verdicts[Cell("tool_use", "anthropic", HAIKU)] = verdict_of(Fail(error="“Extra inputs” – refusé: <400> & 日本"))
    verdicts[Cell("tool_use", "anthropic", OPUS)] = verdict_of(FAIL)
    verdicts[Cell("tool_use", "azure", HAIKU)] = verdict_of(NOT_APPLICABLE)
    verdicts[Cell("tool_use", "azure", OPUS)] = verdict_of(NOT_APPLICABLE)
    del verdicts[Cell("vision", "azure", OPUS)]
    assert dump_matrix(matrix_of(verdicts)).encode() == (GOLDEN / "compatibility-matrix.json").read_bytes()


def test_every_status_of_the_golden_file_is_read_back() -> None:
    document = (GOLDEN / "compatibility-matrix.json").read_text(encoding="utf-8")
    assert dump_matrix(parse_matrix(document)) == document
    assert {cell.status for cell in parse_matrix(document).cells.values()} == {
        "pass",
        "fail",
        "not_applicable",
        "not_tested",
    }


def test_the_generation_time_is_written_in_utc_to_the_second() -> None:
    local = datetime(2026, 1, 31, 14, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    matrix = build_matrix(MANIFEST, {}, litellm_version="v1", claude_code_version="2", generated_at=local)
    assert json.loads(dump_matrix(matrix))["generated_at"] == "2026-01-31T12:00:05Z"


def test_cells_outside_the_manifest_are_left_out() -> None:
    stray = {Cell("removed_feature", "anthropic", HAIKU): verdict_of(FAIL)}
    assert matrix_of({**everything(), **stray}) == matrix_of(everything())


def test_a_failed_model_fails_the_cell_and_is_named() -> None:
    assert two_models(PASS, FAIL) == {
        "status": "fail",
        "error": "Claude Opus 4.7: the tool input arrived empty",
    }


def test_every_broken_model_is_named_in_manifest_order() -> None:
    assert two_models(Fail(error="a"), Fail(error="b"))["error"] == "Claude Haiku 4.5: a; Claude Opus 4.7: b"


def test_a_fail_stands_even_when_another_model_could_not_be_judged() -> None:
    assert two_models(OVERLOADED, FAIL)["status"] == "fail"


def test_a_model_that_could_not_be_judged_leaves_the_cell_not_tested() -> None:
    assert two_models(PASS, OVERLOADED) == {"status": "not_tested"}
    assert two_models(NOT_APPLICABLE, OVERLOADED) == {"status": "not_tested"}


def test_a_cell_passes_when_every_applicable_model_passes() -> None:
    assert two_models(PASS, PASS) == two_models(PASS, NOT_APPLICABLE) == {"status": "pass"}


def test_not_applicable_needs_all_models_and_says_a_shared_reason_once() -> None:
    assert two_models(NOT_APPLICABLE, NOT_APPLICABLE) == {"status": "not_applicable", "reason": "Azure has no tools"}


def test_differing_reasons_are_told_by_model() -> None:
    cell = two_models(NotApplicable(reason="a"), NotApplicable(reason="b"))
    assert cell["reason"] == "Claude Haiku 4.5: a; Claude Opus 4.7: b"


def test_a_cell_without_models_is_not_tested() -> None:
    assert aggregate([]) == Untested()


named_verdicts = st.lists(verdicts, min_size=1, max_size=4).map(lambda seen: [(f"M{n}", v) for n, v in enumerate(seen)])


@given(named_verdicts, st.randoms())
def test_the_order_of_the_models_never_changes_the_status(by_model: list[tuple[str, Verdict]], random: Random) -> None:
    shuffled = list(by_model)
    random.shuffle(shuffled)
    assert aggregate(shuffled).status == aggregate(by_model).status


@given(named_verdicts)
def test_a_pass_needs_a_pass_of_every_applicable_model(by_model: list[tuple[str, Verdict]]) -> None:
    statuses = [verdict.status for _, verdict in by_model if verdict.status != "not_applicable"]
    assert (aggregate(by_model) == Passing()) == (bool(statuses) and set(statuses) == {"pass"})


@given(named_verdicts)
def test_only_a_failed_model_yields_a_fail(by_model: list[tuple[str, Verdict]]) -> None:
    broken = [name for name, verdict in by_model if verdict.status == "fail"]
    cell = aggregate(by_model)
    assert isinstance(cell, Failing) == bool(broken)
    assert not isinstance(cell, Failing) or all(f"{name}: " in cell.error for name in broken)


@given(whole_matrices)
def test_what_is_dumped_is_parsed_back_unchanged(matrix: CompatibilityMatrix) -> None:
    assert parse_matrix(dump_matrix(matrix)) == matrix


@given(whole_matrices)
def test_every_document_has_the_locked_form(matrix: CompatibilityMatrix) -> None:
    document = dump_matrix(matrix)
    assert document == json.dumps(json.loads(document), indent=2, ensure_ascii=False) + "\n"
    assert list(json.loads(document)) == [
        "schema_version",
        "generated_at",
        "litellm_version",
        "claude_code_version",
        "providers",
        "features",
    ]


def published(**changed: Any) -> str:
    document = json.loads(dump_matrix(matrix_of(everything())))
    return json.dumps({**document, **changed})


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "document: "),
        ("[]", "document: "),
        (published(schema_version="2"), "schema_version"),
        (published(schema_version=1), "schema_version"),
        (published(upstream="emulated"), "upstream"),
        (published(generated_at="2026-01-31T12:00:00"), "generated_at"),
        (published(generated_at="2026-01-31T14:00:00+02:00"), "generated_at"),
        (published(generated_at=1769860800), "generated_at"),
        (published(generated_at="2026-13-31T12:00:00Z"), "generated_at"),
        (published(litellm_version=""), "litellm_version"),
        (published(providers=["anthropic"]), "does not list the matrix's providers"),
        (published(providers=["azure", "anthropic"]), "does not list the matrix's providers"),
        (published(providers=["azure", "azure"]), "'azure' is listed twice"),
        (published(features=[{"id": "x", "name": "X", "providers": {}, "note": ""}]), "features.0.note"),
        (published().replace('{"status": "pass"}', '{"status": "partial"}', 1), "partial"),
        (published().replace('{"status": "pass"}', '{"status": "fail"}', 1), "error"),
        (published().replace('{"status": "pass"}', '{"status": "pass", "error": "x"}', 1), "error"),
        (published().replace('{"status": "pass"}', "{}", 1), "status"),
    ],
)
def test_a_document_that_is_not_schema_1_is_refused_with_one_clear_error(document: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="not a compatibility matrix") as caught:
        parse_matrix(document)
    assert complaint in str(caught.value)


def test_a_document_without_its_schema_version_is_refused() -> None:
    document = json.loads(published())
    del document["schema_version"]
    with pytest.raises(ValueError, match="schema_version"):
        parse_matrix(json.dumps(document))
