"""A look around from inside a container: what is in reach, and where a planted secret is in sight.

Standard library only, and no import of ours: it runs as a script, too, where there is nothing but Python.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

PLANTED = "".join(("plan", "ted-"))
"""Every planted secret begins so; put together here, so that this file itself is none."""

ROUTES = {"the internet": ("1.1.1.1", 443), "the cloud's metadata": ("169.254.169.254", 80)}
_NOT_LOOKED_INTO = ("/proc", "/sys", "/dev", "/usr", "/lib", "/lib64", sys.prefix, sys.base_prefix)
_WAIT_S = 3.0
_LARGEST_BYTES = 1 << 20


def seen(servers: Mapping[str, tuple[str, int]], name: str) -> list[str]:
    """What is in reach of `servers` (what they are -> where they listen) and of the rest of the world, whether somebody
    knows the host `name`, which sockets there are in files, and where secrets are in sight."""
    return sorted({*_in_reach(servers, name), *_sockets(), *_secrets()})


def _in_reach(servers: Mapping[str, tuple[str, int]], name: str) -> Iterator[str]:
    for what, (host, port) in servers.items():
        with suppress(OSError), socket.create_connection((host, port), _WAIT_S):
            yield f"reached: {what}"
    for what, address in ROUTES.items():  # to connect sends nothing: it only looks for a way
        with suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.connect(address)
            yield f"a way to: {what}"
    with suppress(OSError):
        socket.getaddrinfo(name, None)
        yield "resolved: a name"


def _sockets() -> Iterator[str]:
    for path in _files():
        with suppress(OSError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                yield f"a socket: {path}"


def _secrets() -> Iterator[str]:
    if any(PLANTED in value for value in os.environ.values()):
        yield "a secret: the environment"
    for process in Path("/proc").glob("[0-9]*"):
        for what in ("environ", "cmdline"):
            if process.name != str(os.getpid()) and _holds_one(process / what):
                yield f"a secret: a process's {what}"
    for path in _files():
        if path.is_file() and _holds_one(path):
            yield f"a secret: {path}"


def _files() -> Iterator[Path]:
    for folder, folders, files in os.walk("/"):
        folders[:] = [one for one in folders if str(Path(folder, one)) not in _NOT_LOOKED_INTO]
        yield from (Path(folder, one) for one in files)


def _holds_one(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return PLANTED.encode() in file.read(_LARGEST_BYTES)
    return False


if __name__ == "__main__":
    print(json.dumps(seen(*json.loads(sys.argv[1]))))
