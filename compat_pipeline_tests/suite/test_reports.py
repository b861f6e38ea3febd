"""What a container's suite reports, as it is taken in: lines of two files, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.domain.cell import Trial
from compat_pipeline.domain.observation import Fail, Inconclusive, Observation, Pass
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.suite.reports import EvidenceLines, Reports, with_evidence
from compat_pipeline.wire.evidence import CallEvidence, Evidence, EvidenceStore
from compat_pipeline_tests.suite.made_up import trials_of

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
FIRST, SECOND, STRANGER = trials_of(["first", "second", "stranger"])
SECRET = "an-account-s-key-that-only-we-know"


@dataclass(frozen=True)
class Desk:
    """Both ends: `observations` and `lines` as the suite writes them, `reports` as we read them."""

    observations: Path
    lines: EvidenceLines
    reports: Reports
    store: EvidenceStore

    def report(self, seen: Observation) -> None:
        self.write(seen.model_dump_json().encode() + b"\n")

    def write(self, words: bytes) -> None:
        with self.observations.open("ab") as file:
            file.write(words)

    def fresh(self) -> list[Observation]:
        return list(self.reports.fresh())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    observations, evidence = tmp_path / "observations", tmp_path / "lines"
    observations.touch()
    evidence.touch()
    store = EvidenceStore(tmp_path / "evidence")
    with observations.open("rb") as seen, evidence.open("rb") as shown:
        reports = Reports(seen, shown, [FIRST, SECOND], store, Redactor([SECRET]))
        yield Desk(observations, EvidenceLines(evidence), reports, store)


def seen_of(trial: Trial = FIRST, error: str = "broken") -> Observation:
    return Observation(**trial.cell._asdict(), outcome=Fail(error=error), attempts=1, duration_s=1.0, observed_at=NOW)


def evidence_of(seen: Observation, stderr: str = "") -> Evidence:
    return Evidence(
        cell=seen.cell.key, fault=None, observed_at=NOW, status="fail", cause="gateway", explanation="broken",
        litellm_version="1", claude_code_version="2", suite_revision="r", config_digest="c", variant="default",
        upstream="emulated", calls=(CallEvidence(argv=("/claude",), stderr=stderr),),
    )  # fmt: skip


def handed_over(desk: Desk, seen: Observation, evidence: Evidence) -> Observation:
    return with_evidence(seen, evidence, desk.lines, Redactor([]))


def test_an_observation_comes_with_its_evidence_kept_and_both_without_our_secrets(desk: Desk) -> None:
    seen = seen_of(error=f"wrong key: {SECRET}")
    desk.report(handed_over(desk, seen, evidence_of(seen, stderr=f"used {SECRET}")))
    (taken,) = desk.fresh()
    assert taken.outcome == Fail(error="wrong key: [redacted]")
    kept = desk.store.read(taken.evidence or "")
    assert (kept.cell, kept.calls[0].stderr) == (FIRST.cell.key, "used [redacted]")
    assert desk.fresh() == []


def test_a_line_is_read_once_it_is_whole(desk: Desk) -> None:
    line = seen_of().model_dump_json().encode()
    desk.write(line[:40])
    assert desk.fresh() == []
    desk.write(line[40:] + b"\n")
    assert [one.trial for one in desk.fresh()] == [FIRST]
    assert desk.reports.awaited == {SECOND}


def test_what_was_not_asked_for_does_not_count(desk: Desk) -> None:
    desk.write(b"no json\n{}\n\xff\xfe\n")
    desk.report(seen_of(STRANGER))
    desk.report(seen_of(FIRST))
    desk.report(seen_of(FIRST).model_copy(update={"outcome": Pass()}))
    desk.report(seen_of(SECOND))
    broken = Fail(error="broken")
    assert [(one.trial, one.outcome) for one in desk.fresh()] == [(FIRST, broken), (SECOND, broken)]


@pytest.mark.parametrize("whose", ["nobody's", "another cell's"])
def test_an_observation_without_evidence_of_its_own_judges_nothing(desk: Desk, whose: str) -> None:
    seen = seen_of(FIRST)
    if whose == "nobody's":
        desk.report(seen.model_copy(update={"evidence": "0" * 64}))
    else:
        desk.report(handed_over(desk, seen, evidence_of(seen_of(SECOND))))
    (taken,) = desk.fresh()
    assert isinstance(taken.outcome, Inconclusive)
    assert (taken.outcome.cause, taken.evidence) == ("environment", None)


def test_evidence_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="cannot hand over evidence: No such file"):
        EvidenceLines(tmp_path / "none").keep(evidence_of(seen_of()), Redactor([]))
