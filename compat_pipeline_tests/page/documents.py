"""The two documents of a matrix of any size, made by the rules of the domain, and the standalone page of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from compat_pipeline.claude.npm import npm_command
from compat_pipeline.domain.acknowledged import Acknowledgement
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.details import build_details, dump_details
from compat_pipeline.domain.manifest import Feature, Manifest, Model, Provider
from compat_pipeline.domain.matrix import MatrixStatus, build_matrix, dump_matrix
from compat_pipeline.domain.verdict import Verdict
from compat_pipeline.ground.manifest_file import load_manifest

MADE = datetime(2026, 3, 28, 22, 15, tzinfo=timezone.utc)
"""When every matrix here was made: a few hours before the clocks of Europe go forward."""

ERROR = "the upstream refused the request (400): messages.1.content.0 cannot be modified"
REASON = "This provider has no such API."
OPEN = "provider: overloaded (529)"
ISSUE = "https://example.test/issues/7"
EVIDENCE = "4f2a91c0" * 8

_FIRST_ROW: tuple[MatrixStatus, ...] = ("pass", "fail", "not_applicable", "not_tested", "pass")
_RENDER = Path(__file__).parents[2] / "compat_pipeline" / "publication" / "page" / "render.mjs"
_REAL = load_manifest(environ={})


@dataclass(frozen=True)
class Documents:
    """Both as JSON texts."""

    matrix: str
    details: str

    def page(self, links: object = None) -> str:
        """The standalone page of both, as HTML."""
        asked = f'{{"matrix": {self.matrix}, "details": {self.details}, "links": {json.dumps(links)}}}'
        done = subprocess.run(
            [npm_command()[0], _RENDER], input=asked, capture_output=True, text=True, timeout=300, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def documents(rows: int = 6, columns: int = 5, *, error: str = ERROR, first_row: str = "") -> Documents:
    """The first row reads, by column: pass, fail, not applicable, not tested, pass; the rest is mostly green.

    Of the failing cell Haiku fails with `error`, known and flaky; Sonnet passed at the second attempt; Opus fails by
    another cause. `first_row` is another name for that feature.
    """
    manifest = _manifest(rows, columns, first_row)
    verdicts = dict(_verdicts(manifest, error))
    matrix = build_matrix(
        manifest, verdicts, litellm_version="v1.83.0-stable", claude_code_version="2.1.120", generated_at=MADE
    )
    failing = manifest.cells[len(manifest.models)]
    details = build_details(
        manifest,
        verdicts,
        upstream="emulated",
        litellm_version=matrix.litellm_version,
        claude_code_version=matrix.claude_code_version,
        suite_revision="4f2a91c",
        generated_at=MADE,
        acknowledged=[
            Acknowledgement(
                cell=failing.key, owner="team-gateway", issue=ISSUE, expires=MADE.date(), reason="Blocks are dropped."
            )
        ],
        last_proven={cell: MADE - timedelta(hours=20) for cell in manifest.cells},
        withheld={},
    )
    return Documents(dump_matrix(matrix), dump_details(details))


def _manifest(rows: int, columns: int, first_row: str) -> Manifest:
    features = [*_REAL.features, *(Feature(id=f"feature_{row}", name=f"Feature {row}") for row in range(rows))][:rows]
    routes = {model.id: model.id for model in _REAL.models}
    further = (Provider(id=f"provider_{column}", name=f"Provider {column}", routes=routes) for column in range(columns))
    return Manifest(
        features=tuple(feature.model_copy(update={"set": "v0"}) for feature in _renamed(features, first_row)),
        providers=tuple([*_REAL.providers, *further][:columns]),
        models=_REAL.models,
    )


def _renamed(features: list[Feature], first: str) -> list[Feature]:
    return [features[0].model_copy(update={"name": first}), *features[1:]] if first else features


def _verdicts(manifest: Manifest, error: str) -> Iterator[tuple[Cell, Verdict]]:
    places = [(feature, provider) for feature in manifest.features for provider in manifest.providers]
    for place, (feature, provider) in enumerate(places):
        for model in manifest.models:
            yield Cell(feature.id, provider.id, model.id), _verdict(_status(place), model, error)


def _status(place: int) -> MatrixStatus:
    """That of the cell which is `place`th from the top left, row by row."""
    if place < len(_FIRST_ROW):
        return _FIRST_ROW[place]
    return "fail" if place % 13 == 0 else "not_applicable" if place % 17 == 0 else "pass"


def _verdict(status: MatrixStatus, model: Model, error: str) -> Verdict:
    seen: dict[str, Any] = {
        "attempts": 1,
        "times_observed": 1,
        "observed_at": MADE - timedelta(minutes=5),
        "evidence": EVIDENCE,
    }
    if status == "not_applicable":
        return Verdict(status="not_applicable", explanation=REASON, **seen)
    if status == "not_tested":
        return Verdict(status="unjudged", cause="provider", explanation="overloaded (529)", open=OPEN, **seen)
    if status == "pass":
        return Verdict(status="pass", **seen)
    family = model.id.split("-")[1]
    by_family: dict[str, dict[str, Any]] = {
        "haiku": {"status": "fail", "cause": "gateway", "explanation": error, "flaky": True},
        "sonnet": {"status": "pass", "attempts": 2},
        "opus": {"status": "fail", "cause": "client", "explanation": "the CLI hung up early"},
    }
    return Verdict.model_validate({**seen, **by_family[family]})
