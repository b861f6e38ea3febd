"""Record what a CLI version really says: `python -m compat_pipeline_tests.claude.record VERSION...`.

Writes `recordings/VERSION/CASE.jsonl`, with this machine's paths and the run's ids scrubbed.
"""

from __future__ import annotations

import itertools
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from compat_pipeline.claude.binary import ensure_cli
from compat_pipeline.claude.driver import ClaudeCall, ProxyAddress, Sandbox, run_claude
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import resolve_claude_code
from compat_pipeline.ground.home import CompatHome
from compat_pipeline_tests.claude.loopback import TOKEN, closed_port, loopback_api

RECORDINGS = Path(__file__).parent / "recordings"
MODEL = "anthropic/claude-sonnet-4-6"
_THINK = ({"type": "text", "text": "[think] twice"},)
_BASH: dict[str, Any] = {"tools": ("Bash",), "allowed_tools": ("Bash(echo:*)",)}
_SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}

CASES = {
    "plain_text": ClaudeCall(MODEL, "hello"),
    "partial_messages": ClaudeCall(MODEL, "[think] hello", include_partial_messages=True),
    "tool_call": ClaudeCall(MODEL, "[tool]", include_partial_messages=True, **_BASH),
    "thinking_two_turns": ClaudeCall(MODEL, messages=(_THINK, _THINK), effort="high"),
    "structured_output": ClaudeCall(MODEL, "name a colour", json_schema=_SCHEMA),
    "fallback_after_404": ClaudeCall(MODEL, "[no-stream]"),
    "refused_400": ClaudeCall(MODEL, "[status 400]"),
    "overloaded_529": ClaudeCall(MODEL, "[status 529]"),
    "connection_refused": ClaudeCall(MODEL, "hello"),
    "timeout": ClaudeCall(MODEL, "[hang]", timeout_s=3),
}
_SOCKET = re.compile(r"\b\d+\.sock\b")
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def record(version: str) -> None:
    """Run every case with the real CLI of `version` and keep its stdout."""
    cache = CompatHome.from_env().cache
    npm = Npm(cache)
    cli = ensure_cli(resolve_claude_code(version, npm, datetime.now(timezone.utc)), cache, npm)
    for name, call in CASES.items():
        with TemporaryDirectory() as folder, loopback_api() as api, Sandbox(Path(folder)) as sandbox:
            heard = Path(folder) / "heard.jsonl"
            tee = Path(folder) / "claude"
            tee.write_text(f'#!/bin/bash\nset -o pipefail\n"{cli.path}" "$@" | tee "{heard}"\n')
            tee.chmod(0o755)
            proxy = api.proxy if name != "connection_refused" else ProxyAddress(closed_port(), TOKEN)
            result = run_claude(tee, proxy, call, sandbox)
            target = RECORDINGS / version / f"{name}.jsonl"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(scrub(heard.read_text(), sandbox.work.parent).replace(proxy.base_url[7:], "loopback"))
            print(f"{version} {name}: exit {result.exit_code}, {result.error or 'no error'}")


def scrub(text: str, root: Path) -> str:
    """The same lines without the sandbox's path (also in the CLI's dashed spelling of it) and random ids."""
    dashed = re.sub(r"[^A-Za-z0-9]", "-", str(root))
    numbers = itertools.count(1)
    known: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        return known.setdefault(found[0], f"00000000-0000-0000-0000-{next(numbers):012}")

    placed = text.replace(str(root), "/sandbox").replace(dashed, "-sandbox")
    return _SOCKET.sub("1.sock", _UUID.sub(numbered, placed))


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        record(wanted)
