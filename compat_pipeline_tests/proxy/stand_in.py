"""A command that starts, serves and ends like `litellm`, but at once; for tests of the life cycle only."""

from __future__ import annotations

import json
import stat
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from compat_pipeline.proxy.venv import ProxyVenv


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"role": "assistant", "content": [{"type": "text", "text": "yes"}]}).encode())


def stand_in_venv(folder: Path, *, real: Path | None = None, on_port: int = 0) -> ProxyVenv:
    """A venv in `folder` whose `litellm` is this module; on port `on_port` it is the command `real`."""
    command = folder / "litellm"
    exception = f'case "$*" in *"--port {on_port}") exec {real} "$@";; esac\n' if real else ""
    command.write_text(f'#!/bin/sh\n{exception}exec {sys.executable} {__file__} "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return ProxyVenv(python=folder / "python", digest="stand-in")


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), _Answer).serve_forever()
