"""The image of a release on this machine's engine: pulled by digest, and looked into before it runs."""

from __future__ import annotations

import io
import json
import logging
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, ImageNotFound
from docker.types import LogConfig
from packaging.version import InvalidVersion, Version

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.lock import locked
from compat_pipeline.proxy.engine import asked, confined, engine, labelled
from compat_pipeline.proxy.image import ImageUnknown, ProxyImage, image_digest, is_pinned
from compat_pipeline.proxy.prices import TABLE
from compat_pipeline.proxy.release import LitellmRelease

if TYPE_CHECKING:
    import docker

log = logging.getLogger(__name__)

_LOOK_LIMIT_S = 60
_LARGEST_TABLE_BYTES = 64 << 20
# Which LiteLLM an image holds and where, without loading it.
_LOOK = """
import importlib.util, json
from importlib.metadata import version
folder = importlib.util.find_spec("litellm").submodule_search_locations[0]
print(json.dumps({"version": version("litellm"), "folder": folder}))
"""


def ensure_image(release: LitellmRelease, image: str, home: CompatHome) -> ProxyImage:
    """The image of `release` on the engine, pulled unless it is there.

    `image`: `HOST/NAME`, of which the release's digest is taken; or one that is pinned: `NAME@sha256:...`, or the id of
    one that the engine has. It must be made for the engine's platform and hold the release's LiteLLM, which is
    looked up once per image and kept in the cache. Raises CompatError.
    """
    reference = _reference(release, image)
    with engine() as client:
        found, version = look_into(client, reference, home)
    if version != Version(release.version):
        raise CompatError(
            f"the image {reference} holds LiteLLM {version}, not {release.version}",
            "set COMPAT_LITELLM_IMAGE to the image of that release, or COMPAT_LITELLM_VERSION to its version",
        )
    return found


def look_into(client: docker.DockerClient, reference: str, home: CompatHome) -> tuple[ProxyImage, Version]:
    """The image `reference`, a pinned one pulled unless the engine has it, and which LiteLLM it holds.

    Raises CompatError for one that cannot be had, is made for another platform, or holds none.
    """
    found = _present(client, reference)
    _check_platform(client, found, reference)
    folder = home.cache / "litellm" / "images" / found.id.rpartition(":")[2]
    with locked(lock := folder.with_name(f"{folder.name}.lock")):
        version = _version(client, found, reference, folder, labelled(home.root, lock, {"image": found.id}))
    digest = reference.partition("@")[2] or found.id
    return ProxyImage(name=reference, id=found.id, digest=digest, prices=folder / TABLE), version


def _reference(release: LitellmRelease, image: str) -> str:
    if release.source == "path":
        if release.image_digest:
            return release.image_digest
        raise CompatError(
            f"LiteLLM {release.tag} was built for a process alone", f"resolve it anew for a container: {release.policy}"
        )
    if is_pinned(image):
        return image
    try:
        return f"{image}@{release.image_digest or image_digest(image, release.tag)}"
    except ImageUnknown as unknown:
        raise CompatError(
            f"the image of LiteLLM {release.tag} is unknown: {unknown}",
            "check the network, or pin one: COMPAT_LITELLM_IMAGE=NAME@sha256:...",
        ) from unknown


def _present(client: docker.DockerClient, reference: str) -> Any:
    with asked(f"cannot use the image {reference}", "check COMPAT_LITELLM_IMAGE"):
        with suppress(ImageNotFound):
            return client.images.get(reference)
        if "@" not in reference:
            raise CompatError(f"the engine has no image {reference}", "build it anew, or correct COMPAT_LITELLM_IMAGE")
    log.info("pulling %s", reference)
    with asked(f"cannot pull {reference}", "check the network, COMPAT_LITELLM_IMAGE and its digest"):
        for told in client.api.pull(reference, stream=True, decode=True):
            if "error" in told:  # with the answer begun, there is no other way to refuse
                raise APIError(told["error"])
        return client.images.get(reference)


def _check_platform(client: docker.DockerClient, found: Any, reference: str) -> None:
    with asked("cannot use the container engine"):
        told = client.version()
    wanted, has = f"{told['Os']}/{told['Arch']}", f"{found.attrs['Os']}/{found.attrs['Architecture']}"
    if has != wanted:
        raise CompatError(
            f"the image {reference} is made for {has}, and the container engine is {wanted}",
            "name one for this machine",
        )


def _version(client: docker.DockerClient, found: Any, reference: str, folder: Path, labels: dict[str, str]) -> Version:
    """The version of LiteLLM in the image; its price table is then in `folder`."""
    stamp = folder / "version"
    with suppress(OSError, InvalidVersion):
        return Version(stamp.read_text())
    with asked(f"cannot look into the image {reference}", "check COMPAT_LITELLM_IMAGE"):
        looking = client.containers.create(
            found.id,
            entrypoint=["python3", "-I", "-c", _LOOK],
            command=[],
            network_mode="none",
            labels=labels,
            log_config=LogConfig(type=LogConfig.types.JSON),
            **confined(),
        )
        try:
            looking.start()
            code = looking.wait(timeout=_LOOK_LIMIT_S)["StatusCode"]
            said = looking.logs().decode(errors="replace").strip()
            table = _read(looking, said) if code == 0 else b""
        finally:
            looking.remove(force=True, v=True)
    try:
        version = Version(json.loads(said)["version"])
    except (ValueError, KeyError, TypeError):
        raise CompatError(
            f"the image {reference} holds no LiteLLM that Python finds: {said[-500:] or f'exit code {code}'}",
            "name an image of LiteLLM, with Python as `python3`",
        ) from None
    write_atomically(folder / TABLE, table)
    write_atomically(stamp, str(version))
    return version


def _read(container: Any, said: str) -> bytes:
    """LiteLLM's price table out of an image; nothing where it has none."""
    with suppress(ValueError, KeyError, TypeError):
        path = f"{json.loads(said)['folder']}/{TABLE}"
        with suppress(APIError):
            chunks, told = container.get_archive(path)
            if told["size"] <= _LARGEST_TABLE_BYTES:
                with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                    file = archive.extractfile(archive.getmembers()[0])
                    return file.read() if file else b""
    return b""
