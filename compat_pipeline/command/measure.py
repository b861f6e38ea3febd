"""The measuring process of `compat bench`: all cells through the job, then the same CLI calls bare."""

from __future__ import annotations

import json
import resource
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
import dagster as dg

from compat_pipeline.claude.driver import ProxyAddress, Sandbox
from compat_pipeline.claude.stream import ends_turn
from compat_pipeline.command.instance import open_instance
from compat_pipeline.command.main import faults_exit_with
from compat_pipeline.command.run import execute
from compat_pipeline.domain.observation import Observation
from compat_pipeline.ground.child import run_child
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.exit_codes import COULD_NOT_RUN
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.ground.manifest_file import load_manifest, planned_rows
from compat_pipeline.proxy.lease import stop_idle
from compat_pipeline.resources.cell_runner import clis_at_once
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.wire.evidence import CallEvidence, EvidenceStore
from compat_pipeline.wire.latency import added_latency_ms

_KIB_PER_MIB = 1024
_LIMIT_S = 120.0


class Spent(NamedTuple):
    """What something took: seconds by the clock, and CPU seconds."""

    wall_s: float
    cpu_s: float


def measure(result: Path) -> None:
    """Write the figures to `result`; the proxy is up before either measurement starts."""
    home, manifest = CompatHome.from_env(), load_manifest()
    index, npm = PythonIndex(), NpmRegistry()
    litellm, claude_code = index.resolve(""), npm.resolve("")
    npm.fetch(claude_code)  # once for all runs, so it is no cost of this one
    with open_instance(home) as instance:
        pins = {"litellm_release": litellm.request, "claude_code_release": claude_code.version}
        config = {"ops": {name: {"config": {"version": version}} for name, version in pins.items()}}
        with ProxyRuntime().lease(litellm, index.install(litellm), manifest) as up:
            planned = len(planned_rows(manifest).cells)
            click.echo(f"{planned} cells through the pipeline ...", err=True)
            run_id, started = str(uuid.uuid4()), _FirstStep()
            instance.add_event_listener(run_id, started)
            wall, cpu = time.monotonic(), _cpu_s()
            execute("refresh_matrix", config, instance, run_id)
            spent = Spent(time.monotonic() - wall, _cpu_s() - started.cpu_s)
            peak_rss_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # before evidence is read for the floor
            seen = _observations(home)
            if not (calls := _calls(seen, home)):
                raise CompatError("no cell ran the CLI, so there is nothing to compare with", "`compat run` tells why")
            click.echo(f"the same {len(calls)} CLI calls bare ...", err=True)
            address = ProxyAddress(up.proxy_url, up.api_key)
            floor = _floor(calls, address, home, clis_at_once(len(seen)))
    stop_idle(home)
    figures = {
        **compare(seen, spent, floor, cli_cpu_s=sum(call.cpu_s for call in calls)),
        "dagster_start_cpu_s": round(started.cpu_s - cpu, 2),
        "recorder_added_ms": round(added_latency_ms(), 2),
        "peak_rss_mb": round(peak_rss_kib / _KIB_PER_MIB),
    }
    write_atomically(result, json.dumps(figures))


def compare(seen: Sequence[Observation], spent: Spent, floor: Spent, *, cli_cpu_s: float) -> dict[str, float]:
    """The pipeline's cost beside the floor's; `cli_cpu_s` of the CPU that was spent was the CLI's."""
    own_cpu_s = spent.cpu_s - cli_cpu_s
    return {
        "cells": len(seen),
        "judged": len([one for one in seen if one.outcome.status != "inconclusive"]),
        "wall_s": round(spent.wall_s, 2),
        "floor_wall_s": round(floor.wall_s, 2),
        "wall_ratio": round(spent.wall_s / floor.wall_s, 3),
        "pipeline_cpu_per_cell_s": round(own_cpu_s / len(seen), 4),
        "floor_cpu_per_cell_s": round(floor.cpu_s / len(seen), 4),
        "cpu_ratio": round(own_cpu_s / floor.cpu_s, 3),
    }


class _FirstStep:
    """The CPU used up to a run's first step: what came before was Dagster's own start."""

    cpu_s: float = 0.0

    def __call__(self, event: dg.EventLogEntry) -> None:
        if event.dagster_event_type == dg.DagsterEventType.STEP_START and not self.cpu_s:
            self.cpu_s = _cpu_s()


def _cpu_s() -> float:
    """CPU of this process and of all it started and waited for (pytest, its workers, the CLIs)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _observations(home: CompatHome) -> list[Observation]:
    document = json.loads(home.results.read_text())
    return [Observation.model_validate(one) for one in document["results"]]


def _calls(seen: list[Observation], home: CompatHome) -> list[CallEvidence]:
    """Every run of the CLI, from the evidence."""
    evidence = EvidenceStore(home.evidence)
    return [call for one in seen if one.evidence for call in evidence.read(one.evidence).calls if call.argv]


def _floor(calls: list[CallEvidence], proxy: ProxyAddress, home: CompatHome, at_once: int) -> Spent:
    """What the very same calls take with as many at a time and nothing around them; the CPU is the CLI's."""
    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        cpu_s = sum(pool.map(lambda call: _bare(call, proxy, home.scratch), calls))
    return Spent(time.monotonic() - started, cpu_s)


def _bare(call: CallEvidence, proxy: ProxyAddress, scratch: Path) -> float:
    """The CPU seconds of one call."""
    with Sandbox(scratch) as sandbox:
        own = {"ANTHROPIC_BASE_URL": proxy.base_url, "ANTHROPIC_AUTH_TOKEN": proxy.token}
        return run_child(
            call.argv,
            env=call.env | sandbox.prepare() | own,
            cwd=sandbox.work,
            limit_s=_LIMIT_S,
            turns=[line.encode() + b"\n" for line in call.stdin.splitlines()],
            ends_turn=ends_turn,
        ).cpu_s


if __name__ == "__main__":
    with faults_exit_with(COULD_NOT_RUN):
        measure(Path(sys.argv[1]))
