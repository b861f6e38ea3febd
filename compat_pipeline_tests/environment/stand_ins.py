"""Tiny wheels in the place of LiteLLM and its accelerator: they resolve, install, import and serve within a second."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from compat_pipeline_tests.claude.loopback import served

LITELLM, ACCELERATOR = "1.83.14", "0.1.10"

_ROUTER = """
class _Message: content = "pong"
class _Choice: message = _Message()
class _Answer: choices = [_Choice()]
class Router:
    def __init__(self, model_list): pass
    def completion(self, **asked): return _Answer()
    async def acompletion(self, **asked): return _Answer()
def token_counter(model, **asked): return len(str(asked))
"""
_SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answer(BaseHTTPRequestHandler):
    def do_GET(self): self.tell({})
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.tell({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "yes"}],
                   "total_tokens": 7, "accelerated": "fast_litellm" in sys.modules})
    def tell(self, body):
        said = json.dumps(body).encode()
        self.send_response(STATUS)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

def run_server():
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""
_ACCELERATOR = """
import logging
from pathlib import Path
if not Path(__file__).with_name("_rust.so").exists(): raise ImportError("cannot import name '_rust'")
from . import enhanced_monkeypatch
logging.getLogger("fast_litellm.enhanced_monkeypatch").warning("Class litellm.SimpleRateLimiter not found")
def health_check(): return {"status": "ok"}
def get_patch_status(): return {"applied": True, "components": ["routing", "rate_limiting"]}
"""
_PATCHES = """
import litellm
_patched_functions = {"litellm.router.Router": "rust_routing", "litellm.token_counter": "rust_token_counting"}
litellm.token_counter = lambda model, **asked: 8
"""


class StandIns:
    """A folder of wheels, which uv is led to in the place of any index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.wheel("google-auth", "1.0", {"google/__init__.py": ""})

    def litellm(self, version: str = LITELLM, *metadata: str, package: str = _ROUTER, status: int = 200) -> None:
        """LiteLLM with its proxy, which answers everything with `status`."""
        files = {
            "litellm/__init__.py": package,
            "litellm/proxy/__init__.py": "",
            "litellm/proxy/proxy_cli.py": _SERVER.replace("STATUS", str(status)),
        }
        script = {"entry_points.txt": "[console_scripts]\nlitellm = litellm.proxy.proxy_cli:run_server\n"}
        self.wheel("litellm", version, files, "Provides-Extra: proxy", *metadata, info=script)

    def accelerator(
        self,
        version: str = ACCELERATOR,
        *,
        tags: str = "py3-none-any",
        patches: str = _PATCHES,
        requires: str = "litellm>=1.0",
    ) -> None:
        """The accelerator; without its compiled module it does not import, as the real one."""
        files = {
            "fast_litellm/__init__.py": _ACCELERATOR,
            "fast_litellm/enhanced_monkeypatch.py": patches,
            "fast_litellm/_rust.so": "",
        }
        self.wheel("fast-litellm", version, files, f"Requires-Dist: {requires}", tags=tags)

    def wheel(
        self,
        name: str,
        version: str,
        files: Mapping[str, str],
        *metadata: str,
        tags: str = "py3-none-any",
        info: Mapping[str, str] | None = None,
    ) -> None:
        stem = f"{name.replace('-', '_')}-{version}"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, ""]
        texts = {
            **files,
            f"{stem}.dist-info/METADATA": "\n".join(lines),
            f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n",
            **{f"{stem}.dist-info/{file}": text for file, text in (info or {}).items()},
        }
        record = "".join(f"{path},,\n" for path in (*texts, f"{stem}.dist-info/RECORD"))
        with zipfile.ZipFile(self.folder / f"{stem}-{tags}.whl", "w") as archive:
            for path, text in {**texts, f"{stem}.dist-info/RECORD": record}.items():
                archive.writestr(path, text)


@contextmanager
def dated_index(folder: Path, uploads: Mapping[str, str], before: str) -> Iterator[str]:
    """The address of an index (PEP 691 and 700) of the wheels in `folder`.

    It says of each when it got it: what `uploads` says of its `name-version`, else `before`.
    """

    def listing(request: Request) -> Response:
        found = sorted(folder.glob(f"{request.path_params['name'].replace('-', '_')}-*.whl"))
        files = [
            {
                "filename": wheel.name,
                "url": f"/files/{wheel.name}",
                "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
                "upload-time": uploads.get("-".join(wheel.name.split("-")[:2]), before),
            }
            for wheel in found
        ]
        told = {"meta": {"api-version": "1.1"}, "name": request.path_params["name"], "files": files}
        kind = "application/vnd.pypi.simple.v1+json"
        return JSONResponse(told, media_type=kind) if found else Response(status_code=404)

    def file(request: Request) -> Response:
        return FileResponse(folder / request.path_params["file"])

    with served(Starlette(routes=[Route("/simple/{name}/", listing), Route("/files/{file}", file)])) as url:
        yield f"{url}/simple"
