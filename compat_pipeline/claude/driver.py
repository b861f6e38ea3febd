"""The one way to run Claude Code: one call, headless, in a place built from nothing, against one proxy."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from compat_pipeline.claude.stream import ClaudeResult, ends_turn, read_stream
from compat_pipeline.ground.child import run_child
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder

_PATH = "/usr/local/bin:/usr/bin:/bin"
_SWITCHES = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "0",  # its own retries would hide faults
    "DISABLE_AUTOUPDATER": "1",
    "LANG": "C.UTF-8",
    "PATH": _PATH,
    "TERM": "dumb",
}
_PLACES = {"HOME": "home", "CLAUDE_CONFIG_DIR": "config", "TMPDIR": "tmp"}
_SESSION_PLACES = ("home", "config")
_TOKEN_VARIABLE = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105 - a name, not a token


@dataclass(frozen=True)
class ProxyAddress:
    """Where the CLI sends its requests: the proxy, and the key it takes."""

    base_url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class ClaudeCall:
    """One call: a `prompt`, or `messages` (content blocks of one user turn each, sent one after the other's answer).

    `model` is the name under which the proxy serves it. `tools` are the built-in tools: none by default, which makes
    a request 30 instead of 90 kB; None leaves the CLI its own set. `files` are laid into the working folder.
    With a `session_id` (a UUID) the conversation is kept in the sandbox, and `resume` takes it up again.
    `interrupt_on` tells at which line of the CLI's output a user would press Ctrl-C.
    """

    model: str
    prompt: str | None = None
    messages: tuple[Sequence[Mapping[str, Any]], ...] = ()
    tools: tuple[str, ...] | None = ()
    allowed_tools: tuple[str, ...] = ()
    include_partial_messages: bool = False
    effort: str | None = None
    json_schema: Mapping[str, Any] | None = None
    mcp_servers: Mapping[str, Any] = field(default_factory=dict)
    agents: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    session_id: str | None = None
    resume: bool = False
    interrupt_on: Callable[[bytes], bool] | None = None
    extra_env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("a call has either a prompt or messages")
        if self.resume and self.session_id is None:
            raise ValueError("only a session can be resumed")


class Sandbox(AbstractContextManager["Sandbox"]):
    """A home, configuration, temporary and working folder for the CLI, gone at the end.

    The CLI puts its working folder into the prompt, so calls that must see the very same prompt share a sandbox;
    each finds it empty, but for the sessions that a resumed call needs.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._root: Path | None = None

    def __enter__(self) -> Sandbox:
        self._root = Path(tempfile.mkdtemp(prefix="claude-", dir=make_folder(self._scratch)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def work(self) -> Path:
        """The working folder."""
        return self._folder / "work"

    def prepare(self, files: Mapping[str, bytes] | None = None, *, keep_sessions: bool = False) -> dict[str, str]:
        """Make the folders anew and lay `files` into the working one; returns the variables that lead the CLI there."""
        for folder in (*_PLACES.values(), self.work.name):
            if not (keep_sessions and folder in _SESSION_PLACES):
                shutil.rmtree(self._folder / folder, ignore_errors=True)
            make_folder(self._folder / folder)
        for name, content in (files or {}).items():
            (self.work / name).write_bytes(content)
        return {variable: str(self._folder / name) for variable, name in _PLACES.items()}

    @property
    def _folder(self) -> Path:
        if self._root is None:
            raise RuntimeError("enter the sandbox first")
        return self._root


def run_claude(cli: Path, proxy: ProxyAddress, call: ClaudeCall, sandbox: Sandbox) -> ClaudeResult:
    """Run the CLI once. A fault of the call is data (`error`), never an exception.

    Raises CompatError only when the CLI cannot be started at all.
    """
    argv = command(cli, call)
    places = sandbox.prepare(call.files, keep_sessions=call.resume)
    env = {**_SWITCHES, **places, "ANTHROPIC_BASE_URL": proxy.base_url, **call.extra_env}
    turns = [_user_turn(blocks) for blocks in call.messages]
    try:
        run = run_child(
            argv,
            env={**env, _TOKEN_VARIABLE: proxy.token},
            cwd=sandbox.work,
            limit_s=call.timeout_s,
            turns=turns,
            ends_turn=ends_turn,
            interrupt_on=call.interrupt_on,
        )
    except OSError as error:
        raise CompatError(f"cannot start Claude Code at {cli}: {error.strerror}", "fetch it again") from error
    result = read_stream(run, turns=len(turns) or 1)
    return replace(result, argv=tuple(argv), env=env, stdin=b"".join(turns).decode())


def command(cli: Path, call: ClaudeCall) -> list[str]:
    """The command line of a call. `--` keeps the variadic options from swallowing the prompt."""
    options = ["-p", "--output-format", "stream-json", "--verbose", "--model", call.model, *_session(call)]
    if call.tools is not None:
        options += ["--tools", ",".join(call.tools)]
    if call.allowed_tools:
        options += ["--allowedTools", *call.allowed_tools]
    if call.include_partial_messages:
        options += ["--include-partial-messages"]
    if call.effort:
        options += ["--effort", call.effort]
    if call.json_schema is not None:
        options += ["--json-schema", json.dumps(call.json_schema)]
    if call.mcp_servers:
        options += ["--strict-mcp-config", "--mcp-config", json.dumps({"mcpServers": call.mcp_servers})]
    if call.agents:
        options += ["--agents", json.dumps(call.agents)]
    if call.messages:
        return [str(cli), *options, "--input-format", "stream-json"]
    return [str(cli), *options, "--", call.prompt or ""]


def _session(call: ClaudeCall) -> list[str]:
    if call.session_id is None:
        return ["--no-session-persistence"]
    return ["--resume" if call.resume else "--session-id", call.session_id]


def _user_turn(blocks: Sequence[Mapping[str, Any]]) -> bytes:
    message = {"role": "user", "content": [dict(block) for block in blocks]}
    return json.dumps({"type": "user", "message": message}).encode() + b"\n"
