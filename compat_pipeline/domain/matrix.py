"""The matrix: verdicts over all models as the published, locked JSON (schema "1"): its rule and its reader."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.verdict import NEVER_OBSERVED, Status, Verdict

_UTC_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")

MatrixStatus = Literal["pass", "fail", "not_applicable", "not_tested"]


class _Locked(BaseModel):
    """A part of the published document: unknown fields are refused, so that the schema stays what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Passing(_Locked):
    status: Literal["pass"] = "pass"


class Failing(_Locked):
    status: Literal["fail"] = "fail"
    error: str = Field(min_length=1)


class Inapplicable(_Locked):
    status: Literal["not_applicable"] = "not_applicable"
    reason: str = Field(min_length=1)


class Untested(_Locked):
    status: Literal["not_tested"] = "not_tested"


MatrixCell = Annotated[Passing | Failing | Inapplicable | Untested, Field(discriminator="status")]


def _utc_text(moment: object) -> object:
    if isinstance(moment, datetime) or (isinstance(moment, str) and _UTC_TIMESTAMP.fullmatch(moment)):
        return moment
    raise ValueError("must be an ISO-8601 UTC timestamp such as 2026-01-31T12:00:00Z")


class MatrixRow(_Locked):
    """One feature and its cell per provider, in column order."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    providers: dict[str, MatrixCell]


class CompatibilityMatrix(_Locked):
    """The public document, schema "1". Fields, their order and their meaning are locked."""

    schema_version: Literal["1"]
    generated_at: Annotated[AwareDatetime, BeforeValidator(_utc_text)]
    litellm_version: str = Field(min_length=1)
    claude_code_version: str = Field(min_length=1)
    providers: tuple[str, ...]
    features: tuple[MatrixRow, ...]

    @model_validator(mode="after")
    def _consistent(self) -> CompatibilityMatrix:
        _refuse_repeats("provider", self.providers)
        _refuse_repeats("feature", [row.id for row in self.features])
        for row in self.features:
            if tuple(row.providers) != self.providers:
                raise ValueError(f"feature '{row.id}' does not list the matrix's providers in their order")
        return self

    @property
    def cells(self) -> dict[tuple[str, str], MatrixCell]:
        """(feature id, provider id) -> cell, in row and column order."""
        return {(row.id, provider): cell for row in self.features for provider, cell in row.providers.items()}


def _refuse_repeats(what: str, ids: Sequence[str]) -> None:
    for twice in sorted({entry for entry in ids if ids.count(entry) > 1}):
        raise ValueError(f"{what} '{twice}' is listed twice")


def build_matrix(
    manifest: Manifest,
    verdicts: Mapping[Cell, Verdict],
    *,
    litellm_version: str,
    claude_code_version: str,
    generated_at: datetime,
) -> CompatibilityMatrix:
    """The matrix of one version pair, in manifest order; a cell without a verdict was never observed.

    `litellm_version` is the full tag (`v1.83.0-stable`); `generated_at` is aware and kept to the second, in UTC.
    Verdicts of cells outside the manifest are left out. The rule over models is that of `aggregate`.
    """
    return CompatibilityMatrix(
        schema_version="1",
        generated_at=generated_at.astimezone(timezone.utc).replace(microsecond=0),
        litellm_version=litellm_version,
        claude_code_version=claude_code_version,
        providers=tuple(provider.id for provider in manifest.providers),
        features=tuple(
            MatrixRow(
                id=feature.id,
                name=feature.name,
                providers={
                    provider.id: aggregate(
                        [
                            (model.name, verdicts.get(Cell(feature.id, provider.id, model.id), NEVER_OBSERVED))
                            for model in manifest.models
                        ]
                    )
                    for provider in manifest.providers
                },
            )
            for feature in manifest.features
        ),
    )


def aggregate(by_model: Sequence[tuple[str, Verdict]]) -> MatrixCell:
    """One published cell from the (display name, verdict) of each model, in manifest order. The only such rule:

    1. any model failed: `fail`; the error names every broken model ("Claude Opus 4.7: ...; Claude Haiku 4.5: ...");
    2. every model is not applicable: `not_applicable`, with the reason (by model where the reasons differ);
    3. every applicable model passed: `pass`;
    4. otherwise some model was never judged: `not_tested`. So what is inconclusive yields neither a pass nor a fail.
    """
    with_status: dict[Status, list[tuple[str, str]]] = {}
    for name, verdict in by_model:
        with_status.setdefault(verdict.status, []).append((name, verdict.explanation))
    if failed := with_status.get("fail"):
        return Failing(error=_by_model(failed))
    if with_status.keys() == {"not_applicable"}:
        reasons = with_status["not_applicable"]
        return Inapplicable(reason=reasons[0][1] if len({why for _, why in reasons}) == 1 else _by_model(reasons))
    if with_status and with_status.keys() <= {"pass", "not_applicable"}:
        return Passing()
    return Untested()


def _by_model(explanations: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in explanations)


def dump_matrix(matrix: CompatibilityMatrix) -> str:
    """The published bytes: 2-space indent, readable non-ASCII, final newline."""
    return matrix.model_dump_json(indent=2) + "\n"


def parse_matrix(text: str) -> CompatibilityMatrix:
    """Read a published document; raises one ValueError that names each wrong field. Unknown fields are refused."""
    try:
        return CompatibilityMatrix.model_validate_json(text)
    except ValidationError as error:
        wrong = [f"  {'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}" for item in error.errors()]
        raise ValueError('not a compatibility matrix of schema "1":\n' + "\n".join(wrong)) from error
