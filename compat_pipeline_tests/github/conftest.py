"""A stand-in for one test, an App that it knows, and a Dagster instance to run the last stage in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from compat_pipeline_tests.assets.conftest import instance, resources
from compat_pipeline_tests.github.stand_in import GithubStandIn, github_stand_in

__all__ = ["app_key", "app_pem", "github", "instance", "resources"]


@pytest.fixture
def github() -> Iterator[GithubStandIn]:
    with github_stand_in() as up:
        yield up


@pytest.fixture(scope="session")
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def app_pem(app_key: rsa.RSAPrivateKey) -> str:
    return app_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
