"""The ladder of one environment: each stage for real, in a venv of its own, with the proxy, the upstreams and the suite
of the first matrix. How a stage ended is data; nothing is raised."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.causes import shortage
from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.domain.environment_cell import EnvironmentCell, EnvironmentPart
from compat_pipeline.domain.environment_verdict import (
    STAGES,
    EnvironmentObservation,
    SelfReport,
    Stage,
    StageSeen,
)
from compat_pipeline.domain.observation import Fail, Inconclusive, Outcome
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.environment.controls import try_controls
from compat_pipeline.environment.probing import ProbeEvent, probe
from compat_pipeline.environment.resolving import Unresolvable, lock_environment, without_the_proxy
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.lease import ProxyDown, RuntimeSpec, lease
from compat_pipeline.proxy.release import LitellmRelease, companions, sha256
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.proxy.venv import ProxyVenv, build_venv
from compat_pipeline.suite.cell_run import CellRun, Judged, prove
from compat_pipeline.suite.revision import suite_revision
from compat_pipeline.suite.runner import run_suite
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline.wire.exchange import UpstreamControl

_T = TypeVar("_T")

_WORDS_CHARS = 6000
_TIMED_OUT = "did not come up in"
_COUNTED = [{"role": "user", "content": "How many tokens are these?"}]
"""Always the same: what was counted in another environment is compared with it."""
_MESSAGES_ROW, _STREAM_ROW = "basic_messaging_non_streaming", "basic_messaging_streaming"


class CellSpec(EnvironmentPart):
    """What is run. `cell` names versions only; `python` is its interpreter, `folder` its own, and gone afterwards.

    `routes` are the `provider/model` through which messages go. `until` is the last stage that is wanted. With
    `controls`, the negative controls are tried as well.
    """

    cell: EnvironmentCell
    python: Path
    python_version: str
    platform: str
    folder: Path
    cli: ClaudeCli
    routes: tuple[str, ...]
    until: Stage = "claude_cli"
    controls: bool = True

    def nothing_yet(self) -> EnvironmentObservation:
        """What is seen before the first stage."""
        return EnvironmentObservation(
            cell=self.cell,
            python_version=self.python_version,
            platform=self.platform,
            claude_code_version=self.cli.version,
            observed_at=datetime.now(timezone.utc),
        )


class _Unsound(Exception):
    """A stage failed, or could not be judged (`unclear`)."""

    def __init__(self, words: str, *, unclear: bool = False) -> None:
        super().__init__(words)
        self.outcome = "unclear" if unclear else "failed"


@dataclass
class Ladder:
    """One climb. `tell` hears of all that was seen so far whenever there is more of it."""

    spec: CellSpec
    home: CompatHome
    tell: Callable[[EnvironmentObservation], None]
    seen: EnvironmentObservation = field(init=False)
    _redactor: Redactor = field(default_factory=lambda: Redactor(()))

    def __post_init__(self) -> None:
        self.seen = self.spec.nothing_yet()

    def climb(self) -> EnvironmentObservation:
        """Every stage up to the last that is wanted; one that needs an unsound one is not reached."""
        started = time.monotonic()
        release = self._stage("resolve", self._resolve)
        venv = self._stage("install", lambda: self._install(release)) if release else None
        if release and venv and self._imports(venv):
            self._serve(release, venv)
            if self.spec.controls and self.spec.cell.accelerator:
                self._add(controls=try_controls(self.spec.cell, venv.python, self.spec.folder / "controls"))
        self._add(duration_s=round(time.monotonic() - started, 1))
        return self.seen

    def _stage(self, stage: Stage, run: Callable[[], _T]) -> _T | None:
        """What `run` gives; None where the stage is unsound or not wanted."""
        if not self._wanted(stage):
            return None
        started, result, outcome, words = time.monotonic(), None, "passed", ""
        try:
            result = run()
        except _Unsound as error:
            outcome, words = error.outcome, str(error)
        except Judged as error:
            outcome, words = _of(error.outcome)
        except (CompatError, OSError) as error:
            outcome, words = "unclear", str(error)
        duration_s = round(time.monotonic() - started, 2)
        self._ended(
            StageSeen.model_validate({"stage": stage, "outcome": outcome, "words": words, "duration_s": duration_s})
        )
        return result

    def _wanted(self, stage: Stage) -> bool:
        return STAGES.index(stage) <= STAGES.index(self.spec.until)

    def _ended(self, seen: StageSeen) -> None:
        """What the machine ran out of is nobody's fault, whoever tells it."""
        if seen.outcome == "failed" and (lacking := shortage(seen.words)):
            seen = seen.model_copy(update={"outcome": "unclear", "words": lacking})
        seen = seen.model_copy(update={"words": self._redactor.text(seen.words)[-_WORDS_CHARS:]})
        self.seen = self.seen.ended(seen)
        self.tell(self.seen)

    def _add(self, **fields: Any) -> None:
        self.seen = self.seen.model_copy(update=fields)
        self.tell(self.seen)

    def _resolve(self) -> LitellmRelease:
        cell, python, folder = self.spec.cell, self.spec.python, self.spec.folder / "resolve"
        try:
            release = lock_environment(cell, python, folder)
        except Unresolvable as proof:
            words = str(proof)
            alone = without_the_proxy(cell.accelerator, python, folder) if cell.accelerator else ""
            if alone and alone != cell.litellm:
                words += f"\nWithout the proxy, {cell.accelerator} resolves with LiteLLM {alone}."
            raise _Unsound(words) from proof
        self._add(lock=release.digest, companions=tuple(companions(cell.litellm)))
        return release

    def _install(self, release: LitellmRelease) -> ProxyVenv:
        """A venv of this climb, and gone with it; its digest tells the folder, so that nobody shares a proxy in it."""
        folder = self.spec.folder / "venv"
        build_venv(folder, release, self.spec.python)
        return ProxyVenv(
            python=folder / "bin" / "python",
            digest=sha256(f"{release.digest} {self.spec.python_version} {self.spec.cell.key} {folder}"),
            accelerated=self.spec.cell.accelerator is not None,
        )

    def _imports(self, venv: ProxyVenv) -> bool:
        """The stages inside the interpreter; whether it has what a proxy needs."""
        if not self._wanted("import"):
            return False
        report: dict[str, Any] = {}
        last: Stage = self.spec.until if not self._wanted("router") else "router"
        for event in probe(self.spec.cell, venv.python, self.spec.folder / "probe", last=last):
            if not isinstance(event, ProbeEvent):
                self._ended(event)
                continue
            known = {name: event.seen[name] for name in ("counts", "declared", "resolved") if name in event.seen}
            report |= {name: event.seen[name] for name in SelfReport.model_fields if name in event.seen}
            self.seen = EnvironmentObservation.model_validate({**self.seen.model_dump(), **known})
            self._ended(event.ended)
        if report.keys() == SelfReport.model_fields.keys():
            self._add(report=SelfReport.model_validate(report))
        return any(one.stage == "import" and one.outcome == "passed" for one in self.seen.stages)

    def _serve(self, release: LitellmRelease, venv: ProxyVenv) -> None:
        manifest = load_manifest().of_targets(self.spec.routes)
        spec = RuntimeSpec(release=release, installed=venv, manifest=manifest)
        with ExitStack() as stack:
            runtime = self._stage("proxy_boot", lambda: _up(stack, spec, self.home))
            if runtime is None:
                return
            self._redactor = Redactor(runtime.secrets)
            settings = SuiteSettings.for_runtime(
                runtime, release, self.spec.cli, self.home.scratch, suite_revision(load_manifest()), prices={}
            )
            with closing(UpstreamControl(runtime.control_url, runtime.control_token)) as control:
                self._stage("messages", lambda: self._ask_all(settings, control, _MESSAGES_ROW))
                self._stage("stream", lambda: self._ask_all(settings, control, _STREAM_ROW))
            self._stage("claude_cli", lambda: self._call_claude(settings))

    def _ask_all(self, settings: SuiteSettings, control: UpstreamControl, row: str) -> None:
        """A message through every route, as JSON or as events, by the row of the matrix that it is like."""
        for route in self.spec.routes:
            provider, _, model = route.partition("/")
            run = CellRun(cell=Cell(row, provider, model), route=route, settings=settings, upstream=control)
            said = [{"role": "user", "content": f"Are you there? ({(nonce := run.nonce())})"}]
            message = {"model": route, "max_tokens": 64, "messages": said, "stream": row == _STREAM_ROW}
            client = run.post(nonce, "/v1/messages", message).client
            broken = "; ".join(client.violations)
            prove(not broken, f"the event stream of {route} breaks its grammar: {broken}")
            came = bool((client.message or {}).get("content"))
            prove(came, f"no message came back from {route}: {client.body or client.unreadable}")
        if row == _MESSAGES_ROW:
            asked = {"model": route, "messages": _COUNTED}
            counted = run.post(nonce, "/utils/token_counter", asked).client.body or {}
            if isinstance(total := counted.get("total_tokens"), int):
                self._add(counts={**self.seen.counts, "the proxy's token counter": total})

    def _call_claude(self, settings: SuiteSettings) -> None:
        """The suite's own row, with the real CLI and all its proofs."""
        provider, _, model = self.spec.routes[0].partition("/")
        trial = Trial(Cell(_STREAM_ROW, provider, model))
        observed = list(run_suite([trial], settings, self.home, workers=1, artifact=False))
        self._add(evidence=observed[0].evidence)
        outcome, words = _of(observed[0].outcome)
        if outcome != "passed":
            raise _Unsound(words, unclear=outcome == "unclear")


def _up(stack: ExitStack, spec: RuntimeSpec, home: CompatHome) -> Runtime:
    """A proxy that answers; one that only was too slow says nothing of it."""
    try:
        return stack.enter_context(lease(spec, home, linger_s=0))
    except ProxyDown as error:
        raise _Unsound(error.message, unclear=_TIMED_OUT in error.message) from error


def _of(outcome: Outcome) -> tuple[str, str]:
    """What the outcome of a compatibility test makes of a stage."""
    if isinstance(outcome, Fail):
        return "failed", outcome.error
    return ("unclear", f"{outcome.cause}: {outcome.error}") if isinstance(outcome, Inconclusive) else ("passed", "")
