"""`compat run` in live mode, real from the CLI to the relay; an emulator stands for the clouds and counts who asks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from compat_pipeline.domain.gate import GateReport
from compat_pipeline.domain.observation import Consumption, Observation, Pass
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.emulator.app import build_app
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.exit_codes import NOT_ALL_JUDGED
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.ground.process import spawn
from compat_pipeline.history.store import History, RunContext
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.lease import stop_idle
from compat_pipeline.suite.revision import suite_revision
from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline_tests.e2e.conftest import BIN, PATIENCE_S, Site, free_port, held, make_site, wait_for
from compat_pipeline_tests.pins import CLAUDE_CODE, LITELLM
from compat_pipeline_tests.relay.conftest import another, user_environment

MODEL = "claude-haiku-4-5"
ROW = "basic_messaging_non_streaming"
TOKEN_PATH = "/token"
TAKEN = Consumption(calls=7, input_tokens=1000, output_tokens=20, cost_usd=0.002)
ROUTES = {provider.id: provider.routes[MODEL] for provider in load_manifest({}).providers}


class Counting:
    """The clouds, and how often each path was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked[scope["path"]] += 1
        await self._app(scope, receive, send)


@pytest.fixture(scope="module")
def credentials() -> EmulatorCredentials:
    return another()


@pytest.fixture(scope="module")
def clouds(credentials: EmulatorCredentials) -> Counting:
    return Counting(build_app(credentials))


@pytest.fixture(scope="module")
def address(clouds: Counting) -> Iterator[str]:
    server = BackgroundServer(clouds)
    yield server.base_url
    server.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Site:
    """A home whose manifest plans one row on five providers with one model."""
    root = tmp_path_factory.mktemp("live")
    document: dict[str, Any] = {
        "features": [{"id": ROW, "name": ROW}],
        "providers": [{"id": name, "name": name, "routes": {MODEL: route}} for name, route in ROUTES.items()],
        "models": [{"id": MODEL, "name": MODEL}],
    }
    (root / "manifest.yaml").write_text(json.dumps(document))
    return make_site(root, shared_cache, COMPAT_MANIFEST=str(root / "manifest.yaml"))


def details(site: Site) -> dict[str, dict[str, Any]]:
    """What the details document of live mode says of each provider."""
    document: dict[str, Any] = json.loads(CompatHome(site.home.root, site.home.cache, "live").details.read_text())
    assert document["upstream"] == "live"
    return {cell["provider"]: cell for cell in document["cells"]}


def seen(site: Site, mode: UpstreamMode) -> list[Observation]:
    manifest = load_manifest(site.environment)
    return History(site.home.history).observations(f"v{LITELLM}", CLAUDE_CODE, mode, suite_revision(manifest))


@pytest.fixture(scope="module")
def emulated(site: Site) -> list[Observation]:
    """What an emulated run left: a pass of every cell with what it took, and two documents."""
    manifest = load_manifest(site.environment)
    left = [
        Observation(**cell._asdict(), outcome=Pass(), consumption=TAKEN, observed_at=datetime.now(timezone.utc))
        for cell in manifest.cells
    ]
    run = RunContext(
        litellm_version=f"v{LITELLM}",
        claude_code_version=CLAUDE_CODE,
        suite_revision=suite_revision(manifest),
        upstream="emulated",
        run_id="before",
    )
    History(site.home.history).append(run, left)
    for document in (site.home.matrix, site.home.details):
        document.write_text("of emulated providers")
    return left


def test_a_live_row_passes_on_every_provider_and_leaves_the_emulated_matrix_alone(
    site: Site,
    emulated: list[Observation],
    clouds: Counting,
    address: str,
    credentials: EmulatorCredentials,
    tmp_path: Path,
) -> None:
    live = user_environment(address, credentials, tmp_path)
    chosen = Site(site.home, site.environment | live | {"COMPAT_UPSTREAM": "live"})
    done = chosen.run("compat", "run", "--cells", f"{ROW}|*")
    assert done.returncode == 0, done.stdout + done.stderr
    cells = details(site)
    assert {name: cell["status"] for name, cell in cells.items()} == dict.fromkeys(ROUTES, "pass")
    assert all(cell["estimated_cost_usd"] > 0 for cell in cells.values())
    assert len(seen(site, "live")) == len(ROUTES)
    used = sum(cell["upstream_calls"] for cell in cells.values())
    other = len(ROUTES) + clouds.asked[TOKEN_PATH]  # each route was tried as the proxy started
    assert used == clouds.asked.total() - other
    calls = {
        "expected": sum(one.consumption.calls for one in emulated if one.consumption),
        "used": used,
    }
    for word, counted in calls.items():
        (told,) = [line for line in done.stdout.splitlines() if line.startswith(f"{word}: ")]
        assert told.startswith(f"{word}: {len(ROUTES)} cell(s), {counted} calls, ")
        assert told.endswith(" USD by estimate")
    assert seen(site, "emulated") == emulated
    assert {document.read_text() for document in (site.home.matrix, site.home.details)} == {"of emulated providers"}
    kept = [path.read_bytes() for path in site.home.root.rglob("*") if path.is_file()]
    assert not [file for file in kept for secret in credentials.secrets if secret.encode() in file]


