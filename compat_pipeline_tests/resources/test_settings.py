"""A setting that only the end of a run needs is looked at before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from compat_pipeline.assets.runtime import litellm_proxy
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline_tests.assets.conftest import CLAUDE_CODE, LITELLM
from compat_pipeline_tests.assets.scripted_runtime import LocalIndex
from compat_pipeline_tests.resources.test_budget import CELLS, Fetched, Installed


class NeverAsked(ProxyRuntime):
    def lease(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a proxy was started")


@pytest.fixture(
    params=[
        ("COMPAT_HISTORY_URL", "mysql://user@db/compat", "cannot open the history"),
        ("COMPAT_ACKNOWLEDGED", "/nowhere.yaml", "cannot read the acknowledgements /nowhere.yaml"),
        ("COMPAT_EVIDENCE_DAYS", "soon", "COMPAT_EVIDENCE_DAYS is 'soon'"),
        ("COMPAT_CACHE_DAYS", "0.5", "COMPAT_CACHE_DAYS is 0.5"),
    ]
)
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the setting that is wrong."""
    variable, value, said = request.param
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    return str(said)


def test_cells_are_not_run_under_a_wrong_setting(told: str) -> None:
    runner = CellRunner(home=Home(), python_index=Installed(), npm=Fetched(), runtime=NeverAsked())
    with pytest.raises(CompatError, match=told):
        list(runner.observe(LITELLM, CLAUDE_CODE, CELLS, "run-1"))


def test_the_proxy_of_a_walk_is_not_started_under_a_wrong_setting(told: str) -> None:
    resources = {"home": Home(), "python_index": LocalIndex(), "runtime": NeverAsked()}
    with pytest.raises(CompatError, match=told):
        dg.materialize([litellm_proxy], resources=resources)
