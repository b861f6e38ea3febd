"""The emulator as a process: `python -m compat_pipeline.emulator SPEC.json READY.json`."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import uvicorn
from pydantic import BaseModel, ConfigDict, ValidationError

from compat_pipeline.emulator.app import build_app
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically

_HOST = "127.0.0.1"
# LiteLLM keeps its connections; one that we close at the moment it is used again would read as a broken upstream.
_KEEP_ALIVE_S = 3600


class EmulatorSpec(BaseModel):
    """What SPEC.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credentials: EmulatorCredentials


class _ReadyServer(uvicorn.Server):
    """A server that says where it is once it serves."""

    def __init__(self, config: uvicorn.Config, ready: Path, base_url: str) -> None:
        super().__init__(config)
        self._ready = ready
        self._base_url = base_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        write_atomically(self._ready, json.dumps({"base_url": self._base_url}))


def main(arguments: list[str]) -> None:
    """Serve the spec on a free loopback port until SIGTERM; raises CompatError for a spec that cannot be read."""
    if len(arguments) != 2:
        raise CompatError("expected two arguments: SPEC.json READY.json")
    spec_path, ready_path = map(Path, arguments)
    try:
        spec = EmulatorSpec.model_validate_json(spec_path.read_bytes())
    except OSError as error:
        raise CompatError(f"cannot read {spec_path}: {error.strerror}") from error
    except ValidationError as error:  # without the values: they are credentials
        wrong = ", ".join(".".join(map(str, item["loc"])) or item["msg"] for item in error.errors(include_input=False))
        raise CompatError(f"{spec_path} is not an emulator spec: {wrong}") from None
    with socket.create_server((_HOST, 0), backlog=512) as listener:
        base_url = f"http://{_HOST}:{listener.getsockname()[1]}"
        app = build_app(spec.credentials)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        _ReadyServer(config, ready_path, base_url).run(sockets=[listener])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CompatError as error:
        sys.exit(f"emulator: {error}")
