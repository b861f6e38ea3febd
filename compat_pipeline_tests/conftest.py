"""Real parts that several rooms' tests share; each is fetched once and kept in the cache between runs."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.release import LitellmRelease, resolve_litellm
from compat_pipeline.proxy.venv import ProxyVenv, ensure_venv
from compat_pipeline_tests.pins import LITELLM

# A shell that starts us in the background has SIGINT ignored, and everything we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_cache() -> Path:
    """The cache that `make` uses, so that tests download nothing twice."""
    return CompatHome.from_env().cache


@pytest.fixture(scope="session")
def litellm_release(shared_cache: Path) -> LitellmRelease:
    """The pinned LiteLLM release, resolved."""
    return resolve_litellm(LITELLM, shared_cache, Path(sys.executable))


@pytest.fixture(scope="session")
def proxy_venv(litellm_release: LitellmRelease, shared_cache: Path) -> ProxyVenv:
    """The pinned LiteLLM release, installed."""
    return ensure_venv(litellm_release, shared_cache, Path(sys.executable))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first, so that the short ones fill the gaps between them."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
