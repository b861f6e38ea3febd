"""The gate on LiteLLM's own code: with a regression patched in, and broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compat_pipeline.domain.gate import GateReport
from compat_pipeline.ground.exit_codes import NOT_ALL_JUDGED, REGRESSION
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline_tests.e2e.conftest import LOCATION, Site, make_small_site
from compat_pipeline_tests.proxy.checkouts import checkout_of, commit

ADAPTER = Path("litellm/llms/anthropic/pass_through/adapters/transformation.py")
PICTURE_BRANCH = """== "image":
                            # Convert Anthropic image"""
STARTER = Path("litellm/proxy/proxy_cli.py")
CREDENTIALS = {"COMPAT_DOCS_TOKEN": "github_pat_0123456789", "COMPAT_GITHUB_TOKEN": "github_pat_9876543210"}
PICTURE_ON_CONVERSE = "vision|bedrock_converse/claude-haiku-4-5"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, proxy_venv: ProxyVenv) -> Path:
    return checkout_of(proxy_venv, tmp_path_factory.mktemp("checkout") / "litellm")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, checkout: Path) -> Site:
    """A home whose manifest plans four cells, and whose LiteLLM is the checkout."""
    settings = {"COMPAT_LITELLM_VERSION": f"path:{checkout}", **CREDENTIALS}
    return make_small_site(tmp_path_factory.mktemp("gate"), shared_cache, **settings)


def judged(site: Site) -> tuple[int, GateReport]:
    """How `dagster job execute` of the gate ended, and what the gate found."""
    done = site.run("dagster", "job", "execute", *LOCATION, "-j", "pr_gate")
    assert site.home.gate_results.exists(), done.stderr[-3000:]
    return done.returncode, GateReport.model_validate_json(site.home.gate_results.read_bytes())


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_code_that_loses_pictures_on_one_way_is_a_regression_of_that_cell_alone(site: Site, checkout: Path) -> None:
    edit(checkout / ADAPTER, PICTURE_BRANCH, PICTURE_BRANCH.replace("image", "picture", 1))
    code, report = judged(site)
    assert ".dirty." in report.matrix.litellm_version
    assert (code, report.outcome) == (REGRESSION, "regression")
    assert [cell.key for cell in report.of("regression")] == [PICTURE_ON_CONVERSE]
    assert [cell.status for cell in report.cells if cell.key != PICTURE_ON_CONVERSE] == ["pass"] * 3
    assert "one picture was sent, 0 reached the upstream" in (site.home.gate / "summary.md").read_text()


def test_code_that_does_not_start_cannot_be_judged_says_why_and_saw_no_credential(site: Site, checkout: Path) -> None:
    (checkout / STARTER).write_text(
        'import os\nraise RuntimeError("half a merge; settings seen from within: " + " ".join(sorted(os.environ)))\n'
    )
    commit(checkout)
    code, report = judged(site)
    assert (code, report.outcome) == (NOT_ALL_JUDGED, "could_not_judge")
    assert {cell.status for cell in report.cells} == {"unjudged"}
    summary = (site.home.gate / "summary.md").read_text().replace("\\", "")
    told = " ".join(re.findall("half a merge; settings seen from within: .*", summary))
    assert " PATH" in told
    assert [name for name in CREDENTIALS if name in told] == []
