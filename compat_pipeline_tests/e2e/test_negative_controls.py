"""Every compatibility test can fail: each way of breaking the wire turns exactly its own rows red."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.claude.binary import ensure_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import resolve_claude_code
from compat_pipeline.domain.cell import Cell
from compat_pipeline.emulator.corruptions import CORRUPTIONS
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.lease import RuntimeSpec, lease
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.suite.runner import run_suite
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline_tests.pins import CLAUDE_CODE

MODEL = "claude-haiku-4-5"
PROVIDERS = [provider.id for provider in load_manifest({}).providers]
EVERY_ROW = {feature.id for feature in load_manifest({}).features}

STREAMED = EVERY_ROW - {"basic_messaging_non_streaming"}

# Corruption of the upstream's wire -> the rows it must turn red, on every provider. None: the wire as it should be.
MUST_TURN_RED: dict[str | None, set[str]] = {
    None: set(),
    "wrong_code": EVERY_ROW,
    "text_cut": EVERY_ROW,
    "usage_zeroed": EVERY_ROW,
    "truncated_stream": STREAMED,
    "one_delta": {"basic_messaging_streaming"},
    "no_stream_fallback": {"basic_messaging_non_streaming"},
    "tool_input_lost": {"tool_use"},
    "tool_result_ignored": {"tool_use"},
    "no_cache_reads": {"prompt_caching_5m"},
    "no_cache_creation": {"prompt_caching_5m"},
    "picture_dropped": {"vision"},
    "wrong_colour": {"vision"},
    "no_thinking": {"extended_thinking"},
    "signature_lost": {"extended_thinking"},
}


# The provider itself breaks off: where the proxy says so, no product is to blame; where it hides it, the cell is red.
NOT_THE_PRODUCTS_FAULT = {"truncated_stream"}


class Bench:
    """A corruptible runtime and the cells of one model."""

    def __init__(self, settings: SuiteSettings, control: UpstreamControl, home: CompatHome) -> None:
        self.settings, self.control, self.home = settings, control, home
        self.cells = [cell for cell in load_manifest({}).cells if cell.model == MODEL]

    def not_green(self, cells: list[Cell], corruption: str | None) -> dict[Cell, str]:
        """Those of `cells` that do not pass under a corruption, with their errors."""
        self.control.corrupt(corruption)
        try:
            seen = list(run_suite(cells, self.settings, self.home, workers=2))
        finally:
            self.control.corrupt(None)
        assert {one.cell for one in seen} == set(cells)
        if corruption not in NOT_THE_PRODUCTS_FAULT:
            assert not [one for one in seen if one.outcome.status == "inconclusive"]
        return {one.cell: one.explanation for one in seen if one.outcome.status != "pass"}


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, litellm_release: LitellmRelease, proxy_venv: ProxyVenv
) -> Iterator[Bench]:
    home = CompatHome(root=tmp_path_factory.mktemp("controls"), cache=shared_cache)
    npm = Npm(shared_cache)
    cli = ensure_cli(resolve_claude_code(CLAUDE_CODE, npm, datetime.now(timezone.utc)), shared_cache, npm)
    spec = RuntimeSpec(release=litellm_release, venv=proxy_venv, manifest=load_manifest({}), corruptible=True)
    with lease(spec, home, linger_s=0) as up:
        settings = SuiteSettings.for_runtime(up, cli.path, home.scratch)
        yield Bench(settings, UpstreamControl(up.control_url, up.control_token), home)


def test_every_corruption_there_is_has_its_rows() -> None:
    assert MUST_TURN_RED.keys() - {None} == CORRUPTIONS.keys()


@pytest.mark.parametrize("corruption", MUST_TURN_RED, ids=str)
def test_a_broken_wire_turns_exactly_its_own_rows_red(bench: Bench, corruption: str | None) -> None:
    # Its own rows on every provider; those that must stay green on one, another one for each corruption.
    rows, bystander = MUST_TURN_RED[corruption], PROVIDERS[list(MUST_TURN_RED).index(corruption) % len(PROVIDERS)]
    expected = {cell for cell in bench.cells if cell.feature in rows}
    others = [cell for cell in bench.cells if cell not in expected and cell.provider == bystander]
    broken = bench.not_green([*expected, *others], corruption)
    assert set(broken) == expected, broken