@pytest.fixture(scope="module")
def poor(address: str, credentials: EmulatorCredentials, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of live mode in which only Bedrock's account is good: refused, not set, and a cloud that is away."""
    return {
        **user_environment(address, credentials, tmp_path_factory.mktemp("accounts")),
        "ANTHROPIC_API_KEY": EmulatorCredentials.generate().anthropic_api_key,
        "AZURE_API_KEY": "",
        "COMPAT_LIVE_VERTEX_URL": f"http://127.0.0.1:{free_port()}",
        "COMPAT_UPSTREAM": "live",
    }


@pytest.fixture(scope="module")
def keeps() -> Iterator[ExitStack]:
    """Leases that end with the tests."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def site_of_the_poor(site: Site, poor: dict[str, str], keeps: ExitStack) -> Site:
    """The same home with such accounts; what runs there at the end is stopped."""
    keeps.callback(stop_idle, site.home)
    return Site(site.home, site.environment | poor)


def test_an_account_that_is_refused_is_asked_once_and_runs_no_cell(
    site_of_the_poor: Site, clouds: Counting, keeps: ExitStack
) -> None:
    site = site_of_the_poor
    before, asked_before = len(seen(site, "live")), clouds.asked.copy()
    run = spawn([BIN / "compat", "run", "--cells", f"{ROW}|*"], env=site.environment, cwd=site.home.root)
    (folder,) = wait_for("its proxy", lambda: list(RuntimeFolder.every(site.home)))
    keeps.enter_context(held(folder))  # for the gate
    code, cells = run.wait(PATIENCE_S), details(site)
    asked = clouds.asked - asked_before
    latest = {one.provider: one for one in seen(site, "live")[before:]}
    assert code == NOT_ALL_JUDGED
    assert {name: (one.outcome.status, one.cause) for name, one in latest.items()} == {
        "anthropic": ("inconclusive", "account"),
        "azure": ("inconclusive", "account"),
        "vertex_ai": ("inconclusive", "environment"),
        "bedrock_invoke": ("pass", None),
        "bedrock_converse": ("pass", None),
    }
    assert "invalid x-api-key" in latest["anthropic"].explanation
    assert "AZURE_API_KEY is not set" in latest["azure"].explanation
    assert [latest[name].attempts for name in ("anthropic", "azure")] == [0, 0]
    assert asked["/v1/messages"] == 1  # as the proxy started
    assert not [path for path in asked if path.startswith("/azure")]
    assert {cell["status"] for cell in cells.values()} == {"pass"}  # an older verdict stands


def test_the_gate_judges_live_what_the_accounts_allow_and_leaves_the_rest_open(site_of_the_poor: Site) -> None:
    chosen = site_of_the_poor
    done = chosen.run("compat", "gate", "--cells", f"{ROW}|bedrock_invoke/*", "--cells", f"{ROW}|azure/*")
    report = GateReport.model_validate_json(CompatHome.from_env(chosen.environment).gate_results.read_bytes())
    assert (done.returncode, report.outcome, report.upstream) == (NOT_ALL_JUDGED, "could_not_judge", "live")
    assert {cell.key: cell.status for cell in report.cells} == {
        f"{ROW}|bedrock_invoke/{MODEL}": "pass",
        f"{ROW}|azure/{MODEL}": "unjudged",
    }
    assert "AZURE_API_KEY is not set" in done.stdout


@pytest.mark.parametrize(
    ("variable", "word", "told", "next_step"),
    [
        ("COMPAT_UPSTREAM", "real", "there are no 'real' upstreams", "set COMPAT_UPSTREAM to one of: emulated, live"),
        ("COMPAT_BUDGET_USD", "5 USD", "COMPAT_BUDGET_USD is '5 USD', which is no number of USD", "one above 0"),
    ],
)
def test_a_word_that_is_no_setting_is_told_before_anything_starts(
    site: Site, variable: str, word: str, told: str, next_step: str
) -> None:
    done = Site(site.home, site.environment | {variable: word}).run("compat", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert next_step in done.stderr
