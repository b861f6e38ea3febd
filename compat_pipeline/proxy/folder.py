"""The state folder of one runtime: who holds it, who supervises it, which processes it has, why it ended.

Liveness is a file lock everywhere: the kernel frees it the moment its holder ends, even by `kill -9`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import time
import uuid
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from pydantic import BaseModel, TypeAdapter

from compat_pipeline.ground.age import days_ago, remove_older
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically
from compat_pipeline.ground.lock import is_locked, locked

POLL_S = 0.1
_LOCK = ".lock"
_GRACE_S = 15.0
_CLOCK_STEP_S = 5.0
"""By how much the start of a running process may seem to move when the system's clock is set."""


def here() -> str:
    """Ends the name of each runtime whose processes and loopback we can reach: other containers and machines may share
    the folder, but not those. Empty where there are no such bounds, as outside Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        bounds = (boot, *(str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "pid")))
    except OSError:
        return ""
    return f"-{hashlib.sha256(chr(0).join(bounds).encode()).hexdigest()[:10]}"


class RecordedProcess(BaseModel):
    """A process we started, leader of its own group; `created` (epoch seconds) tells it from a later one of its pid."""

    name: str
    pid: int
    created: float

    @classmethod
    def of(cls, name: str, pid: int) -> RecordedProcess:
        return cls(name=name, pid=pid, created=psutil.Process(pid).create_time())

    @classmethod
    def if_alive(cls, name: str, pid: int) -> RecordedProcess | None:
        with suppress(psutil.NoSuchProcess):
            return cls.of(name, pid) if pid else None
        return None

    @property
    def running(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _CLOCK_STEP_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        return False

    def kill_group(self) -> None:
        if self.running:
            with suppress(ProcessLookupError, PermissionError):  # a container's may be another user's
                os.killpg(self.pid, signal.SIGKILL)


_RECORDS = TypeAdapter(list[RecordedProcess])


@dataclass(frozen=True)
class RuntimeFolder:
    """`runtimes/KEY` under COMPAT_HOME, and its logs, which outlive it."""

    root: Path
    logs: Path

    @classmethod
    def of(cls, home: CompatHome, key: str) -> RuntimeFolder:
        return cls(root=home.runtimes / key, logs=home.logs / "proxy" / key)

    @classmethod
    def every(cls, home: CompatHome) -> list[RuntimeFolder]:
        return [cls.of(home, root.name) for root in sorted(home.runtimes.glob("*")) if root.is_dir()]

    @property
    def is_here(self) -> bool:
        """Whether its pids are those of our processes. Its locks are seen from everywhere."""
        return self.root.name.endswith(here())

    @property
    def home(self) -> Path:
        return self.root.parents[1]

    @property
    def container(self) -> Path:
        """What LiteLLM's container is given; there only if it runs in one."""
        return self.root / "container"

    @property
    def spec(self) -> Path:
        return self.root / "spec.json"

    @property
    def accounts(self) -> Path:
        """The user's accounts at the real providers, for the supervisor alone; there in live mode only."""
        return self.root / "accounts.json"

    @property
    def runtime(self) -> Path:
        """Appears when the proxy is up."""
        return self.root / "runtime.json"

    @property
    def progress(self) -> Path:
        """One line per stage of the start."""
        return self.logs / "supervisor.log"

    @property
    def supervisor(self) -> Path:
        """Locked by the supervisor as long as it lives; holds its pid."""
        return self.root / "supervisor.lock"

    @property
    def _leases(self) -> Path:
        return self.root / "leases"

    @property
    def _linger(self) -> Path:
        return self.root / "linger-until"

    @property
    def _end(self) -> Path:
        return self.root / "end.txt"

    @property
    def _processes(self) -> Path:
        return self.root / "processes.json"

    def changing(self) -> AbstractContextManager[None]:
        """Only one process at a time leases, releases, starts or takes down this runtime."""
        return locked(self.root.with_name(f"{self.root.name}{_LOCK}"))

    def hold(self) -> IO[str]:
        """A lease, live until it is released or this process ends in any way. Only while `changing`."""
        name = uuid.uuid4().hex
        hidden = make_folder(self._leases) / f".{name}"
        self.root.chmod(0o700)
        try:
            lease = hidden.open("w")
        except OSError as error:
            raise CompatError(
                f"cannot write {hidden}: {error.strerror}", "check its owner and the free disk space"
            ) from error
        fcntl.flock(lease, fcntl.LOCK_EX)
        hidden.rename(self._leases / name)
        return lease

    def release(self, lease: IO[str]) -> None:
        """Give a lease back. Only while `changing`."""
        name = Path(lease.name).name.removeprefix(".")
        (self._leases / name).unlink(
            missing_ok=True
        )  # first, so that one that is unlocked and still there is a dead one's
        lease.close()

    def linger(self, seconds: float) -> None:
        """Let the runtime outlive its last lease by `seconds`."""
        write_atomically(self._linger, str(time.time() + seconds))

    def is_held(self) -> bool:
        """Whether any lease is live; one whose process died is dropped, and ends the lingering too."""
        held = False
        for lease in self._leases.glob("[!.]*"):
            if is_locked(lease):
                held = True
                continue
            with suppress(FileNotFoundError):  # given back this moment, and perhaps to linger from now on
                lease.unlink()
                self._linger.unlink()
        return held

    def is_idle(self) -> bool:
        """Whether nobody holds the runtime and nobody asked it to wait for the next one."""
        if self.is_held():
            return False
        with suppress(OSError, ValueError):
            return time.time() >= float(self._linger.read_text())
        return True

    def is_supervised(self) -> bool:
        """Whether a supervisor lives; False from the moment it ends."""
        return is_locked(self.supervisor)

    def record(self, processes: list[RecordedProcess]) -> None:
        write_atomically(self._processes, _RECORDS.dump_json(processes))

    def recorded(self) -> list[RecordedProcess]:
        with suppress(OSError, ValueError):
            return _RECORDS.validate_json(self._processes.read_bytes())
        return []

    def record_end(self, reason: str) -> None:
        write_atomically(self._end, reason)

    def recorded_end(self) -> str | None:
        with suppress(OSError):
            return self._end.read_text()
        return None

    def clear(self) -> None:
        """Remove what a supervisor that is gone left behind, its processes first; live leases stay."""
        for process in self.recorded() if self.is_here else ():
            process.kill_group()
        if self.container.exists():
            from compat_pipeline.proxy.container import reap_containers  # few have an engine's client to load

            with suppress(CompatError):  # without an engine: the next one that starts a container tries again
                reap_containers(self.home)
        if not self.is_held():
            shutil.rmtree(self.root, ignore_errors=True)
            return
        for entry in self.root.iterdir():
            if entry.is_dir() and entry != self._leases:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.is_file():
                entry.unlink(missing_ok=True)

    def take_down(self) -> None:
        """End the supervisor, if it lives, with it the proxy, and remove the state.

        Only while `changing`, and of one that `is_here`.
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _GRACE_S
            self._signal_supervisor(number)
            while self.is_supervised() and time.monotonic() < deadline:
                time.sleep(POLL_S / 2)
        self.clear()

    def _signal_supervisor(self, number: signal.Signals) -> None:
        # The lock is held by the process whose pid is in it, so the pid cannot be somebody else's.
        with suppress(OSError, ValueError):
            pid = int(self.supervisor.read_text())
            if self.is_supervised():
                os.kill(pid, number)


def forget_logs(home: CompatHome, older_than_days: float) -> None:
    """Remove the logs of proxies that are gone, and those of builds of images, last written longer ago."""
    limit = days_ago(older_than_days)
    for lock in home.runtimes.glob(f"*{_LOCK}"):
        folder = RuntimeFolder.of(home, lock.name.removesuffix(_LOCK))
        if folder.logs.is_dir() and not folder.root.exists():
            with folder.changing():
                if not folder.root.exists():
                    remove_older(folder.logs.glob("*.log"), limit)
                    with suppress(OSError):  # younger ones are left in it
                        folder.logs.rmdir()
    remove_older((home.logs / "images").glob(f"{'[0-9a-f]' * 40}.log"), limit)
