"""Rows made up for tests: each is one conversation in one trouble, and is named after it.

Copied to where the suite's own pytest finds it; test files there call `judge`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from compat_pipeline.domain.observation import Outcome
from compat_pipeline.suite.cell_run import CellRun
from compat_pipeline.suite.count_tokens.probe import probe as count_tokens
from compat_pipeline.suite.tool_use.probe import probe as tool_use
from compat_pipeline.suite.true_non_streaming.probe import probe as true_non_streaming

Probe = Callable[[CellRun], Outcome]

PIDS = Path(__file__).with_name("pids.json")
"""Process ids, by name, that rows may kill."""

UNDER_WAY = ("anthropic", "bedrock_converse")
"""The providers whose cells wait for one another before a process is killed: one of each way LiteLLM takes."""

_UNENDING = "stall:60"
_SHORT_LIMIT_S = 10.0


def talk(run: CellRun, **options: Any) -> Outcome:
    """What every row does: ask, and prove that the answer came unharmed."""
    nonce = run.nonce()
    prompt = f"Reply with exactly this code and nothing else: {nonce}"
    run.converse(nonce, prompt, include_partial_messages=True, **options).prove_answer(nonce)
    return run.passed()


def armed(behaviour: str, probe: Probe = talk) -> Probe:
    """`probe` while the upstream behaves so to every conversation of it."""

    def troubled(run: CellRun) -> Outcome:
        run.behaviour = behaviour
        return probe(run)

    return troubled


def too_slow(behaviour: str) -> Probe:
    """An answer that takes longer than the CLI is given."""
    return armed(behaviour, lambda run: talk(run, timeout_s=_SHORT_LIMIT_S))


def claude_killed(number: signal.Signals, *, times: int) -> Probe:
    """The first `times` CLIs get a signal in the middle of their answer."""

    def troubled(run: CellRun) -> Outcome:
        left = [number] * times

        def at(line: bytes) -> bool:
            if left and b"message_start" in line:
                (cli,) = (one for one in psutil.Process().children() if Path(one.exe()).samefile(run.settings.claude))
                cli.send_signal(left.pop())
            return False

        return armed("stall", lambda run: talk(run, interrupt_on=at))(run)

    return troubled


def killed(name: str) -> Probe:
    """The process called `name` is killed once the cells of it are all in the middle of an answer."""

    def troubled(run: CellRun) -> Outcome:
        def at(line: bytes) -> bool:
            if b"message_start" in line:
                run.settings.scratch.joinpath(f"{name} serves {run.cell.provider}").touch()
                if len(list(run.settings.scratch.glob(f"{name} serves *"))) == len(UNDER_WAY):
                    os.kill(json.loads(PIDS.read_text())[name], signal.SIGKILL)
            return False

        return armed(_UNENDING, lambda run: talk(run, interrupt_on=at))(run)

    return troubled


def disk_full(probe: Probe) -> Probe:
    """The CLI can write no byte to any file, as on a disk without room, but without a disk to fill."""

    def troubled(run: CellRun) -> Outcome:
        claude = run.settings.scratch / f"{run.cell.feature}-{run.cell.provider}"
        claude.write_text(_ON_A_FULL_DISK.format(claude=run.settings.claude))
        claude.chmod(0o700)
        run.settings = run.settings.model_copy(update={"claude": claude})
        return probe(run)

    return troubled


_ON_A_FULL_DISK = """#!/bin/sh
trap "" XFSZ
ulimit -f 0
exec {claude} "$@"
"""

PROBES: dict[str, Probe] = {
    "plain": talk,
    "no_credit": armed("no_credit"),
    "refused_key": armed("refused_key"),
    "overloaded": armed("overloaded"),
    "overloaded_once": armed("overloaded_once", tool_use),
    "rate_limited_once": armed("rate_limited:1_once"),
    "rate_limited_unadvised_once": armed("rate_limited_unadvised_once"),
    "server_error_once": armed("server_error_once"),
    "broken_stream": armed("broken_stream"),
    "reset": armed("reset"),
    "reset_once": armed("reset_once", tool_use),
    "reset_stream": armed("reset_stream"),
    "reset_stream_once": armed("reset_stream_once"),
    "slow": armed("slow:1"),
    "stalled": armed("stall:1"),
    "too_slow": too_slow("slow:60"),
    "stalled_for_good": too_slow(_UNENDING),
    "count_without_credit": armed("no_credit", count_tokens),
    "count_while_overloaded": armed("overloaded", count_tokens),
    "count_reset_once": armed("reset_once", count_tokens),
    "whole_answer_reset_once": armed("reset_once", true_non_streaming),
    "claude_killed_once": claude_killed(signal.SIGKILL, times=1),
    "claude_hung_up": claude_killed(signal.SIGHUP, times=3),
    "disk_full": disk_full(tool_use),
    "upstream_killed": killed("upstream"),
    "proxy_killed": killed("proxy"),
}


def judge(run: CellRun) -> Outcome:
    """The outcome of the row that the cell belongs to."""
    return PROBES[run.cell.feature](run)
