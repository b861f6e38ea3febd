"""Trouble at every joint: a cell passes in the end or stays open with its cause; none ever fails."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from compat_pipeline.claude.binary import ensure_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import resolve_claude_code
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.manifest import parse_manifest
from compat_pipeline.domain.observation import Inconclusive, Observation, Pass
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.home import CompatHome, make_folder
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.config import EmbeddedUpstreams, ProxyConfig, render_config
from compat_pipeline.proxy.process import Child, start_emulator, start_proxy
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.suite import runner
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.e2e import troubled_rows
from compat_pipeline_tests.e2e.conftest import PATIENCE_S, free_port
from compat_pipeline_tests.pins import CLAUDE_CODE

SOUND = "claude-haiku-4-5"
ROUTES = {provider.id: provider.routes[SOUND] for provider in load_manifest({}).providers}
MASTER_KEY = "sk-of-the-trouble-makers"

UNHARMED, HEALED = "a pass at the first attempt", "a pass at a later attempt"
DUE = {
    "plain": UNHARMED,
    "no_credit": "account",
    "refused_key": "account",
    "overloaded": "provider",
    "overloaded_once": HEALED,
    "rate_limited_once": HEALED,
    "rate_limited_unadvised_once": HEALED,
    "server_error_once": HEALED,
    "broken_stream": "provider",
    "reset": "environment",
    "reset_once": HEALED,
    "reset_stream": "environment",
    "reset_stream_once": HEALED,
    "slow": UNHARMED,
    "stalled": UNHARMED,
    "too_slow": "environment",
    "stalled_for_good": "environment",
    "count_without_credit": "account",
    "count_while_overloaded": "provider",
    "count_reset_once": HEALED,
    "whole_answer_reset_once": HEALED,
    "claude_killed_once": HEALED,
    "claude_hung_up": "environment",
    "disk_full": "environment",
    "upstream_killed": "environment",
    "proxy_killed": "environment",
}
"""Row -> the cause of its inconclusive outcome, or that it passes."""

DOOMED, REFUSED, UNRESOLVED, LOCKED_OUT = (
    f"{SOUND}-{end}" for end in ("doomed", "refused", "unresolved", "locked-out")
)
DEAD_ENDS = {REFUSED: "environment", LOCKED_OUT: "account"}
"""A model whose route ends where no conversation succeeds -> the cause, as each provider's client tells it."""

EVERYWHERE = frozenset(
    (
        "no_credit",
        "refused_key",
        "overloaded",
        "rate_limited_once",
        "server_error_once",
        "broken_stream",
    )
)
"""Rows whose trouble each provider tells in its own way; the others are tried on one provider each, in turn."""


def places(row: str) -> Sequence[str]:
    """The providers that a row is tried on."""
    every = tuple(ROUTES)
    return every if row in EVERYWHERE else (every[list(DUE).index(row) % len(every)],)


LAST = ("upstream_killed", "proxy_killed")
UNDER_WAY = troubled_rows.UNDER_WAY
CELLS = {Cell(row, provider, SOUND): due for row, due in DUE.items() if row not in LAST for provider in places(row)}
CELLS |= {Cell("plain", provider, model): due for model, due in DEAD_ENDS.items() for provider in ROUTES}
CELLS |= {Cell("plain", provider, UNRESOLVED): "environment" for provider in UNDER_WAY}
UPSTREAM_KILLED = {Cell("upstream_killed", provider, DOOMED): DUE["upstream_killed"] for provider in UNDER_WAY}
PROXY_KILLED = {Cell("proxy_killed", provider, SOUND): DUE["proxy_killed"] for provider in UNDER_WAY}

TEST = """from troubled_rows import judge

def test_in_trouble(compat, compat_result):
    compat_result.set(judge(compat))
"""


def manifest_text(models: Sequence[str]) -> str:
    """All rows on every provider; a model's route leads to the sound one's name, wherever that is looked for."""
    names = {"features": list(DUE), "models": list(models)}
    return yaml.safe_dump(
        {
            **{kind: [{"id": name, "name": name} for name in listed] for kind, listed in names.items()},
            "providers": [
                {"id": provider, "name": provider, "routes": dict.fromkeys(models, route)}
                for provider, route in ROUTES.items()
            ],
        }
    )


def config_of(upstreams: Mapping[str, EmbeddedUpstreams], litellm_version: str) -> ProxyConfig:
    """One configuration in which each model has upstreams of its own."""
    document: dict[str, Any] = {"model_list": []}
    environment: dict[str, str] = {}
    for number, (model, upstream) in enumerate(upstreams.items()):
        manifest, own = parse_manifest(manifest_text([model])), f"UPSTREAM_{number}_"
        one = render_config(manifest, upstream, litellm_version=litellm_version, master_key=MASTER_KEY)
        entries = yaml.safe_load(one.text.replace("UPSTREAM_", own))
        document = entries | {"model_list": document["model_list"] + entries["model_list"]}
        environment |= {name.replace("UPSTREAM_", own): value for name, value in one.environment.items()}
    return ProxyConfig(text=yaml.safe_dump(document), environment=environment)


