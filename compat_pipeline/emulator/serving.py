"""An upstream as a process of its own: it reads what it is told, says where it is, serves until SIGTERM."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TypeVar

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically

LOOPBACK = "127.0.0.1"
# LiteLLM keeps its connections; one that we close at the moment it is used again would read as a broken upstream.
_KEEP_ALIVE_S = 3600

_Spec = TypeVar("_Spec", bound=BaseModel)


def read_spec(path: Path, model: type[_Spec], what: str) -> _Spec:
    """What the file at `path` holds; raises CompatError that says it is no `what`, without the values in it."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CompatError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:  # without the values: they are credentials
        wrong = ", ".join(".".join(map(str, item["loc"])) or item["msg"] for item in error.errors(include_input=False))
        raise CompatError(f"{path} is not {what}: {wrong}") from None


def serve(app: ASGIApp, ready: Path, host: str = LOOPBACK) -> None:
    """Serve `app` on a free port of `host` until SIGTERM; `ready` appears, with its `base_url`, once it answers.

    Raises CompatError where `host` is no address of this machine.
    """
    try:
        listening = socket.create_server((host, 0), backlog=512)
    except OSError as error:
        raise CompatError(
            f"cannot listen on {host}: {error.strerror}", "a container's proxy needs an engine on this machine"
        ) from error
    with listening as listener:
        base_url = f"http://{host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        _ReadyServer(config, ready, base_url).run(sockets=[listener])


class _ReadyServer(uvicorn.Server):
    """A server that says where it is once it serves."""

    def __init__(self, config: uvicorn.Config, ready: Path, base_url: str) -> None:
        super().__init__(config)
        self._ready = ready
        self._base_url = base_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        write_atomically(self._ready, json.dumps({"base_url": self._base_url}))
