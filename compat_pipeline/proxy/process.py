"""The parts of a runtime, its upstreams and LiteLLM: how each is started as a process, seen to die, and ended."""

from __future__ import annotations

import json
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from threading import Thread
from typing import IO, Any, Protocol

import psutil

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.process import bare_environment, end_group, spawn
from compat_pipeline.ground.shelf import in_use
from compat_pipeline.proxy.config import ProxyConfig
from compat_pipeline.proxy.ledger import CALLBACK_FOLDER, LEDGER_FILE, LEDGER_VARIABLE
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.relay.accounts import Accounts

HOST = "127.0.0.1"
ADDRESS_IN_USE = "address already in use"
_TAIL_LINES = 15
_READ_BYTES = 1 << 16
_LAST_WORDS_S = 2.0

PACKAGE_PARENT = Path(__file__).parents[2]


class Child(ABC):
    """What runs until we end it. `name` is what people call it; `log` holds what it says, without its secrets.

    `pid` leads its process group; 0 where it was gone before it could be told.
    """

    pid: int

    def __init__(self, name: str, said: Iterable[bytes], log: Path, redactor: Redactor) -> None:
        self.name = name
        self.log = log
        self._writing = Thread(target=_write_log, args=(said, log.open("wb", buffering=0), redactor), daemon=True)
        self._writing.start()

    def why_dead(self) -> str | None:
        """None while it runs; else how it ended and the last lines it wrote."""
        if (how := self._how_dead()) is None:
            return None
        self._writing.join(_LAST_WORDS_S)
        return f"{self.name} {how}; its last lines:\n{last_lines(self.log)}"

    @abstractmethod
    def _how_dead(self) -> str | None:
        """None while it runs; else a clause of which it is the subject."""

    def end(self) -> None:
        """End it, and keep its last words."""
        self._stop()
        self._writing.join(_LAST_WORDS_S)

    def cut_off_from(self, url: str) -> str | None:  # noqa: ARG002 - on this machine everything is in reach
        """None if it can connect to `url`, where the upstreams listen; else why not."""
        return None

    def listens_on(self, port: int) -> bool:  # noqa: ARG002 - an engine publishes a port for one alone
        """Whether it is the one who listens on `port`, as far as this machine tells."""
        return True

    @abstractmethod
    def _stop(self) -> None:
        """Returns when it is gone."""


class Process(Child):
    """A process that ends with us."""

    def __init__(self, name: str, process: Popen[bytes], log: Path, redactor: Redactor) -> None:
        super().__init__(name, _said(process), log, redactor)
        self.pid = process.pid
        self.process = process

    def _how_dead(self) -> str | None:
        if (code := self.process.poll()) is None:
            return None
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def listens_on(self, port: int) -> bool:
        try:
            main = psutil.Process(self.pid)
            sockets = [each for one in (main, *main.children(recursive=True)) for each in one.net_connections("tcp")]
        except psutil.AccessDenied:
            return True
        except psutil.NoSuchProcess:
            return False
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)

    def _stop(self) -> None:
        end_group(self.process)


def start_emulator(
    python: Path, credentials: EmulatorCredentials, *, folder: Path, log: Path, host: str = HOST
) -> tuple[Process, Path]:
    """The embedded providers as a process that listens on `host`, an address of this machine.

    The file it returns appears, with `base_url`, once they serve.
    """
    return _start_upstreams(
        "emulator",
        python,
        {"host": host, "credentials": credentials.model_dump()},
        environment={},
        folder=folder,
        log=log,
        redactor=Redactor(credentials.secrets),
    )


def start_relay(
    python: Path, credentials: EmulatorCredentials, accounts: Accounts, *, folder: Path, log: Path, host: str = HOST
) -> tuple[Process, Path]:
    """The relay to the real providers as a process; otherwise as `start_emulator`."""
    return _start_upstreams(
        "relay",
        python,
        {"host": host, "credentials": credentials.model_dump(), "accounts": accounts.model_dump()},
        environment=accounts.network,
        folder=folder,
        log=log,
        redactor=Redactor((*credentials.secrets, *accounts.secrets)),
    )


