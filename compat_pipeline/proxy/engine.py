"""The container engine: how it is reached, what its refusals mean, and how every container of ours is confined.

Reached as Docker's own client does it: DOCKER_HOST (and DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), else the usual socket.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.process import ADDRESS_IN_USE

_LABEL = "compat_pipeline"
HOME_LABEL = f"{_LABEL}.home"
OWNER_LABEL = f"{_LABEL}.owner"
CONFIG_LABEL = f"{_LABEL}.config"
TREE_LABEL = f"{_LABEL}.tree"

_TIMEOUT_S = 300
_NOBODY = 65534
_MEMORY_FOLDER = "size=256m,mode=0700,uid={},gid={}"
_IN_USE = (ADDRESS_IN_USE, "port is already allocated")


class EngineFault(CompatError):
    """The engine is not there, or did not do what was asked of it."""


@contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """A client for the length of the block; EngineFault where no engine answers or we may not use it."""
    with asked("cannot use the container engine"):
        client = docker.from_env(timeout=_TIMEOUT_S)
    with closing(client):
        yield client


@contextmanager
def asked(what: str, next_step: str = "") -> Iterator[None]:
    """A refusal within is an EngineFault that starts with `what`, a clause such as `cannot pull IMAGE`."""
    try:
        yield
    except APIError as error:
        said = str(error.explanation or error)
        if any(sign in said for sign in _IN_USE):
            said = ADDRESS_IN_USE
        if "no space left" in said:
            next_step = "free some disk space"
        raise EngineFault(f"{what}: {said}", next_step) from error
    except (DockerException, OSError) as error:
        where = os.environ.get("DOCKER_HOST") or "its usual socket"
        if _caused_by(error, PermissionError):
            raise EngineFault(
                f"{what}: no permission to use the container engine at {where}",
                "join the group that may (usually `docker`), or set DOCKER_HOST to an engine of your own",
            ) from error
        raise EngineFault(
            f"{what}: no container engine answers at {where}",
            "start it, set DOCKER_HOST, or do without: COMPAT_PROXY=process, COMPAT_RUNNER=process",
        ) from error


def labelled(home: Path, owner: Path, told: Mapping[str, str]) -> dict[str, str]:
    """Labels of what is made for `home` and is of use only while somebody holds the lock file `owner`."""
    own = {HOME_LABEL: str(home.resolve()), OWNER_LABEL: str(owner.resolve())}
    return own | {f"{_LABEL}.{name}": value for name, value in told.items()}


def container_user() -> tuple[int, int]:
    """Who runs in a container, user and group: never root."""
    return (os.getuid(), os.getgid()) if os.getuid() else (_NOBODY, _NOBODY)


def confined(*, memory_bytes: int = 2 << 30, processes: int = 256) -> dict[str, Any]:
    """Options for every container: no right that it does not need, nothing to write to but memory."""
    user = container_user()
    return {
        "user": ":".join(map(str, user)),
        "read_only": True,
        # An engine gives such a folder the mode of the image's own, but not its owner.
        "tmpfs": dict.fromkeys(("/tmp", "/home"), _MEMORY_FOLDER.format(*user)),  # noqa: S108
        "working_dir": "/home",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,
        "pids_limit": processes,
    }


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of `kind` is anywhere behind it: clients wrap them, in causes and in arguments."""
    seen: set[int] = set()
    behind: list[BaseException | None] = [error]
    while behind:
        one = behind.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, kind):
            return True
        seen.add(id(one))
        behind += [one.__cause__, one.__context__, *(part for part in one.args if isinstance(part, BaseException))]
    return False
