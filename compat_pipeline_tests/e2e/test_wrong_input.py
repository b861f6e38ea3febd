"""A user's mistakes: one clear message each, no traceback, nothing left behind."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from compat_pipeline.command.instance import open_instance
from compat_pipeline_tests.e2e.conftest import BIN, Site, make_site

FULL = ("/bin/bash", "-c", 'ulimit -f 60 && exec "$0" "$@"')
"""In front of a command: no file grows beyond 60 kB, as on a disk that fills up, but without a disk to fill."""


@pytest.fixture
def site(tmp_path: Path, shared_cache: Path) -> Site:
    return make_site(tmp_path, shared_cache)


def complaint(site: Site, *command: str, code: int = 1) -> str:
    """What a failing command says; asserts that it is no traceback and that nothing was left running."""
    done = site.run(*command)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert site.processes() == []
    return done.stdout + done.stderr


def test_an_unknown_feature_is_answered_with_the_known_ones(site: Site) -> None:
    said = complaint(site, "compat", "run", "--cells", "visoin|*", code=2)
    assert "'visoin|*'" in said
    assert "prompt_caching_5m" in said


def test_an_unknown_option_is_wrong_usage(site: Site) -> None:
    assert "No such option" in complaint(site, "compat", "run", "--cell", "x", code=2)


def test_a_litellm_version_that_does_not_exist_is_named(site: Site) -> None:
    assert "0.0.77" in complaint(site, "compat", "run", "--litellm", "0.0.77")


def test_a_withdrawn_litellm_version_is_refused_with_its_reason(site: Site) -> None:
    assert "1.82.7" in complaint(site, "compat", "run", "--litellm", "1.82.7")


def test_a_claude_code_version_that_does_not_exist_is_named(site: Site) -> None:
    assert "0.0.77" in complaint(site, "compat", "run", "--claude-code", "0.0.77")


def test_a_malformed_manifest_names_its_wrong_entry(tmp_path: Path, shared_cache: Path) -> None:
    (tmp_path / "mine.yaml").write_text("features: []\nproviders: []\nmodels: []\n")
    site = make_site(tmp_path, shared_cache, COMPAT_MANIFEST=str(tmp_path / "mine.yaml"))
    said = complaint(site, "compat", "run")
    assert "mine.yaml" in said
    assert "features" in said


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, shared_cache: Path) -> None:
    site = make_site(tmp_path, shared_cache, COMPAT_HOME="/dev/null/home")
    assert "/dev/null/home" in complaint(site, "compat", "run")


@pytest.mark.parametrize("used_before", [False, True])
def test_a_disk_that_is_full_is_told_in_one_message(
    site: Site, used_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if used_before:
        monkeypatch.setenv("DAGSTER_HOME", str(site.home.dagster))
        with open_instance(site.home):
            pass
    said = complaint(site, *FULL, str(BIN / "compat"), "run", "--cells", "vision|azure/claude-haiku-4-5")
    assert f"cannot use Dagster's storage in {site.home.dagster}: disk I/O error" in said


def test_a_taken_port_is_named(site: Site) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert str(port) in complaint(site, "compat", "ui", "--port", str(port))


def test_showing_before_running_says_how_to_run(site: Site) -> None:
    assert "compat run" in complaint(site, "compat", "show")


def test_a_damaged_matrix_is_named(site: Site) -> None:
    site.home.matrix.write_text("{}")
    assert str(site.home.root) in complaint(site, "compat", "show", code=2).replace("\n", "")


def test_a_registry_that_cannot_be_reached_is_told_in_one_message(tmp_path: Path, shared_cache: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    site = make_site(tmp_path, shared_cache, UV_INDEX_URL=nowhere, UV_DEFAULT_INDEX=nowhere, UV_HTTP_RETRIES="0",
                     npm_config_registry=nowhere, npm_config_fetch_retries="0",
                     UV_CACHE_DIR=str(tmp_path / "cold"), npm_config_cache=str(tmp_path / "cold-npm"))  # fmt: skip
    assert "cannot reach the npm registry" in complaint(site, "compat", "run", "--claude-code", "latest")


def test_documents_of_two_different_runs_are_not_shown_as_one(site: Site) -> None:
    golden = Path(__file__).parents[1] / "domain" / "golden"
    matrix = json.loads((golden / "compatibility-matrix.json").read_text())
    site.home.matrix.write_text(json.dumps(matrix | {"litellm_version": "v9.9.9"}))
    site.home.details.write_text((golden / "compatibility-details.json").read_text())
    assert "different runs" in complaint(site, "compat", "show")
