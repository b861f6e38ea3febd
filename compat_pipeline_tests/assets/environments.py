"""The runner of the environment matrix on a machine with one Python, where every environment is as it was measured."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar

from packaging.version import Version

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.environment import EnvironmentPlan, Interpreter, Interpreters, Planned, plan
from compat_pipeline.domain.environment_verdict import EnvironmentObservation
from compat_pipeline.resources.environments import EnvironmentRunner
from compat_pipeline_tests.domain.environments import HYBRID, NEWEST, observed

FIRST_BAD = "1.97.0"


class ScriptedEnvironments(EnvironmentRunner):
    """`outcomes`: the key of a cell -> what is seen of it; others work with an accelerator that counts otherwise, and
    with one that breaks the router since 1.97.0."""

    outcomes: ClassVar[dict[str, EnvironmentObservation]] = {}
    ran: ClassVar[list[str]] = []

    def interpreters(self) -> Interpreters:
        found = Interpreter(minor="3.11", path="/python3.11", version="3.11.7", platform="linux-x86_64")
        return Interpreters(own="3.11", platform="linux-x86_64", found=(found,))

    def plan(self, here: Interpreters) -> EnvironmentPlan:
        planned = plan(self.manifest, self.manifest.cells, here.found, NEWEST)
        return EnvironmentPlan(platform=here.platform, newest=NEWEST, wheels=(), planned=tuple(planned), targets=())

    def _cli(self) -> ClaudeCli:
        return None  # type: ignore[return-value]

    def _run(self, one: Planned, cli: ClaudeCli, **_: Any) -> EnvironmentObservation:  # noqa: ARG002
        self.ran.append(one.means.key)
        if one.means.key in self.outcomes:
            return self.outcomes[one.means.key]
        breaks = one.means.accelerator and Version(one.means.litellm) >= Version(FIRST_BAD)
        seen = observed(one.means, failed={"router": HYBRID, "messages": HYBRID} if breaks else {})
        return seen.model_copy(update={"observed_at": datetime.now(timezone.utc)})