def start_proxy(
    venv: ProxyVenv, config: ProxyConfig, *, port: int, folder: Path, log: Path, redactor: Redactor
) -> Process:
    """LiteLLM on loopback; its secrets travel in the environment only."""
    file = folder / "config.yaml"
    write_atomically(file, config.text)
    argv: list[str | Path] = [*venv.command, "--config", file, "--host", HOST, "--port", str(port)]
    environment = litellm_environment(config, callbacks=CALLBACK_FOLDER, ledger=folder / LEDGER_FILE)
    return _start("LiteLLM", argv, environment=environment, folder=folder, log=log, redactor=redactor)


def litellm_environment(config: ProxyConfig, *, callbacks: Path, ledger: Path) -> dict[str, str]:
    """What LiteLLM is told beside its configuration; the paths are where it finds the ledger's callback and file."""
    return {
        **config.environment,
        # LiteLLM before 1.84 looks for a callback's file nowhere else.
        "PYTHONPATH": str(callbacks),
        LEDGER_VARIABLE: str(ledger),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        # Without it, AWS's libraries ask the machine's cloud for keys where an entry has none.
        "AWS_EC2_METADATA_DISABLED": "true",
        # Any other mode reads the first .env above its own installation.
        "LITELLM_MODE": "PRODUCTION",
    }


class Place(Protocol):
    """Where LiteLLM runs."""

    def open(self) -> str:
        """Make it ready. Returns the address of this machine at which the upstreams must listen to be reached."""

    def start(self, config: ProxyConfig, *, port: int, log: Path, redactor: Redactor) -> Child:
        """LiteLLM, published on loopback at `port`; the caller ends it."""

    def close(self) -> None:
        """Remove what `open` made; what was started is gone by then."""


@dataclass(frozen=True)
class VenvPlace:
    """A process of its venv; `folder` is the runtime's."""

    venv: ProxyVenv
    folder: Path
    _using: ExitStack = field(default_factory=ExitStack)

    def open(self) -> str:
        self._using.enter_context(in_use(self.venv.folder))
        return HOST

    def start(self, config: ProxyConfig, *, port: int, log: Path, redactor: Redactor) -> Child:
        return start_proxy(self.venv, config, port=port, folder=self.folder, log=log, redactor=redactor)

    def close(self) -> None:
        self._using.close()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def last_lines(log: Path, lines: int = _TAIL_LINES) -> str:
    """The end of a log without the frames of tracebacks, indented; a stated nothing when it is empty."""
    try:
        written = [line for line in log.read_text(errors="replace").splitlines() if line.strip() and line[:2] != "  "]
    except OSError:
        written = []
    return "\n".join(f"    {line}" for line in written[-lines:]) or "    (it wrote nothing)"


def _start_upstreams(
    room: str,
    python: Path,
    spec: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    redactor: Redactor,
) -> tuple[Process, Path]:
    """The program of `room` with `spec` in a file that only we may read."""
    told, ready = folder / f"{room}.json", folder / f"{room}-ready.json"
    write_atomically(told, json.dumps(spec), mode=0o600)
    argv: list[str | Path] = [python, "-m", f"compat_pipeline.{room}", told, ready]
    environment = {**environment, "PYTHONPATH": str(PACKAGE_PARENT)}
    return _start(f"the {room}", argv, environment=environment, folder=folder, log=log, redactor=redactor), ready


def _start(
    name: str,
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    redactor: Redactor,
) -> Process:
    own = make_folder(folder / "home")
    environment = {**bare_environment(own), "PYTHONUNBUFFERED": "1", **environment}
    process = spawn(argv, env=environment, cwd=own, stdout=PIPE, stderr=STDOUT)
    return Process(name, process, log, redactor)


def _said(process: Popen[bytes]) -> Iterator[bytes]:
    if process.stdout:
        with process.stdout as pipe:
            while chunk := os.read(pipe.fileno(), _READ_BYTES):
                yield chunk


def _write_log(said: Iterable[bytes], kept: IO[bytes], redactor: Redactor) -> None:
    """Keep what somebody says, cleaned, as long as it says anything; lines that come together are cleaned together."""
    begun = b""
    with kept:
        for chunk in said:
            whole, newline, begun = (begun + chunk).rpartition(b"\n")
            _keep(whole + newline, kept, redactor)
        _keep(begun, kept, redactor)


def _keep(said: bytes, kept: IO[bytes], redactor: Redactor) -> None:
    with suppress(OSError):  # a full disk must not silence the one who speaks
        kept.write(redactor.text(said.decode(errors="replace")).encode())
