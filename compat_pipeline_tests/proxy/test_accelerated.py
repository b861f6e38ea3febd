"""The variant with the accelerator: a venv with both packages, whose proxy imports the accelerator first."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.config import ProxyConfig
from compat_pipeline.proxy.process import free_port, start_proxy
from compat_pipeline.proxy.release import locked_version
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.resources.registries import PROXY_VARIABLE, PythonIndex
from compat_pipeline_tests.environment.conftest import home, wheels
from compat_pipeline_tests.environment.stand_ins import StandIns
from compat_pipeline_tests.proxy.leased import eventually

__all__ = ["home", "wheels"]


@pytest.fixture
def index(wheels: StandIns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonIndex:  # noqa: ARG001
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COMPAT_CACHE", raising=False)
    return PythonIndex()


def is_accelerated(venv: ProxyVenv, folder: Path) -> bool:
    """What the running proxy says."""
    port, config = free_port(), ProxyConfig(text="", environment={})
    (folder / "home").mkdir(parents=True)
    proxy = start_proxy(venv, config, port=port, folder=folder, log=folder / "log", redactor=Redactor(()))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

            def answers() -> bool:
                try:
                    return client.get("/").status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            assert eventually(answers), proxy.why_dead()
            return bool(client.post("/", json={}).json()["accelerated"])
    finally:
        proxy.end()


def test_only_the_variant_s_proxy_has_the_accelerator_loaded(index: PythonIndex, tmp_path: Path) -> None:
    release = index.resolve("1.83.14")
    plain, fast = index.install(release), index.install_accelerated(release)
    assert isinstance(plain, ProxyVenv)
    assert plain.digest != fast.digest
    assert not is_accelerated(plain, tmp_path / "plain")
    assert is_accelerated(fast, tmp_path / "fast")
    locks = [path.read_text() for path in (tmp_path / "home").rglob("litellm-1.83.14-*.txt")]
    assert sorted("fast-litellm==" in lock for lock in locks) == [False, True]
    assert {locked_version(lock, "litellm") for lock in locks} == {"1.83.14"}


def test_neither_a_checkout_nor_an_image_can_be_accelerated(
    index: PythonIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = index.resolve("1.83.14")
    with pytest.raises(CompatError, match="a checkout cannot be accelerated"):
        index.install_accelerated(release.model_copy(update={"source": "path"}))
    monkeypatch.setenv(PROXY_VARIABLE, "container")
    with pytest.raises(CompatError, match="no release's image holds the accelerator"):
        index.install_accelerated(release)
