"""A release's image comes from a real registry by its digest, and what cannot come is one clear message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.process import end_group
from compat_pipeline.proxy.local_image import ensure_image
from compat_pipeline_tests.container.images import SERVES, VERSION, stand_in_image
from compat_pipeline_tests.container.registry import Registry, serving
from compat_pipeline_tests.container.test_lease import RELEASE
from compat_pipeline_tests.container.test_local_image import of_another_machine

NOT_THERE = f"sha256:{'0' * 64}"
TAG = f"v{VERSION}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def home(tmp_path: Path) -> CompatHome:
    return CompatHome(tmp_path / "home", tmp_path / "cache")


def refusal_of(image: str, home: CompatHome) -> list[str]:
    """What is wrong, and what to do."""
    with pytest.raises(CompatError) as refusal:
        ensure_image(RELEASE, image, home)
    return str(refusal.value).split("\n  next: ")


def test_the_release_s_image_is_asked_of_the_registry_and_pulled_by_its_digest(
    registry: Registry, client: docker.DockerClient, home: CompatHome
) -> None:
    digest = registry.push(client, stand_in_image(client), "litellm", TAG)
    image = ensure_image(RELEASE, f"{registry.host}/litellm", home)
    assert (image.name, image.digest) == (f"{registry.host}/litellm@{digest}", digest)
    assert client.images.get(image.id).attrs["RepoDigests"] == [image.name]
    assert ensure_image(RELEASE.model_copy(update={"image_digest": digest}), f"{registry.host}/litellm", home) == image


def test_a_digest_that_the_registry_does_not_have_is_named(
    registry: Registry, client: docker.DockerClient, home: CompatHome
) -> None:
    registry.push(client, stand_in_image(client), "other", TAG)
    told, next_step = refusal_of(f"{registry.host}/other@{NOT_THERE}", home)
    assert re.fullmatch(f"cannot pull {registry.host}/other@{NOT_THERE}: .* manifest unknown.*", told)
    assert next_step == "check the network, COMPAT_LITELLM_IMAGE and its digest"


def test_a_release_that_the_registry_does_not_have_is_named(registry: Registry, home: CompatHome) -> None:
    told, next_step = refusal_of(f"{registry.host}/nothing", home)
    lacks = f"{registry.host}/nothing has no image {TAG} and none main-{TAG}"
    assert told == f"the image of LiteLLM {TAG} is unknown: {lacks}"
    assert "COMPAT_LITELLM_IMAGE=NAME@sha256:..." in next_step


def test_an_image_for_other_machines_is_named(
    registry: Registry, client: docker.DockerClient, home: CompatHome
) -> None:
    digest = registry.push(client, of_another_machine(client), "mainframe", TAG)
    image = f"{registry.host}/mainframe@{digest}"
    told, next_step = refusal_of(image, home)
    assert told.startswith(f"the image {image} is made for linux/s390x, and the container engine is linux/")
    assert next_step == "name one for this machine"
    index = registry.put_index("mainframe", "all", digest, "s390x")
    told, _ = refusal_of(f"{registry.host}/mainframe@{index}", home)
    assert re.match(f"cannot pull {registry.host}/mainframe@{index}: no matching manifest for linux/", told)


def test_an_image_that_is_not_what_its_digest_says_is_not_used(
    registry: Registry, client: docker.DockerClient, home: CompatHome
) -> None:
    # Layers that the engine has are not pulled again.
    digest = registry.push(client, stand_in_image(client, f"{SERVES}# {home.root}"), "altered", TAG)
    registry.spoil_layer(digest)
    told, _ = refusal_of(f"{registry.host}/altered@{digest}", home)
    assert told.startswith(f"cannot pull {registry.host}/altered@{digest}: filesystem layer verification failed")


@pytest.mark.usefixtures("registry")  # not run, too, where there is none
def test_a_registry_that_is_down_is_named(home: CompatHome, tmp_path: Path, client: docker.DockerClient) -> None:
    with serving(tmp_path) as registry:
        digest = registry.push(client, stand_in_image(client), "litellm", TAG)
        end_group(registry.process)
        told, next_step = refusal_of(f"{registry.host}/litellm@{digest}", home)
        assert told.startswith(f"cannot pull {registry.host}/litellm@{digest}: ")
        assert "connection refused" in told
        assert next_step.startswith("check the network")
        told, next_step = refusal_of(f"{registry.host}/litellm", home)
        assert told.startswith(f"the image of LiteLLM {TAG} is unknown: {registry.host} did not answer")
        assert next_step.startswith("check the network")
