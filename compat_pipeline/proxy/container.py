"""LiteLLM in a container of its release's image, on a network of its own; what is left of dead ones is reaped."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from docker.errors import DockerException
from docker.types import LogConfig, Mount

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.lock import is_locked
from compat_pipeline.proxy.config import ProxyConfig
from compat_pipeline.proxy.engine import (
    CONFIG_LABEL,
    HOME_LABEL,
    OWNER_LABEL,
    EngineFault,
    asked,
    confined,
    container_user,
    engine,
    labelled,
)
from compat_pipeline.proxy.folder import RecordedProcess, RuntimeFolder
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.ledger import CALLBACK_FOLDER, LEDGER_FILE
from compat_pipeline.proxy.process import HOST, Child, litellm_environment

_PORT = 4000
_INSIDE = Path("/compat")
_LEDGER = Path("/", LEDGER_FILE)
_STOP_WAIT_S = 10.0
_SECOND_NS = 1_000_000_000

# The secrets are in a file that only the container's user may read; the engine knows neither them nor its other words.
_COMMAND = ["sh", "-c", f'. {_INSIDE}/environment; exec litellm "$@"', "litellm"]
_HEALTHY = f"import urllib.request as r; r.urlopen('http://{HOST}:{_PORT}/health/liveliness', timeout=5)"
_CONNECTS = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)"


class ContainerPlace:
    """A container on a network of its own; both are labelled as the runtime's.

    The engine's refusals are EngineFaults.
    """

    def __init__(self, image: ProxyImage, folder: RuntimeFolder, version: str) -> None:
        self._image = image
        self._folder = folder
        told = {"runtime": folder.root.name, "litellm": version, "image": image.digest}
        self._labels = labelled(folder.home, folder.supervisor, told)
        self._name = f"compat-{folder.root.name}-{token_hex(3)}"
        self._stack = ExitStack()

    def open(self) -> str:
        make_folder(self._folder.container)
        self._client = self._stack.enter_context(engine())
        with asked("cannot make a network for the proxy", "remove networks that nobody uses: docker network prune"):
            network = self._client.networks.create(self._name, driver="bridge", labels=self._labels)
            self._stack.callback(_try, network.remove)
            network.reload()
            return str(network.attrs["IPAM"]["Config"][0]["Gateway"])

    def start(self, config: ProxyConfig, *, port: int, log: Path, redactor: Redactor) -> Container:
        mounts = self._mounts(config)
        with asked("cannot start LiteLLM's container", "read the engine's own log"):
            made = self._client.containers.create(
                self._image.id,
                name=f"{self._name}-{token_hex(2)}",
                hostname="litellm",
                entrypoint=_COMMAND,
                command=["--config", f"{_INSIDE}/config.yaml", "--host", "0.0.0.0", "--port", str(_PORT)],  # noqa: S104
                network=self._name,
                ports={f"{_PORT}/tcp": (HOST, port)},
                mounts=mounts,
                labels={**self._labels, CONFIG_LABEL: config.digest},
                healthcheck=_health_check(),
                # What it says goes through our redaction only; the engine would keep it as it is.
                log_config=LogConfig(type="none"),
                **confined(),
            )
            return Container.started("LiteLLM", made, log, redactor)

    def _mounts(self, config: ProxyConfig) -> list[Mount]:
        """The configuration, the secrets and the ledger's callback read-only, the ledger to be written."""
        given = make_folder(self._folder.container)
        callback = CALLBACK_FOLDER / "compat_ledger.py"
        environment = litellm_environment(config, callbacks=_INSIDE, ledger=_LEDGER)
        environment |= {"HOME": "/home", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}  # noqa: S108
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        write_atomically(given / "config.yaml", config.text, mode=0o600)
        write_atomically(given / callback.name, callback.read_bytes(), mode=0o600)
        write_atomically(given / "environment", exports, mode=0o600)
        (ledger := self._folder.root / LEDGER_FILE).touch(mode=0o600)
        for path in (given, *given.iterdir(), ledger):
            os.chown(path, *container_user())
        given.chmod(0o700)
        return [
            Mount(str(_INSIDE), str(given), type="bind", read_only=True),
            Mount(str(_LEDGER), str(ledger), type="bind"),
        ]

    def close(self) -> None:
        self._stack.close()


