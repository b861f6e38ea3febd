"""The observation: what one run of one cell saw. Its outcome is data, whatever it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from compat_pipeline.domain.cell import Cell, Trial

Cause = Literal["gateway", "client", "provider", "account", "environment", "harness", "model_behaviour"]
"""Who is to blame: LiteLLM (`gateway`), Claude Code (`client`), or something that says nothing about either."""

ProductCause = Literal["gateway", "client"]


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pass(_Outcome):
    """Proven on the wire."""

    status: Literal["pass"] = "pass"


class Fail(_Outcome):
    """A product fault, with what was seen."""

    status: Literal["fail"] = "fail"
    error: str = Field(min_length=1)
    cause: ProductCause = "gateway"


class NotApplicable(_Outcome):
    """The feature does not exist on this provider (or model); declared in the test file."""

    status: Literal["not_applicable"] = "not_applicable"
    reason: str = Field(min_length=1)


class Inconclusive(_Outcome):
    """Could not be judged: never a published `fail`."""

    status: Literal["inconclusive"] = "inconclusive"
    cause: Literal["provider", "account", "environment", "harness", "model_behaviour"]
    error: str = Field(min_length=1)


Outcome = Annotated[Pass | Fail | NotApplicable | Inconclusive, Field(discriminator="status")]
"""The tagged union a compatibility test reports (PRD, test code organization), and `inconclusive`."""

OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


class Consumption(BaseModel):
    """What was taken from the upstreams, in their own counts, all attempts together; tokens as they are billed.

    `calls` are all requests that reached them, also those to count tokens and those that were refused. `cost_usd` is an
    estimate from LiteLLM's price table; None where that has no price.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)


class Observation(BaseModel):
    """What one run of one cell saw.

    `evidence` is the digest of what was recorded, `findings` what was seen beside the outcome. `consumption` is None
    where it is not known. `fault` names the fault that was put on the wire on purpose: such an observation tells of
    the test, never of the product.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    provider: str
    model: str
    outcome: Outcome
    attempts: int = Field(default=1, ge=0)
    duration_s: float = Field(default=0.0, ge=0)
    consumption: Consumption | None = None
    observed_at: AwareDatetime
    evidence: str | None = None
    findings: tuple[str, ...] = ()
    fault: str | None = None

    @classmethod
    def not_run(cls, trial: Trial, outcome: Inconclusive, observed_at: AwareDatetime) -> Observation:
        """What is known of a cell that was due but never ran, or never reported."""
        return cls(**trial.cell._asdict(), fault=trial.fault, outcome=outcome, attempts=0, observed_at=observed_at)

    @property
    def cell(self) -> Cell:
        return Cell(self.feature, self.provider, self.model)

    @property
    def trial(self) -> Trial:
        return Trial(self.cell, self.fault)

    @property
    def explanation(self) -> str:
        """The error or reason, empty for a pass."""
        outcome = self.outcome
        if isinstance(outcome, NotApplicable):
            return outcome.reason
        return outcome.error if isinstance(outcome, Fail | Inconclusive) else ""

    @property
    def cause(self) -> Cause | None:
        """Whom the outcome points at; None for a pass or a not applicable."""
        return self.outcome.cause if isinstance(self.outcome, Fail | Inconclusive) else None
