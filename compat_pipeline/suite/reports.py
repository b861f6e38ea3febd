"""How observations and their evidence leave the suite: kept at once, or as lines of two files that its isolation lets
it write. Those are taken in for what they prove to be, never for what they say they are."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Literal, Protocol

from pydantic import ValidationError

from compat_pipeline.domain.cell import Trial
from compat_pipeline.domain.observation import Inconclusive, Observation
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.wire.evidence import Evidence

log = logging.getLogger(__name__)


class EvidenceKeeper(Protocol):
    """Keeps bundles, cleaned, each under a digest."""

    def keep(self, evidence: Evidence, redactor: Redactor) -> str:
        """Raises CompatError where that cannot be done."""


class EvidenceLines:
    """Bundles as lines of JSON at the end of a file, to which several processes may write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, evidence: Evidence, redactor: Redactor) -> str:
        """Append the bundle; returns the digest of its line. Raises CompatError where the file takes no more."""
        line = json.dumps(redactor.json(evidence.model_dump(mode="json"))).encode() + b"\n"
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                written = os.write(file, line)  # at once, so that nobody else's line gets into it
            finally:
                os.close(file)
        except OSError as error:
            raise CompatError(f"cannot hand over evidence: {error.strerror}") from error
        if written < len(line):
            raise CompatError("cannot hand over evidence: it is too large")
        return _digest(line)


def redacted(seen: Observation, redactor: Redactor) -> Observation:
    """The observation as it may be kept."""
    return Observation.model_validate(redactor.json(seen.model_dump(mode="json")))


def with_evidence(seen: Observation, evidence: Evidence, keeper: EvidenceKeeper, redactor: Redactor) -> Observation:
    """The observation with its evidence kept; without, it judges nothing, whatever it saw."""
    try:
        return seen.model_copy(update={"evidence": keeper.keep(evidence, redactor)})
    except CompatError as error:
        return _without(seen, redactor.text(str(error)))
    except (ValueError, RecursionError) as error:  # what the proxy or the CLI sent is nested deeper than can be written
        return _without(seen, redactor.text(f"it cannot be written as JSON: {error}"), "harness")


def write_results(path: Path, upstream: UpstreamMode | str, results: Iterable[object]) -> None:
    """The artifact `compat-results.json`: observations as JSON values, in the order in which they came."""
    document = {"schema_version": "results/2", "upstream": upstream, "results": list(results)}
    write_atomically(path, json.dumps(document, indent=2) + "\n")


class Reports:
    """The two files, which somebody else may write to, while they grow; each of `trials` is reported at most once."""

    def __init__(
        self,
        observations: IO[bytes],
        evidence: IO[bytes],
        trials: Iterable[Trial],
        keeper: EvidenceKeeper,
        redactor: Redactor,
    ) -> None:
        self.awaited = set(trials)
        self._observations = observations
        self._evidence = evidence
        self._keeper = keeper
        self._redactor = redactor
        self._bundles: dict[str, bytes] = {}

    def fresh(self) -> Iterator[Observation]:
        """The observations since the last look, cleaned, their evidence kept."""
        for line in _whole_lines(self._observations):
            try:
                seen = Observation.model_validate_json(line)
            except ValidationError:
                log.warning("the suite reported what is no observation")
                continue
            if seen.trial in self.awaited:
                self.awaited.remove(seen.trial)
                yield self._taken_in(redacted(seen, self._redactor))

    def _taken_in(self, seen: Observation) -> Observation:
        if seen.evidence is None:
            return seen
        self._bundles.update((_digest(line), line) for line in _whole_lines(self._evidence))
        try:
            evidence = Evidence.model_validate_json(self._bundles.pop(seen.evidence, b""))
        except ValidationError:
            return _without(seen, "it was not handed over whole")
        if (evidence.cell, evidence.fault) != (seen.cell.key, seen.fault):
            return _without(seen, f"it is of {evidence.cell}")
        return with_evidence(seen, evidence, self._keeper, self._redactor)


def _without(seen: Observation, why: str, cause: Literal["environment", "harness"] = "environment") -> Observation:
    lost = Inconclusive(cause=cause, error=f"its evidence is lost: {why}")
    return seen.model_copy(update={"outcome": lost, "evidence": None})


def _whole_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines from here to the end of a file that grows; one that is being written is left to the next look."""
    while (line := file.readline()).endswith(b"\n"):
        yield line
    file.seek(-len(line), os.SEEK_CUR)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
