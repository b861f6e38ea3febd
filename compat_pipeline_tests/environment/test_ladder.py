"""The ladder over stand-ins: each way to be broken is found at its own stage, and what is nobody's fault is unclear."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.environment import Interpreter
from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.domain.environment_verdict import EnvironmentObservation, Stage
from compat_pipeline.environment.ladder import CellSpec, Ladder
from compat_pipeline.environment.run import run_environment
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import PACKAGED
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline_tests.environment.stand_ins import StandIns
from compat_pipeline_tests.proxy.leased import is_gone

FAST = EnvironmentCell("3.11", "1.83.14", "fast-litellm==0.1.10")
CLI = ClaudeCli(Path("/nowhere/claude"), "2.1.329", "ab" * 64, "cd" * 32, "2.1.329 (Claude Code)")
HERE = Interpreter(minor="3.11", path=sys.executable, version="3.11.7", platform="linux-x86_64")
ROUTES = ("anthropic/claude-haiku-4-5",)


def climbed(
    home: CompatHome,
    until: Stage = "router",
    cell: EnvironmentCell = FAST,
    tell: Callable[[EnvironmentObservation], None] = lambda _: None,
    **settings: object,
) -> EnvironmentObservation:
    folder = home.scratch / cell.runtime / uuid.uuid4().hex
    folder.mkdir(parents=True)
    spec = CellSpec(
        cell=cell,
        python=Path(sys.executable),
        python_version="3.11.7",
        platform="linux-x86_64",
        folder=folder,
        cli=CLI,
        routes=ROUTES,
        until=until,
        **settings,  # type: ignore[arg-type]
    )
    return Ladder(spec, home, tell).climb()


def is_serving(seen: EnvironmentObservation) -> bool:
    """Whether its proxy is up, and not yet ended with the climb."""
    return not seen.duration_s and "proxy_boot" in [one.stage for one in seen.stages]


def unsound(seen: EnvironmentObservation) -> tuple[str, str]:
    found = seen.first_unsound
    assert found is not None, seen
    return found.stage, found.outcome


@pytest.mark.usefixtures("wheels")
def test_a_sound_environment_serves_messages_through_an_accelerated_proxy(home: CompatHome) -> None:
    seen = climbed(home, until="stream")
    assert {one.stage: one.outcome for one in seen.stages[:-1]} == dict.fromkeys(
        ("resolve", "install", "import", "self_report", "patch_truth", "router", "proxy_boot", "messages"), "passed"
    )
    assert unsound(seen) == ("stream", "failed")  # the stand-in knows JSON only
    assert seen.resolved["litellm"] == "1.83.14"
    assert seen.declared == ("litellm>=1.0",)
    assert seen.counts["tools"] == 8
    assert seen.counts["the proxy's token counter"] == 7
    assert is_gone(home)


@pytest.mark.usefixtures("wheels")
def test_a_proxy_is_not_shared_because_its_venv_goes_with_its_run(home: CompatHome) -> None:
    up: list[int] = []

    def look(seen: EnvironmentObservation) -> None:
        if is_serving(seen):
            up.append(len(RuntimeFolder.every(home)))

    def another(seen: EnvironmentObservation) -> None:
        if is_serving(seen):
            climbed(home, until="proxy_boot", cell=FAST.stock, tell=look)

    climbed(home, until="proxy_boot", cell=FAST.stock, tell=another)
    assert up == [2]


@pytest.mark.usefixtures("wheels")
def test_what_the_accelerator_tells_and_what_it_patched_are_both_kept(home: CompatHome) -> None:
    report = climbed(home).report
    assert report is not None
    assert report.healthy
    assert report.claimed == ("routing", "rate_limiting")
    assert report.missing == ("litellm.SimpleRateLimiter",)
    assert set(report.applied) == {"litellm.router.Router", "litellm.token_counter"}


@pytest.mark.usefixtures("wheels")
def test_both_negative_controls_turn_the_import_red(home: CompatHome) -> None:
    controls = climbed(home).controls
    assert {name: (one.stage, one.outcome) for name, one in controls.items()} == {
        "litellm_that_raises_type_error": ("import", "failed"),
        "accelerator_without_its_compiled_module": ("import", "failed"),
    }
    assert "unsupported operand" in controls["litellm_that_raises_type_error"].words
    assert "cannot import name '_rust'" in controls["accelerator_without_its_compiled_module"].words


def test_an_accelerator_that_patches_nothing_fails_whatever_it_says_of_its_health(
    wheels: StandIns, home: CompatHome
) -> None:
    wheels.accelerator(patches="_patched_functions = {}")
    seen = climbed(home, controls=False)
    assert unsound(seen) == ("patch_truth", "failed")
    assert [one.outcome for one in seen.stages if one.stage == "self_report"] == ["passed"]


def test_a_litellm_that_does_not_import_is_broken_there_and_nothing_after_it_is_reached(
    wheels: StandIns, home: CompatHome
) -> None:
    wheels.litellm(package="raise TypeError('unsupported operand type(s) for |')")
    seen = climbed(home, until="claude_cli", cell=FAST.stock)
    assert unsound(seen) == ("import", "failed")
    assert seen.stages[-1].stage == "import"


def test_a_module_that_crashes_the_interpreter_is_a_fault_and_one_that_is_killed_is_not(
    wheels: StandIns, home: CompatHome
) -> None:
    wheels.litellm(package="import os; os.kill(os.getpid(), 11)")
    assert unsound(climbed(home, cell=FAST.stock)) == ("import", "failed")
    wheels.litellm("1.83.15", package="import os; os.kill(os.getpid(), 9)")
    killed = FAST.stock._replace(litellm="1.83.15", runtime="stock")
    assert unsound(climbed(type(home)(home.root / "other", home.cache), cell=killed)) == ("import", "unclear")


def test_a_full_disk_is_nobody_s_fault(wheels: StandIns, home: CompatHome) -> None:
    wheels.litellm(package="raise OSError(28, 'No space left on device')")
    assert unsound(climbed(home, cell=FAST.stock)) == ("import", "unclear")


def test_a_proxy_that_ends_at_once_is_broken_with_its_last_words(wheels: StandIns, home: CompatHome) -> None:
    wheels.litellm(package=_ROUTER_AND_NO_PROXY)
    seen = climbed(home, until="messages", cell=FAST.stock)
    assert unsound(seen) == ("proxy_boot", "failed")
    assert "get_flat_dependant" in (seen.first_unsound.words if seen.first_unsound else "")


_ROUTER_AND_NO_PROXY = """
import sys
if sys.argv[0].endswith("litellm"): raise ImportError("cannot import name 'get_flat_dependant'")
class _Answer:
    choices = [type("C", (), {"message": type("M", (), {"content": "pong"})})]
