"""The last stage with a docs repository on GitHub's stand-in, as the environment names it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from compat_pipeline.assets.face import RANGE_END, RANGE_START
from compat_pipeline.assets.matrix import ANOMALY
from compat_pipeline.assets.publication import NOT_REFUSED, published_docs_commit
from compat_pipeline.claude.driver import ClaudeCall, ProxyAddress, Sandbox, run_claude
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.config import ProxyConfig
from compat_pipeline.proxy.process import start_proxy
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline.resources.docs_repo import docs_credentials, github_docs
from compat_pipeline_tests.assets.test_cells import Resources, evaluation, walk
from compat_pipeline_tests.github.samples import APP, DOCS
from compat_pipeline_tests.github.stand_in import GithubStandIn
from compat_pipeline_tests.github.state import Repository

NAMED = {"COMPAT_DOCS_GITHUB": DOCS}
ONE_CELL = dict.fromkeys((RANGE_START, RANGE_END), "vision|azure/claude-sonnet-4-6")


@pytest.fixture
def repository(github: GithubStandIn, app_key: RSAPrivateKey) -> Repository:
    found = github.add_repository(DOCS, {"index.md": "# Docs\n", MATRIX_FILE: "{}"})
    github.install(APP, app_key.public_key(), DOCS)
    return found


@pytest.fixture
def settings(
    github: GithubStandIn, repository: Repository, app_pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of somebody who publishes as an App."""
    key_file = tmp_path / "app.pem"
    key_file.write_text(app_pem)
    named = {
        **NAMED,
        "COMPAT_DOCS_GITHUB": repository.full_name,
        "COMPAT_DOCS_APP_ID": APP,
        "COMPAT_DOCS_APP_KEY_FILE": str(key_file),
        "COMPAT_GITHUB_API": github.url,
        "COMPAT_PUBLISH": "emulated",
    }
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    return named


def published(instance: dg.DagsterInstance, resources: Resources) -> tuple[Mapping[str, object], bool]:
    """What a person sees of the last stage, and whether nothing was refused."""
    result = dg.materialize([published_docs_commit], instance=instance, resources=resources)
    (event,) = result.get_asset_materialization_events()
    seen = {name: value.value for name, value in event.materialization.metadata.items()}
    return seen, evaluation(result, NOT_REFUSED).passed


