"""The newest LiteLLM that an index lists, through the real package client and an index on loopback."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.listed import newest_listed
from compat_pipeline_tests.claude.loopback import served

PYTHON = Path(sys.executable)


class LoopbackIndex:
    """A package index with tiny wheels of LiteLLM."""

    def __init__(self) -> None:
        self._wheels: dict[str, bytes] = {}
        routes = [Route("/simple/litellm/", self._page), Route("/wheels/{name}", self._wheel)]
        self.app = Starlette(routes=routes)

    def publish(self, version: str, *metadata: str) -> None:
        info, content = f"litellm-{version}.dist-info", io.BytesIO()
        lines = ["Metadata-Version: 2.1", "Name: litellm", f"Version: {version}", *metadata, ""]
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(f"{info}/METADATA", "\n".join(lines))
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        self._wheels[f"litellm-{version}-py3-none-any.whl"] = content.getvalue()

    async def _page(self, _: Request) -> Response:
        links = "".join(f'<a href="/wheels/{name}">{name}</a>' for name in self._wheels)
        return HTMLResponse(f"<!DOCTYPE html><html><body>{links}</body></html>")

    async def _wheel(self, request: Request) -> Response:
        return Response(self._wheels[request.path_params["name"]])


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackIndex]:
    """The index that uv is led to, as by a user's own mirror setting."""
    loopback = LoopbackIndex()
    with served(loopback.app) as address:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{address}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        yield loopback


def test_a_version_that_cannot_be_installed_here_is_listed_nevertheless(index: LoopbackIndex, tmp_path: Path) -> None:
    index.publish("1.99.0")
    index.publish("1.100.0", "Requires-Dist: no-such-package-anywhere==1")
    assert newest_listed(tmp_path, PYTHON) == "1.100.0"
    index.publish("1.101.0", "Requires-Python: >=3.14")
    assert newest_listed(tmp_path / "anew", PYTHON) == "1.101.0"


def test_neither_candidates_nor_denied_versions_are_listed(index: LoopbackIndex, tmp_path: Path) -> None:
    for version in ("1.99.0", "1.107.1", "1.108.0rc1"):
        index.publish(version)
    assert newest_listed(tmp_path, PYTHON) == "1.99.0"


@pytest.mark.usefixtures("index")
def test_an_index_that_lists_nothing_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CompatError, match="cannot tell the newest LiteLLM"):
        newest_listed(tmp_path, PYTHON)