class Router:
    def __init__(self, model_list): pass
    def completion(self, **asked): return _Answer()
    async def acompletion(self, **asked): return _Answer()
def token_counter(model, **asked): return 1
"""


def test_what_does_not_resolve_tells_what_would_without_the_proxy(wheels: StandIns, home: CompatHome) -> None:
    wheels.litellm("1.84.0", "Requires-Dist: google-auth>=2; extra == 'proxy'")
    seen = climbed(home, cell=FAST._replace(litellm="1.84.0"))
    assert unsound(seen) == ("resolve", "failed")
    assert "google-auth" in seen.stages[0].words
    wheels.litellm("1.85.0", "Requires-Python: >=3.99")
    seen = climbed(type(home)(home.root / "other", home.cache), cell=FAST._replace(litellm="1.85.0"))
    assert "Without the proxy, fast-litellm==0.1.10 resolves with LiteLLM 1.84.0." in seen.stages[0].words


def test_without_an_index_nothing_is_judged(
    wheels: StandIns, home: CompatHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels.folder / "gone"))
    assert unsound(climbed(home)) == ("resolve", "unclear")


def test_an_environment_past_its_time_is_unclear_in_the_stage_it_was_in_and_leaves_nothing(
    wheels: StandIns, home: CompatHome
) -> None:
    wheels.litellm(package="import time; time.sleep(600)")
    seen = run_environment(FAST.stock, HERE, CLI, home, routes=ROUTES, limit_s=4)
    assert unsound(seen) == ("import", "unclear")
    assert "longer than 4 s" in seen.stages[-1].words
    assert list(home.scratch.glob("scratch-*")) == []


@pytest.mark.usefixtures("wheels")
def test_a_route_of_the_manifest_in_force_is_served(
    home: CompatHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(PACKAGED.read_text().replace("claude-haiku-4-5", "claude-haiku-9"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPAT_MANIFEST", "mine.yaml")
    routes = ["anthropic/claude-haiku-9"]
    seen = run_environment(FAST.stock, HERE, CLI, home, routes=routes, limit_s=60, until="proxy_boot")
    assert seen.first_unsound is None
    assert seen.stages[-1].stage == "proxy_boot"


@pytest.mark.usefixtures("wheels")
def test_what_a_killed_run_left_half_made_is_removed_by_the_next(home: CompatHome) -> None:
    (half := home.scratch / "scratch-dead" / "venv").mkdir(parents=True)
    (half.parent / ".held").touch()
    seen = run_environment(FAST.stock, HERE, CLI, home, routes=ROUTES, limit_s=60, until="router")
    assert seen.first_unsound is None
    assert not half.exists()


def test_a_process_that_is_killed_keeps_what_it_had_seen(
    wheels: StandIns, home: CompatHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package kills the one that climbs, as the kernel would for lack of memory."""
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    wheels.litellm(package=f"import os; os.kill(os.getppid(), {int(signal.SIGKILL)}); import time; time.sleep(600)")
    seen = run_environment(FAST.stock, HERE, CLI, home, routes=ROUTES, limit_s=60)
    assert [one.stage for one in seen.stages[:-1]] == ["resolve", "install"]
    assert unsound(seen) == ("import", "unclear")


def test_a_run_that_is_given_up_ends_its_environment_at_once(wheels: StandIns, home: CompatHome) -> None:
    wheels.litellm(package="import time; time.sleep(600)")
    seen = run_environment(FAST.stock, HERE, CLI, home, routes=ROUTES, limit_s=600, halted=lambda: True)
    assert unsound(seen)[1] == "unclear"
    assert is_gone(home)
