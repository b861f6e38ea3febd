"""The compose deployment's files: valid, pinned, without a secret, and agreeing with one another."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PINNED = re.compile(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def ours(compose: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, service in compose["services"].items():
        if name != "postgres":
            yield name, service


def test_it_is_valid_by_the_specifications_schema() -> None:
    pytest.importorskip("check_jsonschema")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_image_that_is_fetched_is_pinned_by_digest(compose: dict[str, Any]) -> None:
    fetched = [compose["services"]["postgres"]["image"], *re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)]
    assert len(fetched) == 2
    assert all(PINNED.search(image) for image in fetched)


def test_compose_builds_from_the_base_that_the_dockerfile_names(compose: dict[str, Any]) -> None:
    (base,) = re.findall(r"^ARG BASE=(.+)$", DOCKERFILE, re.MULTILINE)
    assert {service["build"]["args"]["BASE"] for _, service in ours(compose)} == {f"${{COMPAT_BASE:-{base}}}"}


def test_images_are_of_the_locked_packages_and_have_a_user_of_their_own() -> None:
    assert "--require-hashes --requirement requirements/bootstrap.txt" in DOCKERFILE
    assert "--constraints requirements/dev.txt --requirements pyproject.toml" in DOCKERFILE
    assert set(re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)) == {"10001:10001"}
    assert "HEALTHCHECK" in DOCKERFILE


def test_what_the_dockerfile_copies_is_let_through_to_the_engine_and_nothing_else() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source.rstrip("/")
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / source).exists() for source in copied)


def test_our_services_have_no_privilege_and_nothing_to_write_to_but_volumes(compose: dict[str, Any]) -> None:
    for name, service in ours(compose):
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges"], name
        assert "privileged" not in service, name


def test_the_engines_socket_is_given_to_those_who_start_and_end_runs_alone(compose: dict[str, Any]) -> None:
    given = {name for name, service in compose["services"].items() if "docker.sock" in str(service["volumes"])}
    assert given == {"daemon", "webserver"}


def test_the_page_is_for_this_machine_alone(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${COMPAT_UI_PORT:-3000}:3000"]


def test_every_service_that_stays_up_is_started_again_and_has_its_health_looked_at(compose: dict[str, Any]) -> None:
    services = compose["services"]
    staying = {name for name, service in services.items() if service["restart"] == "unless-stopped"}
    assert staying == set(services) - {"migrate"}
    # The webserver's check is the image's own.
    assert {name for name, service in services.items() if "healthcheck" in service} == staying - {"webserver"}


def test_no_password_is_in_an_environment(compose: dict[str, Any]) -> None:
    assert set(compose["secrets"]) == {"PGPASSWORD"}
    for name, service in compose["services"].items():
        for variable, value in service["environment"].items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), name
            assert not re.search(r"://[^/@]*:[^/@]*@", value), name


def test_a_runs_container_is_found_again_by_compose_and_has_the_code_locations_volumes(compose: dict[str, Any]) -> None:
    pipeline = compose["services"]["pipeline"]
    told = pipeline["environment"]["DAGSTER_CONTAINER_CONTEXT"].replace("${COMPOSE_PROJECT_NAME}", "compat")
    context = json.loads(told)["docker"]
    assert context["container_kwargs"]["volumes_from"] == ["compat-pipeline"]
    assert pipeline["container_name"].endswith("}-pipeline")
    assert context["networks"] == ["compat"]
    # Compose takes containers with these for its own: `down --remove-orphans` ends them.
    labels = context["container_kwargs"]["labels"]
    assert {"com.docker.compose.project", "com.docker.compose.config-hash"} <= set(labels)
    assert labels["com.docker.compose.service"] not in compose["services"]


@pytest.mark.parametrize(("name", "value"), [("ANTHROPIC_API_KEY", "two words"), ("app.pem", None)])
def test_a_secret_that_is_named_like_a_variable_becomes_one(tmp_path: Path, name: str, value: str | None) -> None:
    (tmp_path / name).write_text("two words\n")
    assert started_with(tmp_path).get(name) == value


def test_a_credential_of_systemd_loses_its_prefix(tmp_path: Path) -> None:
    (tmp_path / "compat_COMPAT_DOCS_TOKEN").write_text("s3cret")
    assert started_with(tmp_path)["COMPAT_DOCS_TOKEN"] == "s3cret"


def test_a_secret_that_cannot_be_read_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "ANTHROPIC_API_KEY").mkdir()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        started_with(tmp_path)
    assert "ANTHROPIC_API_KEY" in failed.value.stderr


def started_with(secrets: Path) -> dict[str, str]:
    """The environment of a program that `with-settings` starts."""
    done = subprocess.run(
        [DEPLOY / "with-settings", "env", "-0"],
        env={"CREDENTIALS_DIRECTORY": str(secrets), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
