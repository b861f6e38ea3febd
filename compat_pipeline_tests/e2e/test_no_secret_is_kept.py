"""Whatever a proxy, an upstream, a CLI or a test tells of secrets: nothing of it is in any file that is kept.

A leaky proxy and a leaky CLI stand in for the real ones, and two test files tell all they know as well; the rest, from
the lease to the commit in the docs repository, is real. The secrets are new in every run.
"""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
import sqlite3
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

import compat_pipeline
from compat_pipeline.assets.publication import published_docs_commit
from compat_pipeline.assets.runtime import litellm_proxy, provider_upstreams
from compat_pipeline.automation.jobs import run_cells
from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.command.instance import open_instance
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.lease import stop_idle
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.suite import runner
from compat_pipeline_tests.assets.conftest import PinnedIndex, PinnedNpm
from compat_pipeline_tests.e2e import leaky

ASKED, RAISING, BROKEN = (
    f"{feature}|anthropic/claude-haiku-4-5" for feature in ("basic_messaging_streaming", "vision", "tool_use")
)
OURS_ALONE = {
    name: f"made up {secrets.token_hex(12)}"
    for name in ("COMPAT_DOCS_TOKEN", "COMPAT_DOCS_APP_KEY_FILE", "COMPAT_GITHUB_TOKEN", "COMPAT_ALERT_WEBHOOK")
}
"""Settings that nobody else's code may see."""

RAISES = """
SEEDS = {seeds!r}

def test_vision(compat, compat_result):
    settings = compat.settings
    told = [*SEEDS, settings.proxy_key, settings.control_token, *settings.upstream_secrets]
    print(told)
    raise RuntimeError("\\n".join(told))
"""
DOES_NOT_IMPORT = "raise RuntimeError({seeds!r})\n"


def made_up_secrets() -> dict[str, str]:
    """What must not be found -> a text that gives it away by its shape."""
    word, digits = secrets.token_hex(6), f"{secrets.randbelow(9 * 10**11) + 10**11}"
    key_id, token, hex_key = "AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_hex(16)
    return {
        key_id: f"the key {key_id} is not valid",
        f"Aa1{token}": f'{{"aws_secret_access_key": "Aa1{token}"}}',
        f"env1{token[:20]}": f"AZURE_API_KEY=env1{token[:20]}",
        digits: f"User: arn:aws:iam::{digits}:user/tester is not authorized",
        f"kim.{word}": f"kim.{word}@example.org has no access",
        f"gcp-{word}": f"Permission denied on projects/gcp-{word}/locations/us-east5",
        f"home-{word}": f"cannot read /home/home-{word}/.aws/credentials",
        f"sk-ant-api03-{token}": f"x-api-key: sk-ant-api03-{token}",
        hex_key: f"https://store.example.org/file?sv=1&sig={hex_key}",
        f"ghp_{word * 3}": f"remote: ghp_{word * 3} was revoked",
        f"pw{word}": f"https://me:pw{word}@proxy.example.org:8080 refused",
        f"Bb2{token}": f"authorization: Bearer Bb2{token}",
    }


class LeakyIndex(PinnedIndex):
    venv: str

    def install(self, release: LitellmRelease) -> ProxyVenv:  # noqa: ARG002 - whatever the release
        return ProxyVenv(python=Path(self.venv) / "python", digest=self.venv)


class LeakyNpm(PinnedNpm):
    cli: str

    def fetch(self, release: ClaudeCodeRelease) -> ClaudeCli:
        return ClaudeCli(
            Path(self.cli), release.version, sha512="0" * 128, blake3="0" * 64, reported_version=release.version
        )


class WatchedRuntime(ProxyRuntime):
    secrets: ClassVar[set[str]] = set()

    @contextmanager
    def lease(self, *args: object, **options: object) -> Iterator[Runtime]:
        with super().lease(*args, **options) as up:  # type: ignore[arg-type]
            self.secrets.update(up.secrets)
            yield up


@dataclass(frozen=True)
class Leaks:
    """A home in which everything leaked, what must not be found in it, and the variables that each part saw."""

    home: CompatHome
    known: frozenset[str]
    recognised: frozenset[str]
    seen: dict[str, list[str]]


