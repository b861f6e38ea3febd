"""Which image runs, and what is said where it cannot: every fault is one clear message."""

from __future__ import annotations

import io
import socket
import tarfile
from pathlib import Path

import docker
import pytest

from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.local_image import ensure_image
from compat_pipeline.proxy.prices import price_list
from compat_pipeline.resources.registries import PythonIndex
from compat_pipeline_tests.container.images import stand_in_image
from compat_pipeline_tests.container.test_lease import RELEASE

ABSENT = f"127.0.0.1:9/litellm@sha256:{'0' * 64}"


@pytest.fixture
def home(tmp_path: Path) -> CompatHome:
    return CompatHome(tmp_path / "home", tmp_path / "cache")


def of_another_machine(client: docker.DockerClient) -> str:
    """The id of a stand-in that says it is made for a mainframe."""
    image = client.images.get(stand_in_image(client))
    saved, changed = io.BytesIO(b"".join(image.save())), io.BytesIO()
    with tarfile.open(fileobj=saved) as old, tarfile.open(fileobj=changed, mode="w") as new:
        for member in old.getmembers():
            file = old.extractfile(member)
            content = file.read() if file else b""
            content = content.replace(
                b'"architecture":"%s"' % image.attrs["Architecture"].encode(), b'"architecture":"s390x"'
            )
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    (loaded,) = client.images.load(changed.getvalue())
    return str(loaded.id)


def test_a_pinned_image_is_looked_into_once_and_brings_its_prices(
    client: docker.DockerClient, home: CompatHome
) -> None:
    id_ = stand_in_image(client)
    first = ensure_image(RELEASE, id_, home)
    assert (first.name, first.id, first.digest) == (id_, id_, id_)
    manifest = load_manifest({})
    prices = {route: one.input for routes in price_list(first, manifest).values() for route, one in routes.items()}
    assert prices["anthropic/claude-haiku-4-5"] == 1e-6
    client.images.remove(id_)
    with pytest.raises(CompatError, match=f"the engine has no image {id_}"):
        ensure_image(RELEASE, id_, home)


def test_the_setting_decides_what_is_installed(
    client: docker.DockerClient, home: CompatHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_HOME", str(home.root))
    monkeypatch.setenv("COMPAT_LITELLM_IMAGE", stand_in_image(client))
    monkeypatch.setenv("COMPAT_PROXY", "container")
    assert isinstance(PythonIndex().install(RELEASE), ProxyImage)
    monkeypatch.setenv("COMPAT_PROXY", "pod")
    with pytest.raises(WrongUsage, match="COMPAT_PROXY cannot be 'pod'"):
        PythonIndex().install(RELEASE)


def test_another_version_than_the_release_s_is_refused(client: docker.DockerClient, home: CompatHome) -> None:
    other = stand_in_image(client, version="1.2.4")
    with pytest.raises(CompatError, match=r"holds LiteLLM 1\.2\.4, not 1\.2\.3"):
        ensure_image(RELEASE, other, home)


def test_an_image_without_litellm_is_refused(client: docker.DockerClient, home: CompatHome) -> None:
    other = stand_in_image(client, python="echo ModuleNotFoundError >&2; exit 1")
    with pytest.raises(CompatError, match="holds no LiteLLM that Python finds: ModuleNotFoundError"):
        ensure_image(RELEASE, other, home)


def test_an_image_of_another_architecture_is_refused(client: docker.DockerClient, home: CompatHome) -> None:
    with pytest.raises(CompatError, match="is made for linux/s390x, and the container engine is linux/"):
        ensure_image(RELEASE, of_another_machine(client), home)


@pytest.mark.usefixtures("engine")
def test_an_image_that_cannot_be_pulled_is_named(home: CompatHome) -> None:
    with pytest.raises(CompatError, match=f"cannot pull {ABSENT}: "):
        ensure_image(RELEASE, ABSENT, home)
    known = RELEASE.model_copy(update={"image_digest": ABSENT.partition("@")[2]})
    with pytest.raises(CompatError, match=f"cannot pull {ABSENT}: "):
        ensure_image(known, "127.0.0.1:9/litellm", home)


def test_a_digest_that_nobody_tells_is_asked_to_be_pinned(home: CompatHome) -> None:
    with pytest.raises(CompatError, match=r"the image of LiteLLM v1\.2\.3 is unknown: 127\.0\.0\.1:9 did not answer"):
        ensure_image(RELEASE, "127.0.0.1:9/litellm", home)


def test_where_there_is_no_engine_that_is_said(home: CompatHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home.root}/docker.sock")
    with pytest.raises(CompatError, match=f"no container engine answers at unix://{home.root}/docker.sock") as refusal:
        ensure_image(RELEASE, ABSENT, home)
    assert "COMPAT_PROXY=process" in str(refusal.value)


def test_an_engine_that_may_not_be_used_is_told_from_none(home: CompatHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_self: socket.socket, _address: object) -> None:  # root is refused no socket
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home.root}/docker.sock")
    with pytest.raises(CompatError, match="no permission to use the container engine at unix:"):
        ensure_image(RELEASE, ABSENT, home)
