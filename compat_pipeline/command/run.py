"""`compat run`: execute a job in this process, show its progress, then the matrix."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console

from compat_pipeline.assets.cells import NO_TEST, cell_results, silent_rows
from compat_pipeline.automation.jobs import INCONCLUSIVE
from compat_pipeline.command.instance import open_instance
from compat_pipeline.command.output import Output
from compat_pipeline.command.progress import progress_on
from compat_pipeline.command.show import page_of
from compat_pipeline.definitions import defs
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.lease import stop_idle

_COMMIT = dg.AssetKey("published_docs_commit")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_all(litellm: str, claude_code: str, output: Output) -> bool:
    """The whole walk; True when every cell of it was judged, and every row has a test."""
    pins = {"litellm_release": litellm, "claude_code_release": claude_code}
    ops = {name: {"config": {"version": version}} for name, version in pins.items()}
    return _run("refresh_matrix", {"ops": ops}, output)


def run_some(patterns: list[str], output: Output) -> bool:
    """Chosen cells with the current versions; True when every one was judged, and every row of them has a test."""
    refuse_unknown_cells([pattern for pattern in patterns if pattern != INCONCLUSIVE])
    return _run("run_cells", {"ops": {"run_chosen_cells": {"config": {"cells": patterns}}}}, output)


def refuse_unknown_cells(patterns: list[str]) -> None:
    """Raises WrongUsage for a pattern that matches no cell."""
    try:
        select(load_manifest().cells, patterns)
    except NoSuchCell as error:
        raise WrongUsage(str(error), "see `compat run --help` for how cells are named") from error


def _run(job: str, config: dict[str, Any], output: Output) -> bool:
    home, started = CompatHome.from_env(), time.monotonic()
    with executed(job, config, home, output) as result:
        page, commit, statuses = page_of(home), _commit(result), _statuses(result)
    silent = silent_rows(statuses, (cell for cell, status in statuses.items() if status != NO_TEST["status"]))

    def tell(console: Console) -> None:
        console.print()
        page.print(console)
        if commit:
            console.print(
                f"docs repo  {commit['docs_repo']}  commit {commit['sha']} ({commit['reason']})", markup=False
            )
        for row in silent:
            console.print(f"[yellow]? nothing was observed of {row}: no test for it in suite/{row}/[/]")
        console.print(f"[dim]{time.monotonic() - started:.0f} s in all[/]")

    output.result({**page.document(), "docs_commit": commit}, tell)
    return not silent and not {"inconclusive", "missing"}.intersection(statuses.values())


def _statuses(result: dg.ExecuteInProcessResult) -> dict[Cell, str]:
    """The cells that the run was about, each with its status; `missing` where the run lost one."""
    found = {}
    for event in result.get_asset_materialization_events():
        if event.asset_key == cell_results.key and event.partition:
            status = event.materialization.metadata.get("status")
            found[Cell.parse(str(event.partition))] = str(status.value) if status else "missing"
    return found


@contextmanager
def executed(job: str, config: dict[str, Any], home: CompatHome, output: Output) -> Iterator[dg.ExecuteInProcessResult]:
    """The result of a job that runs in this process with its progress on `output`; no proxy is left up."""
    with open_instance(home) as instance:
        try:
            with output.working() as console, progress_on(console):
                result = execute(job, config, instance)
        finally:
            stop_idle(home)
        yield result


def execute(
    job: str, config: dict[str, Any], instance: dg.DagsterInstance, run_id: str | None = None
) -> dg.ExecuteInProcessResult:
    """The result of a job that runs in this process; raises CompatError with a failed step's message."""
    try:
        return defs.resolve_job_def(job).execute_in_process(config | _QUIET, instance, run_id=run_id)
    except dg.Failure as error:
        raise CompatError(error.description or "the run failed") from error
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error


def _commit(result: dg.ExecuteInProcessResult) -> dict[str, Any] | None:
    """What was made of the docs repository; None when the job does not publish."""
    for event in result.get_asset_materialization_events():
        if event.asset_key == _COMMIT:
            metadata = event.materialization.metadata
            return {name: metadata[name].value for name in ("docs_repo", "sha", "reason")}
    return None
