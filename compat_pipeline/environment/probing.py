"""Asking an environment's own interpreter: what it can import, what was patched, whether the router works."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from compat_pipeline.domain.environment_cell import EnvironmentCell, EnvironmentPart
from compat_pipeline.domain.environment_verdict import Stage, StageSeen
from compat_pipeline.ground.child import ChildRun, run_child
from compat_pipeline.ground.process import bare_environment

_PROBE = Path(__file__).with_name("within") / "compat_probe.py"
_LIMIT_S = 180.0
_OWN_FAULTS = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
"""Signals that a faulty module ends its process with; any other comes from outside."""
_LADDER: tuple[Stage, ...] = ("import", "self_report", "patch_truth", "router")
_STOCK_LADDER: tuple[Stage, ...] = ("import", "router")


class ProbeEvent(EnvironmentPart):
    """How one stage ended inside the interpreter, and what it saw."""

    stage: Stage
    passed: bool
    words: str
    seen: dict[str, Any]
    duration_s: float

    @property
    def ended(self) -> StageSeen:
        outcome = "passed" if self.passed else "failed"
        return StageSeen.model_validate({**self.model_dump(exclude={"passed", "seen"}), "outcome": outcome})


_EVENT = TypeAdapter(ProbeEvent)


def probe(
    cell: EnvironmentCell, python: Path, folder: Path, *, last: Stage = "router", shadow: Path | None = None
) -> Iterator[ProbeEvent | StageSeen]:
    """Each stage up to `last`; a plain StageSeen where the interpreter ended in the middle of one.

    `folder` is for this one probe. Packages in `shadow` come before the installed ones.
    """
    events = folder / "events.jsonl"
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {
        **bare_environment(home),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
        **({"PYTHONPATH": str(shadow)} if shadow else {}),
    }
    run = run_child([python, _PROBE, events, cell.runtime, last], env=environment, cwd=home, limit_s=_LIMIT_S)
    told = [_EVENT.validate_json(line) for line in events.read_bytes().splitlines()] if events.exists() else []
    yield from told
    if why := _died(run):
        due = _LADDER if cell.accelerator else _STOCK_LADDER
        reached = due[min(len(told), len(due) - 1)]
        yield StageSeen.model_validate({"stage": reached, **why})


def _died(run: ChildRun) -> dict[str, str]:
    """Outcome and words of the stage in which the interpreter ended; empty where it came to its end."""
    if run.timed_out:
        return {"outcome": "unclear", "words": f"no answer in {_LIMIT_S:.0f} s"}
    if run.exit_code == 0:
        return {}
    words = f"the interpreter ended with exit code {run.exit_code}: {run.stderr[-1000:]}"
    if run.exit_code < 0 and -run.exit_code not in _OWN_FAULTS:
        return {"outcome": "unclear", "words": words}
    return {"outcome": "failed", "words": words}
