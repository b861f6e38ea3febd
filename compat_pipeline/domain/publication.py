"""What of a fresh matrix may be published today: everything but the cells that are withheld. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping

from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.diff import Anomaly, Place
from compat_pipeline.domain.matrix import CompatibilityMatrix, MatrixCell, Untested
from compat_pipeline.domain.verdict import Verdict


def withheld(
    verdicts: Mapping[Cell, Verdict], found: Iterable[Anomaly] = (), known: Container[Cell] = ()
) -> dict[Place, str]:
    """The published cells that must wait, each with its reason.

    - What could not be classified is the harness's, and blocks the cell it was seen in, and no other.
    - A whole column or row that flipped at once is infrastructure until someone says otherwise: a cell whose every
      red is `known` (acknowledged) has had its look, and is published.
    """
    reasons: dict[Place, list[str]] = {}
    for cell, verdict in verdicts.items():
        if verdict.open_cause == "harness":
            reasons.setdefault((cell.feature, cell.provider), []).append(f"{cell.model}: {verdict.open}")
    looked_at = _acknowledged(verdicts, known)
    for anomaly in found:
        for place in anomaly.cells:
            if place not in looked_at:
                reasons.setdefault(place, []).append(str(anomaly))
    return {place: "; ".join(why) for place, why in reasons.items()}


def _acknowledged(verdicts: Mapping[Cell, Verdict], known: Container[Cell]) -> set[Place]:
    """The places that are red, and where every red model is known."""
    red = [cell for cell, verdict in verdicts.items() if verdict.status == "fail"]
    unknown = {(cell.feature, cell.provider) for cell in red if cell not in known}
    return {(cell.feature, cell.provider) for cell in red} - unknown


def publishable(
    fresh: CompatibilityMatrix, published: CompatibilityMatrix | None, held_back: Collection[Place]
) -> CompatibilityMatrix:
    """`fresh` with each cell of `held_back` as it is published now, or `not_tested`.

    A published cell stands only for the versions it was published with: what passed with other ones proves nothing
    about these.
    """
    stands = published.cells if published is not None and _same_versions(published, fresh) else {}

    def settled(place: Place, cell: MatrixCell) -> MatrixCell:
        return stands.get(place, Untested()) if place in held_back else cell

    return fresh.model_copy(
        update={
            "features": tuple(
                row.model_copy(
                    update={
                        "providers": {
                            provider: settled((row.id, provider), cell) for provider, cell in row.providers.items()
                        }
                    }
                )
                for row in fresh.features
            )
        }
    )


def _same_versions(one: CompatibilityMatrix, other: CompatibilityMatrix) -> bool:
    return (one.litellm_version, one.claude_code_version) == (other.litellm_version, other.claude_code_version)
