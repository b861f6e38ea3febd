"""One real environment from end to end: the newest pair that is known to be bad, found bad at each stage that is."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from compat_pipeline.claude.binary import ensure_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import resolve_claude_code
from compat_pipeline.domain.environment import Interpreter
from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.environment.run import run_environment
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.wire.evidence import EvidenceStore
from compat_pipeline_tests.pins import CLAUDE_CODE, LITELLM
from compat_pipeline_tests.proxy.leased import eventually, is_gone

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_real_accelerator_breaks_the_real_litellm_although_it_says_it_is_healthy(
    tmp_path: Path, shared_cache: Path
) -> None:
    home, npm = CompatHome(root=tmp_path, cache=shared_cache), Npm(shared_cache)
    cli = ensure_cli(resolve_claude_code(CLAUDE_CODE, npm, datetime.now(timezone.utc)), shared_cache, npm)
    here = Interpreter(minor=OWN, path=sys.executable, version=OWN, platform="here")
    cell = EnvironmentCell(OWN, LITELLM, "fast-litellm==0.1.10")

    seen = run_environment(cell, here, cli, home, routes=["anthropic/claude-haiku-4-5"], limit_s=300)

    outcomes = {one.stage: one.outcome for one in seen.stages}
    assert outcomes == {
        **dict.fromkeys(("resolve", "install", "import", "self_report", "patch_truth", "proxy_boot"), "passed"),
        **dict.fromkeys(("router", "messages", "stream", "claude_cli"), "failed"),
    }
    words = {one.stage: one.words for one in seen.stages}
    assert "type object 'HybridClass' has no attribute" in words["router"]
    assert "answered 500" in words["messages"]
    assert "HybridClass" in words["claude_cli"]
    assert seen.report is not None
    assert seen.report.healthy
    assert (len(seen.report.applied), len(seen.report.missing)) == (3, 3)
    assert {one.outcome for one in seen.controls.values()} == {"failed"}
    assert seen.evidence is not None
    assert EvidenceStore(home.evidence).read(seen.evidence).status == "fail"
    assert eventually(lambda: is_gone(home))
    assert list(home.scratch.glob("scratch-*")) == []
