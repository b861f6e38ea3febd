"""The digest of a release's image, from its registry's stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat_pipeline.proxy.image import ImageUnknown, image_digest
from compat_pipeline_tests.proxy.registry import ImageRegistry, image_registry

NAME = "berriai/litellm"
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    with image_registry() as up:
        yield up


@pytest.mark.parametrize("tag", ["v1.106.2", "main-v1.106.2"])
def test_a_release_s_image_is_found_under_either_scheme_of_tags(tag: str, registry: ImageRegistry) -> None:
    registry.images[f"{NAME}:{tag}"] = DIGEST
    assert image_digest(f"{registry.host}/{NAME}", "v1.106.2") == DIGEST


def test_the_image_that_is_tagged_as_the_release_counts(registry: ImageRegistry) -> None:
    registry.images |= {f"{NAME}:main-v1.106.2": f"sha256:{'cd' * 32}", f"{NAME}:v1.106.2": DIGEST}
    assert image_digest(f"{registry.host}/{NAME}", "v1.106.2") == DIGEST


def test_a_release_without_an_image_is_told_by_name(registry: ImageRegistry) -> None:
    with pytest.raises(ImageUnknown, match=rf"{NAME} has no image v1\.106\.2 and none main-v1\.106\.2"):
        image_digest(f"{registry.host}/{NAME}", "v1.106.2")


@pytest.mark.parametrize("digest", ["", "sha256:abc", f"md5:{'ab' * 32}"])
def test_what_is_no_digest_is_not_told_as_one(digest: str, registry: ImageRegistry) -> None:
    registry.images[f"{NAME}:v1.106.2"] = digest or " "
    with pytest.raises(ImageUnknown, match="told no digest"):
        image_digest(f"{registry.host}/{NAME}", "v1.106.2")


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_registry_in_trouble_is_told_with_its_status(status: int, registry: ImageRegistry) -> None:
    registry.trouble = status
    with pytest.raises(ImageUnknown, match=rf"answered {status} for "):
        image_digest(f"{registry.host}/{NAME}", "v1.106.2")


@pytest.mark.parametrize("host", ["127.0.0.1:9", "127.0.0.1:no"])
def test_a_registry_that_is_not_there_is_told_by_name(host: str) -> None:
    with pytest.raises(ImageUnknown, match=f"{host} did not answer as an image registry"):
        image_digest(f"{host}/{NAME}", "v1.106.2")


@pytest.mark.parametrize("challenge", ["Bearer realm=,service=x", "Bearer realm", "Bearer ", 'Bearer realm="nowhere"'])
def test_a_challenge_that_makes_no_sense_is_told(challenge: str, registry: ImageRegistry) -> None:
    registry.challenge = challenge
    with pytest.raises(ImageUnknown, match=f"{registry.host} did not answer as an image registry"):
        image_digest(f"{registry.host}/{NAME}", "v1.106.2")


def test_a_network_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ImageUnknown, match=r"registry\.test did not answer as an image registry: .*socks"):
        image_digest(f"registry.test/{NAME}", "v1.106.2")