@pytest.mark.usefixtures("settings")
def test_the_matrix_becomes_a_commit_that_a_person_is_led_to(
    instance: dg.DagsterInstance, resources: Resources, repository: Repository, tmp_path: Path
) -> None:
    walk(instance, resources)
    seen, fine = published(instance, resources)
    assert fine
    assert seen["sha"] == repository.objects.branches["main"]
    assert str(seen["link"]).endswith(f"/{DOCS}/commit/{seen['sha']}")
    assert seen["docs_repo"] == DOCS
    assert repository.objects.text("main", MATRIX_FILE) == (tmp_path / MATRIX_FILE).read_text()
    again, fine = published(instance, resources)
    assert (again["sha"], again["reason"], fine) == ("none", "nothing changed but the time", True)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("COMPAT_DOCS_APP_KEY_FILE", "/nowhere/app.pem", "names no file that can be read"),
        ("COMPAT_DOCS_APP_KEY_FILE", __file__, "no RSA key in PEM form"),
        ("COMPAT_DOCS_APP_ID", "", "half of the App's credentials is missing: COMPAT_DOCS_APP_ID"),
        ("COMPAT_DOCS_TOKEN", "github_pat_0123456789", "both an App and COMPAT_DOCS_TOKEN are set"),
        ("COMPAT_DOCS_GITHUB", "https://x-access-token:ghs_0@github.com/acme/docs", "does not name a repository"),
        ("COMPAT_DOCS_REPO", "somewhere", "name two docs repositories"),
        ("COMPAT_DOCS_PATH", ".github/workflows/x.json", "COMPAT_DOCS_PATH may not be"),
        ("COMPAT_DOCS_MODE", "force", "COMPAT_DOCS_MODE cannot be 'force'"),
        ("COMPAT_DOCS_REFRESH_HOURS", "soon", "which is no number of hours"),
        ("COMPAT_GITHUB_API", "http://github.example.com", "is not the https address"),
        ("COMPAT_PUBLISH", "", "the providers were emulated"),
        ("COMPAT_DOCS_APP_ID", "4712", "GitHub refused the credentials"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_a_refusal_is_materialised_with_its_reason_and_nothing_is_pushed(
    setting: str,
    value: str,
    said: str,
    instance: dg.DagsterInstance,
    resources: Resources,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walk(instance, resources, tags=ONE_CELL)
    monkeypatch.setenv(setting, value)
    seen, fine = published(instance, resources)
    assert "x-access-token" not in str(seen)
    assert said in str(seen["reason"])
    assert (seen["sha"], fine) == ("none", False)
    assert len(repository.objects.line("main")) == 1


@pytest.mark.usefixtures("settings")
def test_a_docs_repository_out_of_reach_does_not_hold_up_the_matrix_and_is_told(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_DOCS_BRANCH", "gone")
    check = evaluation(walk(instance, resources), ANOMALY)
    assert json.loads((tmp_path / MATRIX_FILE).read_text())["features"]
    assert not check.passed
    assert check.metadata["found"].value == []
    assert "has no branch gone" in str(check.metadata["unknown"].value)


@pytest.mark.usefixtures("settings")
def test_no_credential_is_kept(
    github: GithubStandIn, instance: dg.DagsterInstance, resources: Resources, app_pem: str, tmp_path: Path
) -> None:
    walk(instance, resources)
    published(instance, resources)
    (tmp_path / "app.pem").unlink()
    secrets = [*github.tokens, app_pem.splitlines()[3]]
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if any(one.encode() in path.read_bytes() for one in secrets)] == []
    events = str(list(instance.all_logs(instance.get_runs()[0].run_id)))
    assert [one for one in secrets if one in events] == []


def test_neither_the_cli_nor_the_proxy_sees_a_credential(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_DOCS_TOKEN", "github_pat_0123456789")
    monkeypatch.setenv("COMPAT_GITHUB_TOKEN", "github_pat_9876543210")
    confession = "#!/bin/sh\n{ tr '\\0' '\\n' < /proc/self/environ; tr '\\0' '\\n' < /proc/$$/cmdline; } > 'NOTE'\n"
    notes = []
    for name in ("claude", "litellm"):
        notes.append(tmp_path / f"{name}.note")
        (tmp_path / name).write_text(confession.replace("NOTE", str(notes[-1])))
        (tmp_path / name).chmod(0o755)
    with Sandbox(tmp_path / "scratch") as sandbox:
        call = ClaudeCall("claude-haiku-4-5", "hello")
        run_claude(tmp_path / "claude", ProxyAddress("http://127.0.0.1:9", "sk-proxy-0123"), call, sandbox)
    venv, config = ProxyVenv(python=tmp_path / "python", digest="-"), ProxyConfig(text="", environment={"OWN": "1"})
    proxy = start_proxy(venv, config, port=9, folder=tmp_path, log=tmp_path / "log", redactor=Redactor([]))
    proxy.process.wait()
    for note in notes:
        seen = note.read_text()
        assert "HOME=" in seen
        assert [name for name in os.environ if name.startswith("COMPAT_DOCS_") and name in seen] == []
        assert [value for value in (*settings.values(), "github_pat_") if value != "emulated" and value in seen] == []


def test_what_is_not_set_is_not_there() -> None:
    assert github_docs({}) is None
    assert docs_credentials({}) is None
    docs = github_docs({**NAMED, "COMPAT_DOCS_TOKEN": " github_pat_0123456789\n", "COMPAT_DOCS_MODE": "pull_request"})
    assert docs is not None
    assert (docs.branch, docs.path, docs.pull_request) == ("", MATRIX_FILE, True)
    assert docs.credentials is not None
    assert docs.credentials.secret == "github_pat_0123456789"
    assert "github_pat" not in repr(docs)
    for path in ("static/data/m.json", "a-b_c.json"):
        found = github_docs({**NAMED, "COMPAT_DOCS_PATH": path})
        assert found is not None
        assert found.path == path
    for path in ("../m.json", "/m.json", "a/../m.json", "m.js", "a/.git/m.json", "a//m.json", "m.json\n"):
        with pytest.raises(CompatError, match="COMPAT_DOCS_PATH may not be"):
            github_docs({**NAMED, "COMPAT_DOCS_PATH": path})
