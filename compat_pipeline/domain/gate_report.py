"""The gate's report as files that people and CI services read: Markdown, JUnit XML, GitHub's annotations. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from xml.etree import ElementTree

from compat_pipeline.domain.feed import NOT_IN_XML
from compat_pipeline.domain.gate import GateCell, GateReport
from compat_pipeline.domain.markdown import changes_markdown, matrix_markdown, plain
from compat_pipeline.domain.reproduce import again

MOST_ANNOTATIONS = 10
"""GitHub shows that many of one kind for a step."""

MOST_SUMMARY_BYTES = 1 << 20
"""A step's summary on GitHub; a larger one is refused whole."""

_HERE = "path:."
_DIGEST_CHARS = 12


def reproduce(report: GateReport, cell: GateCell) -> str:
    """The one command that runs the cell again, wherever the person is: in a checkout of the code, if it was one.

    A baseline that was a file is named without the folder that it was in here.
    """
    baseline = report.baseline or ""
    if not baseline.startswith(("http://", "https://")):
        baseline = PurePath(baseline).name
    return again(
        cell.key,
        litellm=_HERE if _of_checkout(report) else report.litellm,
        claude_code=report.claude_code,
        upstream=report.upstream,
        baseline=baseline,
    )


def summary_markdown(report: GateReport) -> str:
    """What changed, then the matrix, then how to reproduce each red cell."""
    mark = {"clean": "✅", "regression": "❌", "could_not_judge": "❔"}[report.outcome]
    parts = [f"## {mark} Claude Code compatibility: {plain(report.headline)}"]
    if report.fault:
        parts.append(f"Nothing more could be run: {plain(report.fault)}")
    parts += [
        "### Changes",
        f"Against {plain(report.baseline)}." if report.baseline else "There is no baseline: every red counts.",
        changes_markdown(report.changed).rstrip() if report.baseline else "",
        *_listed("Passed before, red now" if report.baseline else "Red", report.of("regression")),
        *_listed("Could not be judged", report.of("unjudged")),
        *_listed("Red, and nothing passed before", report.of("new_red")),
        *_listed("Red before, too", report.of("known_red")),
        "### Matrix",
        matrix_markdown(report.matrix).rstrip(),
        f"The providers were {report.upstream}.",
    ]
    if report.without_test:
        parts.append(f"{len(report.without_test)} cell(s) have no test and were left out.")
    if reds := report.of("regression", "known_red", "new_red", "unjudged"):
        where = f"In a checkout of {plain(report.matrix.litellm_version)}:" if _of_checkout(report) else ""
        commands = "\n".join(["```sh", *(reproduce(report, cell) for cell in reds), "```"])
        parts += ["### Run one again", where, commands]
    return "\n\n".join(part for part in parts if part) + "\n"


def _of_checkout(report: GateReport) -> bool:
    return report.litellm.startswith("path:")


def _listed(title: str, cells: Sequence[GateCell]) -> list[str]:
    if not cells:
        return []
    lines = [f"- `{cell.key}`: {plain(_why(cell))}{_evidence(cell)}" for cell in cells]
    return [f"**{title}**", "\n".join(lines)]


def _why(cell: GateCell) -> str:
    return f"{cell.cause}: {cell.told}" if cell.cause else cell.told


def _evidence(cell: GateCell) -> str:
    return f" (`compat evidence {cell.evidence[:_DIGEST_CHARS]}`)" if cell.evidence else ""


def junit_xml(report: GateReport) -> str:
    """A suite per feature, a case per cell. Only what closes the gate is a failure or an error; another red is
    skipped, as is what does not apply."""
    suites = ElementTree.Element("testsuites", _counted("Claude Code compatibility", report.cells))
    for feature in dict.fromkeys(cell.feature for cell in report.cells):
        cells = [cell for cell in report.cells if cell.feature == feature]
        suite = ElementTree.SubElement(suites, "testsuite", _counted(feature, cells))
        for cell in cells:
            _add_case(suite, report, cell)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _counted(name: str, cells: Sequence[GateCell]) -> dict[str, str]:
    found = [cell.status for cell in cells]
    return {
        "name": name,
        "tests": str(len(found)),
        "failures": str(found.count("regression")),
        "errors": str(found.count("unjudged")),
        "skipped": str(sum(_JUNIT_TAGS.get(status) == "skipped" for status in found)),
        "time": f"{sum(cell.duration_s for cell in cells):.3f}",
    }


_JUNIT_TAGS = {
    "regression": "failure",
    "unjudged": "error",
    "known_red": "skipped",
    "new_red": "skipped",
    "not_applicable": "skipped",
}
BEFORE = {"known_red": "red before, too", "new_red": "nothing passed before"}
"""What is said of a red that does not close the gate."""


def _add_case(suite: ElementTree.Element, report: GateReport, cell: GateCell) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {"classname": f"{cell.feature}.{cell.provider}", "name": cell.model, "time": f"{cell.duration_s:.3f}"},
    )
    if cell.status not in _JUNIT_TAGS:
        return
    before = f"{BEFORE[cell.status]}: " if cell.status in BEFORE else ""
    told = _xml_text(_why(cell))
    result = ElementTree.SubElement(
        case, _JUNIT_TAGS[cell.status], {"message": before + (told.splitlines() or [""])[0]}
    )
    if cell.status != "not_applicable":
        result.text = f"{told}\nagain: {_xml_text(reproduce(report, cell))}"


def _xml_text(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold, escaped or not."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def workflow_commands(report: GateReport) -> list[str]:
    """GitHub's workflow commands: an error for each regression, a warning for each cell that could not be judged, a
    notice for each red where nothing passed before.

    The last of a kind that is too long to be shown says how many more there are.
    """
    told = [f"{cell.key}: {_why(cell)}\nagain: {reproduce(report, cell)}" for cell in report.of("regression")]
    unjudged, new = ([f"{cell.key}: {_why(cell)}" for cell in report.of(one)] for one in ("unjudged", "new_red"))
    return [
        *(_command("error", "Claude Code compatibility: regression", text) for text in _shown(told)),
        *(_command("warning", "Claude Code compatibility: not judged", text) for text in _shown(unjudged)),
        *(_command("notice", "Claude Code compatibility: red, nothing passed before", text) for text in _shown(new)),
    ]


def _shown(texts: Sequence[str]) -> list[str]:
    if len(texts) <= MOST_ANNOTATIONS:
        return list(texts)
    kept = texts[: MOST_ANNOTATIONS - 1]
    return [*kept, f"and {len(texts) - len(kept)} more: see the summary"]


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}::{_escaped(text)}"


def _escaped(text: str) -> str:
    """Text that cannot end its line, and so cannot begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def step_summary(markdown: str, already_bytes: int) -> str:
    """`markdown` as far as GitHub takes it, beside the `already_bytes` of the step's summary."""
    room = MOST_SUMMARY_BYTES - already_bytes
    encoded = markdown.encode()
    if len(encoded) <= room:
        return markdown
    note = "\n\n(cut short: the whole summary is in the artifact)\n"
    kept = encoded[: max(room - len(note.encode()) - 4, 0)].decode(errors="ignore")
    return f"{kept.rpartition(chr(10))[0]}{note}" if kept else ""
