"""A package registry on loopback, spoken to by the real npm, with tiny packages in place of the CLI's large ones."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import platform
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compat_pipeline.claude.release import PACKAGE, platform_package
from compat_pipeline_tests.claude.loopback import served

PLATFORM = platform_package(sys.platform, platform.machine(), platform.libc_ver()[0])


def tarball(binary: str | None, extra: Mapping[str, str] | None = None, link: str | None = None) -> bytes:
    """A package that holds `binary` (a script), a symbolic link `package/claude` to `link`, and `extra` members."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        members = {**({} if binary is None else {"package/claude": binary}), **(extra or {})}
        for name, content in {"package/package.json": '{"name": "x", "version": "0.0.1"}', **members}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content.encode()), 0o755
            archive.addfile(member, io.BytesIO(content.encode()))
        if link:
            member = tarfile.TarInfo("package/claude")
            member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member)
    return gzip.compress(output.getvalue(), mtime=0)


def integrity(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


class LoopbackRegistry:
    """Holds versions of the CLI's package and of this machine's platform package; counts the tarballs it gave out."""

    def __init__(self) -> None:
        self.url = ""
        self.downloads = 0
        self.broken_answer: str | None = None
        self.cut_tarballs = False
        self.document: dict[str, Any] = {"dist-tags": {}, "time": {}}
        self._versions: dict[str, dict[str, Any]] = {PACKAGE: {}, PLATFORM: {}}
        self._tarballs: dict[str, bytes] = {}
        routes = [Route("/tarballs/{name}", self._tarball), Route("/{package:path}", self._package)]
        self.app = Starlette(routes=routes)

    def environment(self, cache: str) -> dict[str, str]:
        """What leads npm here, as a user's own mirror setting would."""
        return {"PATH": os.defpath, "HOME": cache, "npm_config_registry": self.url}

    def publish(self, version: str, content: bytes | None = None, **manifest: Any) -> str:
        """Publish `version` with the platform tarball `content` (default: one that tells its version)."""
        content = tarball(f"#!/bin/sh\necho '{version} (Claude Code)'\n") if content is None else content
        name = f"claude-{version}.tgz"
        self._tarballs[name] = content
        dist = {"tarball": f"{self.url}/tarballs/{name}", "integrity": integrity(content)}
        for package, versions in self._versions.items():
            versions[version] = {"name": package, "version": version, "dist": dist, **manifest}
        self.document["dist-tags"]["latest"] = version
        self.document["time"][version] = "2026-01-01T00:00:00.000Z"
        return dist["integrity"]

    async def _package(self, request: Request) -> Response:
        name = request.path_params["package"]
        if self.broken_answer is not None:
            return Response(self.broken_answer)
        if not self._versions.get(name):
            return JSONResponse({"error": "Not found"}, 404)
        return JSONResponse({"_id": name, "name": name, "versions": self._versions[name], **self.document})

    async def _tarball(self, request: Request) -> Response:
        self.downloads += 1
        content = self._tarballs[request.path_params["name"]]
        return Response(content[: len(content) // 2] if self.cut_tarballs else content)


@contextmanager
def loopback_registry() -> Iterator[LoopbackRegistry]:
    registry = LoopbackRegistry()
    with served(registry.app) as registry.url:
        yield registry
