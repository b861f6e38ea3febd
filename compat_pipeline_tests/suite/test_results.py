"""What becomes of a compatibility test's report. The tests run under real pytest, on a suite made for the purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MANIFEST = """
features: [{id: made_up, name: Made up}]
providers: [{id: anthropic, name: Anthropic, routes: {haiku: a/haiku, opus: a/opus}}]
models: [{id: haiku, name: Haiku}, {id: opus, name: Opus}]
"""


def observe(folder: Path, body: str, *options: str, takes: str = "cell", **variables: str) -> list[dict[str, Any]]:
    """Run a test of feature `made_up` on `anthropic` whose body is `body`; the observations as streamed."""
    test = folder / "made_up" / "test_anthropic.py"
    test.parent.mkdir(exist_ok=True)
    test.write_text(f"def test_it({takes}, compat_result):\n    {body}\n")
    (folder / "manifest.yaml").write_text(MANIFEST)
    stream = folder / "stream"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "COMPAT_HOME": str(folder / "home"),
        "COMPAT_MANIFEST": str(folder / "manifest.yaml"),
        "COMPAT_RESULTS_STREAM": str(stream),
    } | variables
    command = [sys.executable, "-m", "pytest", "-p", "compat_pipeline.suite.plugin", "-p", "no:cacheprovider", *options]
    subprocess.run([*command, test], env=environment, cwd=folder, capture_output=True, check=False)
    return [json.loads(line) for line in stream.read_text().splitlines()]


def outcomes(folder: Path, body: str, *options: str, **variables: str) -> list[dict[str, Any]]:
    return [seen["outcome"] for seen in observe(folder, body, *options, **variables)]


def test_a_test_runs_once_per_model_with_its_cell_read_from_the_path(tmp_path: Path) -> None:
    seen = observe(tmp_path, "compat_result.set({'status': 'pass'})")
    assert [(one["feature"], one["provider"], one["model"]) for one in seen] == [
        ("made_up", "anthropic", "haiku"),
        ("made_up", "anthropic", "opus"),
    ]


@pytest.mark.parametrize(
    "reported",
    [
        {"status": "pass"},
        {"status": "fail", "error": "lost", "cause": "gateway"},
        {"status": "not_applicable", "reason": "no such API"},
        {"status": "inconclusive", "cause": "account", "error": "no credit"},
    ],
)
def test_every_member_of_the_tagged_union_arrives_as_reported(tmp_path: Path, reported: dict[str, str]) -> None:
    assert outcomes(tmp_path, f"compat_result.set({reported!r})") == [reported, reported]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("assert 1 == 2", "assert 1 == 2"),
        ("pass", "never"),
        ("[compat_result.set({'status': 'pass'}) for _ in '12']", "2 times"),
        ("compat_result.set({'status': 'green'})", "not a result"),
        ("compat_result.set({'status': 'fail'})", "not a result"),
        ("import absent_module", "absent_module"),
    ],
)
def test_a_test_that_breaks_its_contract_judges_no_product(tmp_path: Path, body: str, complaint: str) -> None:
    first, _ = outcomes(tmp_path, body)
    assert (first["status"], first["cause"]) == ("inconclusive", "harness")
    assert complaint in first["error"]


def test_two_tests_of_one_cell_speak_for_neither(tmp_path: Path) -> None:
    twice = "compat_result.set({'status': 'fail', 'error': 'lost'})\n\n\ndef test_more(cell, compat_result):\n"
    seen = outcomes(tmp_path, twice + "    compat_result.set({'status': 'pass'})")
    assert {outcome["status"] for outcome in seen} == {"inconclusive"}
    assert "2 tests report for this cell" in seen[0]["error"]


ADDRESSES = {
    "COMPAT_PROXY_URL": "http://127.0.0.1:9",
    "COMPAT_PROXY_KEY": "sk-not-to-be-seen",
    "COMPAT_UPSTREAM_URL": "http://127.0.0.1:9",
    "COMPAT_UPSTREAM_TOKEN": "token-not-to-be-seen",
    "COMPAT_CLAUDE": "/nowhere/claude",
}


def test_the_proxys_key_is_taken_out_of_an_error_that_quotes_it(tmp_path: Path) -> None:
    quoting = "compat_result.set({'status': 'fail', 'error': 'wrong key: ' + compat.settings.proxy_key})"
    seen = observe(tmp_path, quoting, takes="compat", **ADDRESSES)
    assert seen[0]["outcome"]["error"] == "wrong key: [redacted]"


def test_a_finding_travels_with_the_observation_of_a_cell_that_passed(tmp_path: Path) -> None:
    finding = "compat.findings.append('asked twice'); compat_result.set({'status': 'pass'})"
    seen = observe(tmp_path, finding, takes="compat", **ADDRESSES)
    assert [(one["outcome"]["status"], one["findings"]) for one in seen] == [("pass", ["asked twice"])] * 2


@pytest.mark.parametrize("status", ["{'status': 'pass'}", "{'status': 'fail', 'error': 'lost'}"])
def test_a_cell_whose_evidence_cannot_be_kept_judges_nothing_and_the_others_go_on(tmp_path: Path, status: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "evidence").write_text("a file where the folder should be, as good as a full disk")
    seen = observe(tmp_path, f"compat_result.set({status})", takes="compat", **ADDRESSES)
    assert [one["model"] for one in seen] == ["haiku", "opus"]
    for one in seen:
        assert (one["outcome"]["status"], one["outcome"]["cause"]) == ("inconclusive", "environment")
        assert "its evidence is lost: cannot " in one["outcome"]["error"]


NESTS = """from functools import reduce
    from compat_pipeline.wire.evidence import CallEvidence
    if compat.cell.model == 'haiku':
        compat.calls.append(CallEvidence(events=(reduce(lambda inner, _: {'a': inner}, range(1000), {}),)))
    compat_result.set({'status': 'pass'})"""


def test_a_cell_whose_evidence_is_nested_too_deep_to_be_written_says_so_and_the_others_go_on(tmp_path: Path) -> None:
    lost, kept = observe(tmp_path, NESTS, takes="compat", **ADDRESSES)
    assert (lost["outcome"]["status"], lost["outcome"]["cause"]) == ("inconclusive", "harness")
    assert "its evidence is lost: it cannot be written as JSON" in lost["outcome"]["error"]
    assert kept["outcome"]["status"] == "pass"


def test_only_the_chosen_cells_run(tmp_path: Path) -> None:
    (tmp_path / "trials").write_text("made_up|anthropic/opus\n")
    seen = observe(tmp_path, "compat_result.set({'status': 'pass'})", COMPAT_TRIALS=str(tmp_path / "trials"))
    assert [one["model"] for one in seen] == ["opus"]


def test_workers_hand_their_results_to_one_stream_and_one_artifact(tmp_path: Path) -> None:
    seen = observe(tmp_path, "compat_result.set({'status': 'pass'})", "-n", "2")
    artifact = json.loads((tmp_path / "home" / "compat-results.json").read_text())
    assert len(seen) == 2
    assert artifact["schema_version"] == "results/2"
    assert sorted(one["model"] for one in artifact["results"]) == ["haiku", "opus"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, ["home/compat-results.json"]), ({"COMPAT_UPSTREAM": "live"}, ["home/live/compat-results.json"]),
     ({"COMPAT_RESULTS": ""}, [])],
)  # fmt: skip
def test_the_artifact_lies_beside_the_documents_of_its_upstreams_or_nowhere(
    tmp_path: Path, variables: dict[str, str], expected: list[str]
) -> None:
    observe(tmp_path, "compat_result.set({'status': 'pass'})", **variables)
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("compat-results.json")]
    assert found == expected
