"""The processes of a runtime, its upstreams and LiteLLM: how each is started, seen to die, and ended."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from threading import Thread
from typing import IO, Any

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.process import end_group, spawn
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


@dataclass(frozen=True)
class Child:
    """A process that ends with us. `name` is what people call it; `log` holds what it says, without its secrets."""

    name: str
    process: Popen[bytes]
    log: Path
    _writing: Thread

    def why_dead(self) -> str | None:
        """None while it runs; else its exit code and the last lines it wrote."""
        if (code := self.process.poll()) is None:
            return None
        self._writing.join(_LAST_WORDS_S)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}; its last lines:\n{last_lines(self.log)}"

    def end(self) -> None:
        end_group(self.process)
        self._writing.join(_LAST_WORDS_S)


def start_emulator(python: Path, credentials: EmulatorCredentials, *, folder: Path, log: Path) -> tuple[Child, Path]:
    """The embedded providers as a process; the file it returns appears, with `base_url`, once they serve."""
    return _start_upstreams(
        "emulator",
        python,
        {"credentials": credentials.model_dump()},
        environment={},
        folder=folder,
        log=log,
        redactor=Redactor(credentials.secrets),
    )


def start_relay(
    python: Path, credentials: EmulatorCredentials, accounts: Accounts, *, folder: Path, log: Path
) -> tuple[Child, Path]:
    """The relay to the real providers as a process; otherwise as `start_emulator`."""
    return _start_upstreams(
        "relay",
        python,
        {"credentials": credentials.model_dump(), "accounts": accounts.model_dump()},
        environment=accounts.network,
        folder=folder,
        log=log,
        redactor=Redactor((*credentials.secrets, *accounts.secrets)),
    )


def start_proxy(
    venv: ProxyVenv, config: ProxyConfig, *, port: int, folder: Path, log: Path, redactor: Redactor
) -> Child:
    """LiteLLM on loopback; its secrets travel in the environment only."""
    file = folder / "config.yaml"
    write_atomically(file, config.text)
    argv: list[str | Path] = [venv.litellm, "--config", file, "--host", HOST, "--port", str(port)]
    environment = {
        **config.environment,
        # LiteLLM before 1.84 looks for a callback's file nowhere else.
        "PYTHONPATH": str(CALLBACK_FOLDER),
        LEDGER_VARIABLE: str(folder / LEDGER_FILE),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
        # Without it, AWS's libraries ask the machine's cloud for keys where an entry has none.
        "AWS_EC2_METADATA_DISABLED": "true",
        # Any other mode reads the first .env above its own installation.
        "LITELLM_MODE": "PRODUCTION",
    }
    return _start("LiteLLM", argv, environment=environment, folder=folder, log=log, redactor=redactor)


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
) -> tuple[Child, Path]:
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
) -> Child:
    own = make_folder(folder / "home")
    base = {"PATH": os.defpath, "HOME": str(own), "TMPDIR": str(own), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    kept = log.open("wb", buffering=0)
    process = spawn(argv, env={**base, **environment}, cwd=own, stdout=PIPE, stderr=STDOUT)
    writing = Thread(target=_write_log, args=(process.stdout, kept, redactor), daemon=True)
    writing.start()
    return Child(name, process, log, writing)


def _write_log(said: IO[bytes], kept: IO[bytes], redactor: Redactor) -> None:
    """Keep what a process says, cleaned, as long as it says anything; lines that come together are cleaned together."""
    begun = b""
    with said, kept:
        while chunk := os.read(said.fileno(), _READ_BYTES):
            whole, newline, begun = (begun + chunk).rpartition(b"\n")
            _keep(whole + newline, kept, redactor)
        _keep(begun, kept, redactor)


def _keep(said: bytes, kept: IO[bytes], redactor: Redactor) -> None:
    with suppress(OSError):  # a full disk must not silence the one who speaks
        kept.write(redactor.text(said.decode(errors="replace")).encode())
