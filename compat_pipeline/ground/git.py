"""Git on one folder, with an environment of its own: the user's configuration, hooks and identity change nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.process import quotable, spawned_group

# The user's own configuration, hooks, signing and index extensions must not change what is committed.
_OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "commit.gpgSign=false",
    "log.showSignature=false",
)


class Git:
    """Git in `folder`, with `environment` on top of almost nothing and `settings` on top of our overrides."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        settings: tuple[str, ...] = (),
        timeout_s: float = 60.0,
    ) -> None:
        self._timeout_s = timeout_s
        self.folder = folder.resolve()
        self._settings = [part for setting in (*_OVERRIDES, *settings) for part in ("-c", setting)]
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **(environment or {}),
        }

    def run(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Standard output; CompatError with git's own words when git fails."""
        done = self.spawn(args, stdin, env)
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip() or f"git {args[0]} failed"
            raise CompatError(
                f"git cannot use {self.folder}: {quotable(words, self._env)}", "check the folder and its owner"
            )
        return done.stdout.decode(errors="replace")

    def succeeds(self, *args: str) -> bool:
        return self.spawn(args).returncode == 0

    def spawn(
        self, args: tuple[str, ...], stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Git's end, whatever it is; CompatError only when it cannot be started or takes too long."""
        argv = ["git", "-C", str(self.folder), "--literal-pathspecs", *self._settings, *args]
        whole, pipe = {**self._env, **(env or {})}, subprocess.PIPE
        try:
            with spawned_group(argv, env=whole, stdin=pipe, stdout=pipe, stderr=pipe) as git:
                said, complained = git.communicate(stdin, timeout=self._timeout_s)
            return subprocess.CompletedProcess(argv, git.returncode, said, complained)
        except subprocess.TimeoutExpired as error:
            raise CompatError(f"git {args[0]} took over {self._timeout_s:.0f} s in {self.folder}") from error
        except OSError as error:
            raise CompatError(f"git cannot be started: {error.strerror}", "install git and try again") from error
