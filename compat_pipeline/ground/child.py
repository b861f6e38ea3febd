"""One child process under a time limit: feed it turn by turn, read what it says, account for its CPU."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compat_pipeline.ground.process import bare_environment, end_group, spawned_group

_STDERR_KEPT_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_POLL_S = 0.1
_ANSWER_LIMIT_S = 60.0


@dataclass(frozen=True)
class ChildRun:
    """What one process said and how it ended. `exit_code` is minus the number of the signal that killed it.

    `stderr` is its last 64 kB. `started_at` is seconds since the epoch. `cpu_s` is user and system time, its own
    children's included; 0.0 when it ran out of time.
    """

    stdout: tuple[bytes, ...]
    stderr: str
    exit_code: int
    timed_out: bool
    started_at: float
    duration_s: float
    cpu_s: float


def ask_python(python: Path, question: str, folder: Path, limit_s: float = _ANSWER_LIMIT_S) -> ChildRun:
    """What an interpreter that is started in `folder` makes of `question`, code of ours. OSError when it cannot start.

    Even with -I it runs the .pth files of what is installed, which are other people's code: it sees nothing of ours.
    """
    return run_child([python, "-I", "-c", question], env=bare_environment(folder), cwd=folder, limit_s=limit_s)


def run_child(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    limit_s: float,
    turns: Sequence[bytes] = (),
    ends_turn: Callable[[bytes], bool] = bool,
    interrupt_on: Callable[[bytes], bool] | None = None,
    halted: Callable[[], bool] = lambda: False,
) -> ChildRun:
    """Run `argv` to its end or for `limit_s`, then end its whole process group; earlier once it is `halted`.

    Its first turn is written to stdin at once, each further one when a line of stdout `ends_turn`
    (default: any line that is not empty); stdin is closed after the last. It gets one SIGINT, as from Ctrl-C, at the
    first line to `interrupt_on`. OSError when it cannot be started.
    """
    started_at, start = time.time(), time.monotonic()
    pipe = subprocess.PIPE
    with spawned_group(
        argv, env=env, cwd=cwd, stdin=pipe if turns else subprocess.DEVNULL, stdout=pipe, stderr=pipe
    ) as process:
        talk = _Talk(process, list(turns), ends_turn, interrupt_on)
        try:
            cpu_s = talk.until(start + limit_s, halted)
        finally:
            end_group(process)
            talk.finish()
    return ChildRun(
        stdout=tuple(talk.lines),
        stderr=bytes(talk.stderr).decode(errors="replace"),
        exit_code=process.returncode,
        timed_out=cpu_s is None,
        started_at=started_at,
        duration_s=time.monotonic() - start,
        cpu_s=cpu_s or 0.0,
    )


@dataclass
class _Talk:
    """The three pipes of a child, served by one thread so that none of them can block another."""

    process: subprocess.Popen[bytes]
    turns: list[bytes]
    ends_turn: Callable[[bytes], bool]
    interrupt_on: Callable[[bytes], bool] | None
    lines: list[bytes] = field(default_factory=list)
    stderr: bytearray = field(default_factory=bytearray)
    _line: bytearray = field(default_factory=bytearray)
    _unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    _selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)

    def __post_init__(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                self._selector.register(pipe, selectors.EVENT_READ)
        if self.process.stdin:
            os.set_blocking(self.process.stdin.fileno(), False)
            self._next_turn()

    def until(self, deadline: float, halted: Callable[[], bool]) -> float | None:
        """Serve the pipes until the process has ended: its CPU seconds; None at the `deadline`, or once `halted`."""
        cpu_s: float | None = None
        while (left := deadline - time.monotonic()) > 0 and not halted():
            ready = self._selector.select(min(left, _POLL_S)) if self._selector.get_map() else []
            for key, _ in ready:
                self._serve(key)
            if ready:
                continue
            # Nothing to read: the process ended, or is busy. A grandchild may hold the pipes open for ever.
            if (cpu_s := self._reap()) is not None:
                break
            if not self._selector.get_map():
                time.sleep(0.002)
        return cpu_s

    def finish(self) -> None:
        """Read what it said between the last look and its end, and close the pipes; nobody is left to be told more."""
        self.turns, self.interrupt_on = [], None
        for key, _ in self._selector.select(0):  # one read each: a pipe holds no more
            self._serve(key)
        if self._line:
            self.lines.append(bytes(self._line))
        self._selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self.process.stdin:
            self._send(key.fd)
            return
        data = os.read(key.fd, _READ_BYTES)
        if not data:
            self._selector.unregister(key.fileobj)
        elif key.fileobj is self.process.stderr:
            self.stderr += data
            del self.stderr[:-_STDERR_KEPT_BYTES]
        else:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        *whole, rest = (bytes(self._line) + data).split(b"\n")
        self._line = bytearray(rest)
        for line in whole:
            self.lines.append(line)
            if self.turns and self.ends_turn(line):
                self._next_turn()
            if self.interrupt_on and self.interrupt_on(line):
                self.interrupt_on = None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.process.pid, signal.SIGINT)

    def _next_turn(self) -> None:
        if self.process.stdin and not self._unsent:
            self._unsent = memoryview(self.turns.pop(0))
            self._selector.register(self.process.stdin, selectors.EVENT_WRITE)

    def _send(self, stdin: int) -> None:
        try:
            self._unsent = self._unsent[os.write(stdin, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            # It no longer listens; how it ends tells why.
            self._unsent, self.turns = memoryview(b""), []
        if self._unsent:
            return
        self._selector.unregister(stdin)
        if not self.turns and self.process.stdin:
            self.process.stdin.close()

    def _reap(self) -> float | None:
        pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return None
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime
