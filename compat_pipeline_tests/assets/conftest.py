"""A Dagster instance and a home for one test, and a cell runner that reports what it is told to.

The runner stands in for the CLI and the proxy: what is tested here is what the assets make of observations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.observation import Fail, Inconclusive, NotApplicable, Observation, Outcome, Pass
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.environments import EnvironmentRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime

LITELLM = LitellmRelease(
    version="1.106.2",
    tag="v1.106.2",
    source="package_index",
    policy="pinned",
    lock=Path("/nowhere"),
    digest="sha256:" + "0" * 64,
)
CLAUDE_CODE = ClaudeCodeRelease(
    version="2.1.329",
    platform_package="@anthropic-ai/claude-code-linux-x64",
    integrity="sha512-" + "A" * 86 + "==",
    published_at=None,
    policy="pinned",
)
RED, OPEN, NONE = "tool_use|azure/claude-opus-4-7", "vision|anthropic/claude-haiku-4-5", "vision|azure/claude-haiku-4-5"


class PinnedIndex(PythonIndex):
    def resolve(self, request: str) -> LitellmRelease:
        return LITELLM.model_copy(update={"version": request or "1.106.2", "tag": f"v{request or '1.106.2'}"})


class PinnedNpm(NpmRegistry):
    def resolve(self, request: str) -> ClaudeCodeRelease:
        return CLAUDE_CODE.model_copy(update={"version": request or "2.1.329"})


class ScriptedRunner(CellRunner):
    """Every cell passes, but for one red, one that cannot be judged and one that does not apply."""

    outcomes: ClassVar[dict[str, Outcome]] = {
        RED: Fail(error="the tool input was lost"),
        OPEN: Inconclusive(cause="account", error="Credit balance is too low"),
        NONE: NotApplicable(reason="no pictures on Azure"),
    }
    observed: ClassVar[list[list[str]]] = []
    plain: ClassVar[list[bool]] = []
    loses: ClassVar[str] = ""

    def observe(
        self,
        litellm: LitellmRelease,
        claude_code: ClaudeCodeRelease,
        cells: Sequence[Cell],
        run_id: str,
        *,
        plain: bool = True,
    ) -> Iterator[Observation]:
        self.observed.append([cell.key for cell in cells])
        self.plain.append(plain)
        run = self.run_context(litellm, claude_code, run_id)
        for cell in [cell for cell in cells if cell.key != self.loses]:
            seen = Observation(
                feature=cell.feature,
                provider=cell.provider,
                model=cell.model,
                outcome=self.outcomes.get(cell.key, Pass()),
                observed_at=datetime.now(timezone.utc),
            )
            self.home.history.append(run, [seen])
            yield seen


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance of this test alone; COMPAT_HOME is its folder."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setattr(ScriptedRunner, "observed", [])
    monkeypatch.setattr(ScriptedRunner, "plain", [])
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def resources(instance: dg.DagsterInstance) -> dict[str, object]:  # noqa: ARG001 - after COMPAT_HOME is set
    home, index, npm, runtime = Home(), PinnedIndex(), PinnedNpm(), ProxyRuntime()
    runner = ScriptedRunner(home=home, python_index=index, npm=npm, runtime=runtime)
    return {
        "home": home,
        "python_index": index,
        "npm": npm,
        "runtime": runtime,
        "docs_repo": DocsRepo(),
        "cell_runner": runner,
        "environment_runner": EnvironmentRunner(home=home, python_index=index, npm=npm),
    }
