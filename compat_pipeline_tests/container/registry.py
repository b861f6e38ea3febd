"""A real image registry on loopback, the distribution's own (`docker-registry`), for as long as a test needs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx

from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.proxy.process import HOST, free_port
from compat_pipeline_tests.proxy.leased import eventually

PROGRAM = "docker-registry"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True)
class Registry:
    """`host` begins the names of its images; `folder` is where it keeps them."""

    host: str
    folder: Path
    process: subprocess.Popen[bytes]

    def push(self, client: docker.DockerClient, image: str, name: str, tag: str) -> str:
        """Move an image from the engine to `HOST/NAME:TAG`; its digest."""
        client.images.get(image).tag(f"{self.host}/{name}", tag)
        said = client.images.push(f"{self.host}/{name}", tag, stream=True, decode=True)
        (digest,) = [line["aux"]["Digest"] for line in said if "aux" in line]
        client.images.remove(image, force=True)
        return str(digest)

    def spoil_layer(self, digest: str) -> None:
        """Change a byte of the first layer of an image."""
        manifest = json.loads(self._blob(digest).read_bytes())
        layer = self._blob(manifest["layers"][0]["digest"])
        content = bytearray(layer.read_bytes())
        content[-1] ^= 1
        layer.write_bytes(content)

    def _blob(self, digest: str) -> Path:
        kind, _, name = digest.partition(":")
        return self.folder / "docker/registry/v2/blobs" / kind / name[:2] / name / "data"

    def put_index(self, name: str, tag: str, digest: str, architecture: str) -> str:
        """Make `HOST/NAME:TAG` one for several machines, of which only one is there; its digest."""
        at = f"http://{self.host}/v2/{name}/manifests"
        size = len(httpx.get(f"{at}/{digest}", headers={"accept": _MANIFEST}).content)
        platform = {"os": "linux", "architecture": architecture}
        only = {"mediaType": _MANIFEST, "digest": digest, "size": size, "platform": platform}
        index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [only]})
        put = httpx.put(f"{at}/{tag}", content=index, headers={"content-type": _INDEX}).raise_for_status()
        return str(put.headers["docker-content-digest"])


@contextmanager
def serving(folder: Path) -> Iterator[Registry]:
    host = f"{HOST}:{free_port()}"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "kept")}},
        "http": {"addr": host},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    process = spawn([PROGRAM, "serve", folder / "config.json"], env={})
    try:
        assert eventually(lambda: _answers(host))
        yield Registry(host, folder / "kept", process)
    finally:
        end_group(process)


def _answers(host: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://{host}/v2/").is_success
    return False