@pytest.fixture(scope="module")
def leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaks]:
    outside, home = tmp_path_factory.mktemp("outside"), tmp_path_factory.mktemp("home")
    made_up = made_up_secrets()
    seeds = outside / "seeds.json"
    seeds.write_text(json.dumps(list(made_up.values())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPAT_HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(home / "dagster"))
        for name, value in OURS_ALONE.items():
            patch.setenv(name, value)
        patch.setattr(runner, "SUITE", leaky_suite(outside, list(made_up.values())))
        paths = CompatHome.from_env()
        with open_instance(paths) as instance:
            assert run(instance, leaky_resources(outside, seeds)).success
            parts = [provider_upstreams, litellm_proxy, published_docs_commit]
            assert dg.materialize(parts, instance=instance, resources=leaky_resources(outside, seeds)).success
            assert not run(instance, leaky_resources(outside, seeds, leaky.DIES)).success
        stop_idle(paths)
        seen = {role: json.loads(leaky.environment_of(role, seeds).read_text()) for role in ("proxy", "cli")}
        known = frozenset((*WatchedRuntime.secrets, *OURS_ALONE.values()))
        yield Leaks(paths, known, frozenset(made_up), seen)


def run(instance: dg.DagsterInstance, resources: dict[str, object]) -> dg.ExecuteInProcessResult:
    choice = {"ops": {"run_chosen_cells": {"config": {"cells": [ASKED, RAISING, BROKEN]}}}}
    return run_cells.execute_in_process(choice, instance=instance, resources=resources, raise_on_error=False)


def leaky_resources(folder: Path, seeds: Path, *arguments: str) -> dict[str, object]:
    """The pipeline's own resources, but for a proxy (with `arguments`) and a CLI that leak."""
    proxy, cli = stand_in(folder, "proxy", seeds, *arguments), stand_in(folder, "cli", seeds)
    home, index, npm, runtime = Home(), LeakyIndex(venv=str(proxy.parent)), LeakyNpm(cli=str(cli)), WatchedRuntime()
    cell_runner = CellRunner(home=home, python_index=index, npm=npm, runtime=runtime, workers=2)
    return {
        "home": home,
        "python_index": index,
        "npm": npm,
        "runtime": runtime,
        "docs_repo": DocsRepo(),
        "cell_runner": cell_runner,
    }


def stand_in(folder: Path, role: str, seeds: Path, *arguments: str) -> Path:
    """An executable `litellm` or `claude` that tells everything."""
    path = folder / "-".join([role, *arguments]) / {"proxy": "litellm", "cli": "claude"}[role]
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {leaky.__file__} {role} {seeds} {" ".join(arguments)} "$@"\n')
    path.chmod(0o755)
    return path


def leaky_suite(folder: Path, seeds: list[str]) -> Path:
    """The suite with a test that raises all it knows, and one that tells while it is imported."""
    package = folder / "source" / "compat_pipeline"
    shutil.copytree(Path(compat_pipeline.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for feature, body in (("vision", RAISES), ("tool_use", DOES_NOT_IMPORT)):
        (package / "suite" / feature / "test_anthropic.py").write_text(body.format(seeds=seeds))
    return package / "suite"


def kept(home: CompatHome) -> Iterator[tuple[str, str]]:
    """(name, content) of every file under the home, packed ones and databases also unpacked.

    What lies in `runtimes` is alive: it holds credentials, for its owner only.
    """
    for path in sorted(home.root.rglob("*")):
        if path.is_file() and home.runtimes not in path.parents:
            content = path.read_bytes()
            for one in (content, *unpacked(path, content)):
                yield str(path.relative_to(home.root)), one.decode(errors="replace")


def unpacked(path: Path, content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    if content.startswith(b"SQLite format 3\0"):
        with closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()
    if "objects" in path.parts and content.startswith(b"x"):
        yield zlib.decompress(content)


def found(files: Iterable[tuple[str, str]], known: Iterable[str], recognised: Iterable[str]) -> set[tuple[str, str]]:
    """(file, secret) for each secret that is in a file in any spelling; a key in PEM is there if any line of it is."""
    lines = [line for secret in known for line in secret.splitlines() if "-----" not in line]
    # The ends of what is told in base64 depend on their neighbours.
    needles = {line: [spelled[6:-6] for spelled in leaky.spellings(line)] for line in lines}
    needles |= {one: [one] for one in recognised}
    return {
        (name, secret)
        for name, content in files
        for secret, spelled in needles.items()
        if any(one in content for one in spelled)
    }


def test_no_secret_is_in_any_file(leaks: Leaks) -> None:
    assert len(leaks.known) >= 8
    assert found(kept(leaks.home), leaks.known, leaks.recognised) == set()


@pytest.mark.parametrize(
    "place",
    [
        *("logs/proxy/*/proxy.log", "logs/suite.log", "evidence/bundles/*/*.gz", "evidence/parts/*/*.gz"),
        *("history.db", "compat-results.json", "compatibility-matrix.json", "compatibility-details.json"),
        *("docs-repo/.git/objects/*/*", "dagster/history/runs/*.db"),
    ],
)
def test_every_place_was_tried(leaks: Leaks, place: str) -> None:
    names = {str(path.relative_to(leaks.home.root)) for path in leaks.home.root.glob(place)}
    assert any("[redacted" in content for name, content in kept(leaks.home) if name in names)


@pytest.mark.parametrize("role", ["proxy", "cli"])
def test_from_within_none_of_our_own_credentials_is_seen(leaks: Leaks, role: str) -> None:
    assert {"PATH", "HOME"} <= set(leaks.seen[role])
    assert OURS_ALONE.keys().isdisjoint(leaks.seen[role])


def test_nothing_short_lived_is_left(leaks: Leaks) -> None:
    assert [path for path in leaks.home.scratch.rglob("*") if path.name != ".lock"] == []
    assert [path for path in leaks.home.runtimes.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("spelled", leaky.spellings("Qm9.yDk-x3_T7/vW+z"))
def test_a_secret_that_is_kept_would_be_found(tmp_path: Path, spelled: str) -> None:
    home = CompatHome(root=tmp_path, cache=tmp_path)
    (tmp_path / "bundle.gz").write_bytes(gzip.compress(f"before {spelled} after".encode()))
    with closing(sqlite3.connect(tmp_path / "history.db")) as database, database:
        database.execute("CREATE TABLE told (words TEXT)")
        database.execute("INSERT INTO told VALUES (?)", [f"before {spelled} after"])
    assert {name for name, _ in found(kept(home), ["Qm9.yDk-x3_T7/vW+z"], ())} == {"bundle.gz", "history.db"}