def wait_until(ready: Callable[[], bool], child: Child) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert child.why_dead() is None, child.why_dead()
        assert time.monotonic() < deadline, f"{child.name} did not come up"
        time.sleep(0.1)


def is_live(proxy_url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{proxy_url}/health/liveliness", trust_env=False).is_success
    return False


class Bench:
    """A proxy that leads to a sound upstream, to one that will be killed, and to dead ends."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._root = root
        self.home = CompatHome(root=root / "home", cache=cache)
        self._children: dict[str, Child] = {}

    def start(self, release: LitellmRelease, venv: ProxyVenv) -> SuiteSettings:
        """Start all of it; returns the settings of a run against the sound upstream."""
        credentials, others = EmulatorCredentials.generate(), EmulatorCredentials.generate()
        sound, self.doomed_url = (
            self._start_upstreams("sound", credentials),
            self._start_upstreams("upstream", credentials),
        )
        places = {
            SOUND: (sound, credentials),
            DOOMED: (self.doomed_url, credentials),
            REFUSED: (f"http://127.0.0.1:{free_port()}", credentials),
            UNRESOLVED: ("http://no-such-host.invalid", credentials),
            LOCKED_OUT: (sound, others),
        }
        upstreams = {
            model: EmbeddedUpstreams(base_url=base_url, credentials=accepted)
            for model, (base_url, accepted) in places.items()
        }
        port, folder = free_port(), make_folder(self._root / "proxy")
        proxy = start_proxy(
            venv, config_of(upstreams, release.version),
            port=port, folder=folder, log=folder / "log", redactor=Redactor((MASTER_KEY,)),
        )  # fmt: skip
        self._children["proxy"] = proxy
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_live(url), proxy)
        self._lay_out_rows()
        npm = Npm(self.home.cache)
        cli = ensure_cli(resolve_claude_code(CLAUDE_CODE, npm, datetime.now(timezone.utc)), self.home.cache, npm)
        return SuiteSettings(
            proxy_url=url, proxy_key=MASTER_KEY, control_url=sound, control_token=credentials.control_token,
            claude=cli.path, scratch=self.home.scratch,
        )  # fmt: skip

    def _start_upstreams(self, name: str, credentials: EmulatorCredentials) -> str:
        folder = make_folder(self._root / name)
        child, ready = start_emulator(Path(sys.executable), credentials, folder=folder, log=folder / "log")
        self._children[name] = child
        wait_until(ready.exists, child)
        return str(json.loads(ready.read_bytes())["base_url"])

    def _lay_out_rows(self) -> None:
        make_folder(self.home.logs)
        (self._root / "manifest.yaml").write_text(manifest_text([SOUND, DOOMED, UNRESOLVED, *DEAD_ENDS]))
        shutil.copy(troubled_rows.__file__, self._root)
        pids = {name: child.pid for name, child in self._children.items()}
        (self._root / troubled_rows.PIDS.name).write_text(json.dumps(pids))
        for row in DUE:
            for provider in ROUTES:
                (make_folder(self.suite / row) / f"test_{provider}.py").write_text(TEST)

    @property
    def suite(self) -> Path:
        return self._root / "rows" / "suite"

    def end(self) -> None:
        for child in self._children.values():
            child.end()

    def run(self, cells: Iterable[Cell], settings: SuiteSettings, *, workers: int) -> dict[Cell, Observation]:
        """Run the rows of this bench through the suite."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(runner, "SUITE", self.suite)
            patched.setenv("COMPAT_MANIFEST", str(self._root / "manifest.yaml"))
            trials = [Trial(cell) for cell in cells]
            suite = runner.run_suite(trials, settings, self.home, workers=workers, artifact=False)
            return {seen.cell: seen for seen in suite}


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory, shared_cache: Path, litellm_release: LitellmRelease, proxy_venv: ProxyVenv
) -> Iterator[dict[Cell, Observation]]:
    """Every cell, run once; those that end a process come last."""
    bench = Bench(tmp_path_factory.mktemp("joints"), shared_cache)
    try:
        settings = bench.start(litellm_release, proxy_venv)
        doomed = settings.model_copy(update={"control_url": bench.doomed_url})
        yield {
            **bench.run(CELLS, settings, workers=2),
            **bench.run(UPSTREAM_KILLED, doomed, workers=len(UPSTREAM_KILLED)),
            **bench.run(PROXY_KILLED, settings, workers=len(PROXY_KILLED)),
        }
    finally:
        bench.end()


def test_every_trouble_has_its_due_outcome() -> None:
    assert DUE.keys() == troubled_rows.PROBES.keys()


@pytest.mark.parametrize(
    ("cell", "due"), (CELLS | UPSTREAM_KILLED | PROXY_KILLED).items(), ids=lambda value: getattr(value, "key", "")
)
def test_trouble_that_is_no_product_s_fault_never_becomes_a_fail(
    observed: dict[Cell, Observation], cell: Cell, due: str
) -> None:
    seen = observed[cell]
    if due in (UNHARMED, HEALED):
        assert isinstance(seen.outcome, Pass), seen
        assert (seen.attempts > 1) == (due == HEALED)
    else:
        assert isinstance(seen.outcome, Inconclusive), seen
        assert seen.cause == due, seen