class Container(Child):
    """A container, as whoever started it sees it."""

    def __init__(self, name: str, made: Any, said: Iterable[bytes], log: Path, redactor: Redactor) -> None:
        super().__init__(name, _until_lost(said), log, redactor)
        self._container = made
        self._ended = threading.Event()
        self._waiting = threading.Thread(target=self._wait, daemon=True)
        self._waiting.start()
        made.reload()
        self.pid = int(made.attrs["State"]["Pid"])
        self._main = RecordedProcess.if_alive(self.name, self.pid)

    @classmethod
    def started(cls, name: str, made: Any, log: Path, redactor: Redactor) -> Container:
        """Start one that the engine has made; one that does not start is removed."""
        try:
            said = made.attach(stream=True)
            made.start()
            return cls(name, made, said, log, redactor)
        except BaseException:
            _try(made.remove, force=True, v=True)
            raise

    def cut_off_from(self, url: str) -> str | None:
        address = urlsplit(url)
        with asked("cannot look into LiteLLM's container"):
            script = ["python3", "-I", "-c", _CONNECTS, str(address.hostname), str(address.port)]
            code, said = self._container.exec_run(script)
        if code == 0:
            return None
        why = (said.decode(errors="replace").splitlines() or ["no answer"])[-1]
        return (
            f"LiteLLM's container cannot connect to this machine at {address.netloc}: {why}\n"
            "  next: let this machine's firewall accept what comes from Docker's bridge networks"
        )

    def _wait(self) -> None:
        """Until the container ends, or the engine that would tell."""
        try:
            _try(self._container.wait, timeout=None)
        finally:
            self._ended.set()

    def _how_dead(self) -> str | None:
        if not self._ended.is_set():
            return None
        try:
            with asked("lost its container"):
                self._container.reload()
        except EngineFault as fault:
            return fault.message
        state = self._container.attrs["State"]
        if state["Running"]:
            return "lost its container: the engine was away for a moment"
        code = int(state["ExitCode"])
        if state["OOMKilled"]:
            limit = self._container.attrs["HostConfig"]["Memory"] >> 20
            return f"was killed because its container used more than {limit} MB of memory"
        return f"was killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"

    def _stop(self) -> None:
        removed = _try(self._container.remove, force=True, v=True)
        if not removed and self._main:  # it outlives its engine
            self._main.kill_group()
        self._waiting.join(_STOP_WAIT_S)


def reap_containers(home: Path) -> None:
    """Remove every container and network that was made for `home` and whose owner is gone.

    What cannot be removed, perhaps because somebody else is removing it, is left to the next time. Raises EngineFault
    where no engine answers.
    """
    with engine() as client, asked("cannot remove what is left of an earlier proxy"):
        wanted = {"label": f"{HOME_LABEL}={home.resolve()}"}
        for container in client.containers.list(all=True, ignore_removed=True, filters=wanted):
            if _is_orphan(container.labels):
                _try(container.remove, force=True, v=True)
        for network in client.networks.list(filters=wanted):
            if _is_orphan(network.attrs["Labels"]):
                _try(network.remove)


def _is_orphan(labels: Mapping[str, str]) -> bool:
    return not is_locked(Path(labels[OWNER_LABEL]))


def _health_check() -> dict[str, Any]:
    seconds = {"interval": 15, "timeout": 10, "start_period": 120}
    return {
        "test": ["CMD", "python3", "-I", "-c", _HEALTHY],
        "retries": 3,
        **{name: count * _SECOND_NS for name, count in seconds.items()},
    }


def _until_lost(said: Iterable[bytes]) -> Iterator[bytes]:
    with suppress(Exception):  # in whatever way the connection to the engine ends
        yield from said


def _try(ask: Callable[..., object], **options: Any) -> bool:
    """Ask the engine for what may not be possible any more; whether it was."""
    with suppress(DockerException, OSError):
        ask(**options)
        return True
    return False
