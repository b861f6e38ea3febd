"""A relay before an emulator with other credentials, which stands for the clouds; both on loopback sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from compat_pipeline.emulator.app import build_app as build_emulator
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.relay.accounts import Accounts, accounts_from_env
from compat_pipeline.relay.app import build_app as build_relay
from compat_pipeline.wire.background import BackgroundServer
from compat_pipeline_tests.emulator.emulated import Emulated


class Door:
    """An upstream, and the headers of every request that came to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.heard: list[list[tuple[bytes, bytes]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.heard.append(list(scope["headers"]))
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class Chain:
    """`relay` as LiteLLM knows it, and `cloud` as its owners do; its `door` hears what comes there."""

    relay: Emulated
    cloud: Emulated
    door: Door


def user_environment(cloud_url: str, given: EmulatorCredentials, folder: Path) -> dict[str, str]:
    """What a user with accounts at that cloud has in the environment."""
    key_file = folder / "service-account.json"
    key_file.write_text(given.service_account_json(cloud_url))
    return {
        "ANTHROPIC_API_KEY": given.anthropic_api_key,
        "COMPAT_LIVE_ANTHROPIC_URL": cloud_url,
        "AZURE_API_KEY": given.azure_api_key,
        "AZURE_API_BASE": f"{cloud_url}/azure/anthropic",
        "AWS_ACCESS_KEY_ID": given.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": given.aws_secret_access_key,
        "AWS_BEARER_TOKEN_BEDROCK": given.aws_bearer_token,
        "AWS_REGION": given.aws_region,
        "COMPAT_LIVE_BEDROCK_URL": cloud_url,
        "VERTEX_PROJECT": given.vertex_project,
        "VERTEX_LOCATION": given.vertex_location,
        "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
        "COMPAT_LIVE_VERTEX_URL": cloud_url,
    }


def another() -> EmulatorCredentials:
    """Credentials of which nothing is the same as in those that `generate` makes."""
    made = {"aws_region": "eu-west-3", "vertex_project": "the-users-own", "vertex_location": "europe-west1"}
    return EmulatorCredentials.generate().model_copy(update=made)


@contextmanager
def relaying(accounts: Accounts) -> Iterator[Emulated]:
    """A relay to `accounts`, as LiteLLM knows it."""
    credentials = EmulatorCredentials.generate()
    server = BackgroundServer(build_relay(credentials, accounts))
    try:
        yield Emulated(server.base_url, credentials)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def user() -> EmulatorCredentials:
    """What the user has to be known by."""
    return another()


@pytest.fixture(scope="session")
def door(user: EmulatorCredentials) -> Door:
    return Door(build_emulator(user))


@pytest.fixture(scope="session")
def cloud(user: EmulatorCredentials, door: Door) -> Iterator[Emulated]:
    server = BackgroundServer(door)
    yield Emulated(server.base_url, user)
    server.stop()


@pytest.fixture(scope="session")
def environment(cloud: Emulated, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a user with an account everywhere has in the environment."""
    return user_environment(cloud.base_url, cloud.credentials, tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="session")
def chain(cloud: Emulated, door: Door, environment: dict[str, str]) -> Iterator[Chain]:
    with relaying(accounts_from_env(environment)) as relay:
        yield Chain(relay, cloud, door)
