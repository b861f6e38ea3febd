"""A stand-in for one test, an App that it knows, and a Dagster instance to run the last stage in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from compat_pipeline.ground.github import App, GithubSite
from compat_pipeline.publication.github import GithubDocs
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline_tests.assets.conftest import instance, resources
from compat_pipeline_tests.github.samples import APP, DOCS, document
from compat_pipeline_tests.github.stand_in import GithubStandIn, github_stand_in
from compat_pipeline_tests.github.state import Repository

__all__ = ["app_key", "app_pem", "docs", "github", "instance", "repository", "resources"]


@pytest.fixture
def github() -> Iterator[GithubStandIn]:
    with github_stand_in() as up:
        yield up


@pytest.fixture(scope="session")
def app_key() -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def app_pem(app_key: RSAPrivateKey) -> str:
    return app_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def repository(github: GithubStandIn, app_key: RSAPrivateKey) -> Repository:
    """A docs repository with a page and a published matrix, in which the App may write."""
    found = github.add_repository(DOCS, {"index.md": "# Docs\n", MATRIX_FILE: document()})
    github.install(APP, app_key.public_key(), DOCS, contents="write", pull_requests="write")
    return found


@pytest.fixture
def docs(github: GithubStandIn, repository: Repository, app_pem: str) -> GithubDocs:
    return GithubDocs(GithubSite(github.url, pause_s=0.001), repository.full_name, App(APP, app_pem))
