"""Hand-made observations of environments, and a small manifest with one of everything."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from compat_pipeline.domain.environment import (
    EnvironmentManifest,
    EnvironmentPlan,
    Interpreter,
    parse_environment,
    plan,
    targets_of,
)
from compat_pipeline.domain.environment_cell import EnvironmentCell
from compat_pipeline.domain.environment_issues import KnownEnvironmentIssue, parse_environment_issues
from compat_pipeline.domain.environment_rows import TargetSeen
from compat_pipeline.domain.environment_verdict import (
    STAGES,
    EnvironmentObservation,
    SelfReport,
    Stage,
    StageSeen,
)

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
NEWEST = {"litellm": "1.106.2", "fast-litellm": "0.1.10"}
FAST = "fast-litellm==0.1.10"
HYBRID = "AttributeError: type object 'HybridClass' has no attribute '_register_deployment'"
NO_PYTHON = "error: No solution\n  cause: Because Python>=3.10 is not 3.9, your requirements are unsatisfiable."
NO_WHEEL = "Because fast-litellm==0.1.10 has no usable wheels and you require it, it is unsatisfiable."

MANIFEST: EnvironmentManifest = parse_environment("""
pythons: ["3.9", "3.11", "3.14"]
litellm: [1.96.2, 1.106.2, latest]
small: [1.96.2]
runtimes: [stock, fast-litellm==latest]
lanes: [as_of_today, as_released]
excluded: [{cells: "*@as_released", reason: one lane is enough here}]
routes: [anthropic/claude-haiku-4-5]
valid_days: 14
cell_limit_s: 60
platforms:
  - {id: linux-x86_64, name: Linux x86_64, resolver: x86_64-unknown-linux-gnu, wheel: "manylinux*_x86_64"}
  - {id: macos-arm64, name: macOS ARM64, resolver: aarch64-apple-darwin, wheel: "macosx*_arm64"}
  - {id: win-arm64, name: Windows ARM64, resolver: aarch64-pc-windows-msvc, wheel: win_arm64}
documented: {pydantic: ">=1.10.0", aiohttp: ">=3.8.0"}
claims:
  - {id: python, says: Python 3.11 is supported, source: README.md, about: works, cells: "3.11|*@fast-litellm==*"}
  - {id: newest, says: The latest LiteLLM works, source: README.md, about: works, cells: "3.11|latest@fast-litellm==*"}
  - {id: older, says: LiteLLM 1.96.2 works, source: README.md, about: works, cells: "3.11|1.96.2@fast-litellm==*"}
  - {id: drop-in, says: It is a drop-in, source: README.md, about: same_counts, cells: "*@fast-litellm==*"}
  - {id: healthy, says: health_check() diagnoses, source: README.md, about: self_report, cells: "*@fast-litellm==*"}
  - {id: fallback, says: It falls back, source: README.md, about: fallback, cells: "*@fast-litellm==*"}
""")

ISSUES: tuple[KnownEnvironmentIssue, ...] = parse_environment_issues(
    """
issues:
  - id: hybrid
    title: The router asks its own class for what its stand-in lacks
    cells: "*@fast-litellm==*"
    stages: [router, messages]
    words: HybridClass
    workaround: LiteLLM 1.96.2 or older
    link: https://example.org/hybrid
    expires: 2027-03-31
  - id: counts
    title: Tools are not counted
    cells: "*@fast-litellm==*"
    stages: [parity]
    words: tools
    workaround: none
    link: https://example.org/counts
    expires: 2027-03-31
""",
    "issues.yaml",
)

REPORT = SelfReport(
    healthy=True,
    claimed=("routing", "rate_limiting"),
    applied={"litellm.router.Router": "rust_routing"},
    missing=("litellm.SimpleRateLimiter",),
)


def cell(litellm: str = "1.96.2", runtime: str = FAST, python: str = "3.11") -> EnvironmentCell:
    return EnvironmentCell(python, litellm, runtime)


def observed(
    of: EnvironmentCell,
    failed: dict[Stage, str] | None = None,
    unclear: dict[Stage, str] | None = None,
    days_ago: float = 0,
    counts: dict[str, int] | None = None,
) -> EnvironmentObservation:
    """Every stage up to `claude_cli` was passed but for those named; nothing is reached after a failed resolve."""
    stages: list[StageSeen] = []
    for stage in STAGES[: STAGES.index("claude_cli") + 1]:
        if words := (failed or {}).get(stage):
            stages.append(StageSeen(stage=stage, outcome="failed", words=words))
        elif words := (unclear or {}).get(stage):
            stages.append(StageSeen(stage=stage, outcome="unclear", words=words))
        else:
            stages.append(StageSeen(stage=stage, outcome="passed"))
        if stage == "resolve" and stages[-1].outcome != "passed":
            break
    accelerated = of.accelerator is not None and len(stages) > 1
    return EnvironmentObservation(
        cell=of,
        python_version=f"{of.python}.7",
        platform="linux-x86_64",
        claude_code_version="2.1.329",
        observed_at=NOW - timedelta(days=days_ago),
        duration_s=21.5,
        stages=tuple(stages),
        counts=counts or ({"text": 8, "tools": 8} if accelerated else {"text": 8, "tools": 84}),
        report=REPORT if accelerated else None,
        declared=("aiohttp>=3.13.4", "pytest>=7 ; extra == 'dev'") if accelerated else (),
        resolved={"aiohttp": "3.13.4", "pydantic": "2.12.5", "litellm": of.litellm},
        controls={
            "accelerator_without_its_compiled_module": StageSeen(
                stage="import", outcome="failed", words="ImportError: no _rust"
            )
        }
        if accelerated
        else {},
    )


def planned() -> EnvironmentPlan:
    """With Pythons 3.9 and 3.11 here, and what a resolver says of the rest."""
    here = [
        Interpreter(minor=minor, path=f"/python{minor}", version=f"{minor}.7", platform="linux-x86_64")
        for minor in ("3.9", "3.11")
    ]
    plans = plan(MANIFEST, MANIFEST.cells, here, NEWEST)
    targets = []
    for platform, asked in targets_of(MANIFEST, plans, NEWEST, "linux-x86_64"):
        words = NO_WHEEL if asked.python == "3.14" and asked.accelerator else NO_PYTHON if asked.python == "3.9" else ""
        place = platform.id if platform else "linux-x86_64"
        targets.append(TargetSeen(platform=place, cell=asked, outcome="failed" if words else "passed", words=words))
    wheels = (
        "fast_litellm-0.1.10-cp311-cp311-macosx_11_0_arm64.whl",
        "fast_litellm-0.1.10-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    )
    return EnvironmentPlan(
        platform="linux-x86_64", newest=NEWEST, wheels=wheels, planned=tuple(plans), targets=tuple(targets)
    )


def everything() -> list[EnvironmentObservation]:
    """A verified stock, a degraded accelerated one, a broken one, an unsatisfiable one."""
    return [
        observed(cell(runtime="stock")),
        observed(cell()),
        observed(cell("1.106.2", "stock")),
        observed(cell("1.106.2"), failed={"router": HYBRID, "messages": f"the proxy answered 500: {HYBRID}"}),
        observed(cell(python="3.9"), failed={"resolve": NO_PYTHON}),
    ]
