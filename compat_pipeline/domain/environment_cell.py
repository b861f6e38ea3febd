"""The environment cell: a Python, a LiteLLM, with or without the accelerator, and with which dependencies. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict

Lane = Literal["as_of_today", "as_released"]
"""With which dependencies: those that the resolver takes today, or those that were there at the release."""

AS_OF_TODAY: Lane = "as_of_today"
STOCK = "stock"
ACCELERATOR = "fast-litellm"
"""The package; `import fast_litellm` before LiteLLM loads it."""


class EnvironmentPart(BaseModel):
    """What all documents of the environment matrix are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EnvironmentCell(NamedTuple):
    """One environment: a Python minor, a LiteLLM version, `stock` or `fast-litellm==VERSION`, and a lane.

    `key` is also the Dagster partition key; `stack` its second dimension.
    """

    python: str
    litellm: str
    runtime: str
    lane: Lane = AS_OF_TODAY

    @property
    def stack(self) -> str:
        """`LITELLM@RUNTIME`, and `@as_released` behind it in that lane."""
        return f"{self.litellm}@{self.runtime}" + ("" if self.lane == AS_OF_TODAY else f"@{self.lane}")

    @property
    def key(self) -> str:
        return f"{self.python}|{self.stack}"

    @property
    def accelerator(self) -> str | None:
        """The requirement of the accelerator; None for stock."""
        return None if self.runtime == STOCK else self.runtime

    @property
    def stock(self) -> EnvironmentCell:
        """The same environment without the accelerator."""
        return self._replace(runtime=STOCK)

    @classmethod
    def parse(cls, key: str) -> EnvironmentCell:
        """The cell of a key; raises ValueError when `key` is none."""
        python, bar, stack = key.partition("|")
        litellm, _, rest = stack.partition("@")
        runtime, _, lane = rest.partition("@")
        lane = lane or AS_OF_TODAY
        if not (bar and python and litellm and runtime) or lane not in get_args(Lane):
            raise ValueError(f"'{key}' is not an environment: expected PYTHON|LITELLM@RUNTIME")
        return cls(python, litellm, runtime, "as_released" if lane == "as_released" else AS_OF_TODAY)
