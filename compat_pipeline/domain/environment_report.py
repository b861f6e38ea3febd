"""COMPATIBILITY.md: what the environment matrix says, for people. Every support that it tells of has a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.version import Version

from compat_pipeline.domain.environment import Platform
from compat_pipeline.domain.environment_claims import Judged
from compat_pipeline.domain.environment_matrix import EnvironmentMatrix, IssueSeen
from compat_pipeline.domain.environment_rows import EnvironmentRow, python_order, wheel_pythons
from compat_pipeline.domain.environment_verdict import EnvironmentStatus, signature
from compat_pipeline.domain.markdown import plain, table

WORDS: dict[EnvironmentStatus, str] = {
    "verified": "✅ verified",
    "degraded": "⚠️ degraded",
    "broken": "❌ broken",
    "unsatisfiable": "🚫 unsatisfiable",
    "unsupported": "➖ unsupported",
    "targeted": "🎯 targeted",
    "stale": "⌛ stale",
    "inconclusive": "❔ inconclusive",
}
"""Status -> what a reader sees."""

_MEANINGS: dict[EnvironmentStatus, str] = {
    "verified": "it ran here, every stage was passed, and tokens are counted as without the accelerator",
    "degraded": "it ran here and works, but counts differ",
    "broken": "it ran here, and the stage named failed",
    "unsatisfiable": "the resolver proved that nothing can be installed",
    "unsupported": "the accelerator has no wheel for it",
    "targeted": "there is a wheel and it resolves; it was never run",
    "stale": "it ran here, too long ago to count",
    "inconclusive": "this machine or the network kept it from being judged, or it was never run",
}
_JUDGED: dict[Judged, str] = {
    "holds": "✅ holds",
    "partly": "⚠️ in part",
    "refuted": "❌ does not hold",
    "unknown": "❔ not known",
}
_NOTE_CHARS = 160
_TWIN = "they mean the same as another one today"


def render_report(matrix: EnvironmentMatrix, platforms: Sequence[Platform]) -> str:
    """The whole document; equal for equal matrices. `platforms` are those that the manifest targets."""
    names = {platform.id: platform.name for platform in platforms}
    sections = (
        _head(matrix, names),
        _supported(matrix, names),
        _verified(matrix, names),
        _targets(matrix, names),
        _known_issues(matrix),
        _platform_details(matrix, platforms),
        _installation(matrix, platforms),
        _dependencies(matrix),
        _claims(matrix),
        _controls(matrix),
        _how_to_reproduce(),
        _reporting(matrix),
    )
    return "\n\n".join(sections) + "\n"


def _head(matrix: EnvironmentMatrix, names: dict[str, str]) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in matrix.counts.items())
    return (
        f"# Compatibility of {matrix.accelerator} with LiteLLM\n\n"
        f"Generated {matrix.generated_at:%Y-%m-%d %H:%M} UTC from `environment-matrix.json`; do not edit.\n\n"
        f"{matrix.accelerator} {matrix.accelerator_version}, Claude Code {matrix.claude_code_version or 'not run'}, "
        f"on {plain(names.get(matrix.platform, matrix.platform))}. Verified means: it was run here, within the last "
        f"{matrix.valid_days:g} days, and there is evidence. Environments: {counts}."
    )


def _supported(matrix: EnvironmentMatrix, names: dict[str, str]) -> str:
    """Only what a row bears out."""
    working = [row for row in matrix.environments if row.works and row.means.accelerator]
    pythons = _listed(sorted({row.python for row in working}, key=python_order))
    versions = _listed(sorted({row.litellm for row in working}, key=Version))
    latest = [row for row in matrix.environments if row.litellm == matrix.litellm_latest and row.means.accelerator]
    runs = [row for row in latest if row.works]
    newest = "works" if runs else "does not work" if any(row.said == "broken" for row in latest) else "not known"
    targeted = _listed({names[row.platform] for row in matrix.targets if row.status == "targeted"})
    return "## Supported versions\n\n" + table(
        ["Component", "Seen to work", "Notes"],
        [
            ["**Python**", pythons, "with the accelerator, through the proxy"],
            ["**Platforms**", plain(names.get(matrix.platform, matrix.platform)), f"targeted only: {plain(targeted)}"],
            ["**LiteLLM**", versions, f"the newest, {matrix.litellm_latest}: {newest}"],
            ["**Rust**", "not tried", "only needed to build from source; wheels were used"],
        ],
    )


def _verified(matrix: EnvironmentMatrix, names: dict[str, str]) -> str:
    ran = [row for row in matrix.environments if row.observed_at is not None]
    rows = [
        [
            row.python_version,
            row.litellm,
            row.runtime,
            row.lane.replace("_", " "),
            WORDS[row.status] if row.status else "",
            _note(row),
        ]
        for row in ran
    ]
    unknown = [row for row in matrix.environments if row.observed_at is None and not row.excluded]
    excluded: dict[str, int] = {}
    for row in matrix.environments:
        if row.excluded:
            why = _TWIN if row.excluded.startswith("the same as") else row.excluded
            excluded[why] = excluded.get(why, 0) + 1
    parts = [
        f"## Verified configurations\n\nAll on {plain(names.get(matrix.platform, matrix.platform))}.",
        table(["Python", "LiteLLM", "Runtime", "Dependencies", "Status", "Notes"], rows) if rows else "None yet.",
        "\n".join(f"- {WORDS[status]}: {meaning}" for status, meaning in _MEANINGS.items()),
    ]
    if unknown:
        parts.append("Planned, but not run here:\n\n" + "\n".join(_not_run(unknown)))
    if excluded:
        parts.append("Left out: " + "; ".join(f"{count} because {plain(why)}" for why, count in excluded.items()) + ".")
    return "\n\n".join(parts)


def _targets(matrix: EnvironmentMatrix, names: dict[str, str]) -> str:
    """A row per platform and status, with its Pythons and the reason."""
    alike: dict[tuple[str, EnvironmentStatus, str], list[str]] = {}
    for row in matrix.targets:
        why = "" if row.status == "targeted" else signature(row.words) if row.wheel else "no wheel of the accelerator"
        alike.setdefault((row.platform, row.status, why), []).append(row.python)
    rows = [
        [plain(names[platform]), _listed(pythons), WORDS[status], plain(why)]
        for (platform, status, why), pythons in alike.items()
    ]
    return (
        "## Target configurations\n\n"
        f"Never run. The resolver was asked for LiteLLM {matrix.litellm_latest} with {matrix.accelerator} "
        f"{matrix.accelerator_version}, of wheels only; that it resolves does not say that it works.\n\n"
        + table(["Platform", "Pythons", "Status", "Why"], rows)
    )


def _known_issues(matrix: EnvironmentMatrix) -> str:
    parts = ["## Known issues", *(_issue(issue) for issue in matrix.known_issues if issue.interval)]
    if len(parts) == 1:
        parts.append("None was seen.")
    if matrix.new:
        told = [f"- `{row.cell}`: {_note(row)}" for row in matrix.environments if row.cell in matrix.new]
        parts.append("### New\n\nNot explained by any known issue:\n\n" + "\n".join(told))
    return "\n\n".join(parts)


def _issue(issue: IssueSeen) -> str:
    found = issue.interval
    if found is None:
        return ""
    span = found.first if found.first == found.last else f"{found.first} to {found.last}"
    bounds = [f"works with {found.last_good}"] if found.last_good else []
    bounds += [f"works again with {found.next_good}"] if found.next_good else []
    return (
        f"### {plain(issue.title)}\n\n"
        f"- **Seen with:** LiteLLM {span}, Python {_listed(found.pythons)}\n"
        f"- **Bounds:** {_listed(bounds) if bounds else 'no version without it was seen in these environments'}\n"
        + "".join(f"- **Signature:** {plain(one)}\n" for one in issue.signatures)
        + f"- **Workaround:** {plain(issue.workaround)}\n- **Follow-up:** {issue.link}"
    )


def _platform_details(matrix: EnvironmentMatrix, platforms: Sequence[Platform]) -> str:
    rows = []
    for platform in platforms:
        pythons = wheel_pythons(matrix.wheels, platform.wheel)
        rows.append([plain(platform.name), "yes" if pythons else "no", _listed(pythons)])
    told = f"The wheels of {matrix.accelerator} {matrix.accelerator_version}, as the package index lists them."
    return f"## Platform details\n\n{told}\n\n" + table(["Platform", "Wheel", "Pythons"], rows)


def _installation(matrix: EnvironmentMatrix, platforms: Sequence[Platform]) -> str:
    having = _listed(platform.name for platform in platforms if wheel_pythons(matrix.wheels, platform.wheel))
    name = matrix.accelerator
    return "## Installation methods\n\n" + table(
        ["Method", "Rust needed", "Platforms"],
        [
            [f"`pip install {name}`", "no", f"those with a wheel: {plain(having)}"],
            [f"`uv add {name}`", "no", "the same"],
            ["Build from source", "yes", "not tried"],
        ],
    )


def _dependencies(matrix: EnvironmentMatrix) -> str:
    rows = [
        [one.name, plain(one.documented) or "—", plain(one.declared) or "—", _listed(one.resolved)]
        for one in matrix.dependencies
    ]
    return (
        "## Dependencies\n\nAs documented, as the package declares them, and what was installed in the environments "
        "that ran.\n\n" + table(["Dependency", "Documented", "Declared", "Installed"], rows)
    )


def _claims(matrix: EnvironmentMatrix) -> str:
    rows = [[plain(one.says), plain(one.source), _JUDGED[one.judged], plain(one.seen)] for one in matrix.claims]
    return "## Claims and observations\n\n" + table(["Claim", "Source", "Here", "What was seen"], rows)


def _controls(matrix: EnvironmentMatrix) -> str:
    """One line per control: where it was tried, and what it said last."""
    tried: dict[str, list[EnvironmentRow]] = {}
    for row in matrix.environments:
        for name in row.controls:
            tried.setdefault(name, []).append(row)
    rows = [
        [
            plain(name.replace("_", " ")),
            f"{sum(row.controls[name].red for row in where)} of {len(where)}",
            plain(where[-1].controls[name].words),
        ]
        for name, where in tried.items()
    ]
    told = table(["Broken on purpose", "Noticed", "How"], rows) if rows else "None was tried."
    return "## Negative controls\n\nAn environment that is broken on purpose must be found broken.\n\n" + told


def _how_to_reproduce() -> str:
    return (
        "## How to reproduce\n\n"
        "```bash\n"
        "make environment                                            # this machine's Python, a few versions\n"
        "compat environment --all                                    # every Python that is here, every version\n"
        "compat environment --cells '3.11|1.97.0@*'                  # some environments\n"
        "compat bisect --python 3.11 --good 1.83.14 --bad 1.106.2    # the first version that fails\n"
        "```"
    )


def _reporting(matrix: EnvironmentMatrix) -> str:
    return (
        "## Reporting issues\n\n"
        "1. Look for the environment and its stage in the tables above, and among the known issues.\n"
        "2. `health_check()` is no diagnosis: it says that all is well in environments that are broken above. Tell "
        'what was really patched: `python -c "import fast_litellm.enhanced_monkeypatch as m; '
        'print(m._patched_functions)"`.\n'
        "3. Open an issue with the Python version (`python --version`), the platform\n"
        '   (`python -c "import platform; print(platform.platform())"`), the versions of LiteLLM and\n'
        f"   {matrix.accelerator} (`pip show litellm {matrix.accelerator}`) and the full traceback."
    )


def _note(row: EnvironmentRow) -> str:
    """Why it is not verified, and what is worth telling."""
    told = f"{row.stage}: {row.signature or row.words}" if row.stage else row.words
    told = told if len(told) <= _NOTE_CHARS else f"{told[:_NOTE_CHARS]}…"
    parts = [f"was {row.was}"] if row.was else []
    parts += [told] if told else []
    parts += [f"the latest run: {row.open}"] if row.open else []
    later = [stage for stage, how in row.stages.items() if how.startswith("failed") and stage != row.stage]
    parts += [f"also {', '.join(later)}"] if later and row.stage in row.stages else []
    parts += [f"installed with {one}, which this LiteLLM needs and does not ask for" for one in row.companions]
    return plain("; ".join(parts))


def _not_run(rows: Sequence[EnvironmentRow]) -> list[str]:
    """A line for those of one Python with the same reason."""
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        why = "" if row.status == "targeted" else f", {plain((row.signature or row.words)[:_NOTE_CHARS])}"
        alike.setdefault((row.python, f"{WORDS[row.status] if row.status else ''}{why}"), []).append(row.means.stack)
    return [f"- Python {python}, {told}: {', '.join(stacks)}" for (python, told), stacks in alike.items()]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "—"
