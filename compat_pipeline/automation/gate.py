"""The job `pr_gate`: may this LiteLLM be merged? It runs cells, holds them against a baseline, and writes reports."""

import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone

import click
import dagster as dg
from pydantic import Field

from compat_pipeline.assets.face import MANIFEST, PLANNED
from compat_pipeline.automation.github_page import GithubPage
from compat_pipeline.domain.cell import Cell, NoSuchCell, select
from compat_pipeline.domain.gate import Baseline, GateReport, Subject, build_report
from compat_pipeline.domain.gate_report import junit_xml, summary_markdown
from compat_pipeline.domain.matrix import dump_matrix
from compat_pipeline.domain.observation import Observation
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.exit_codes import GATE, WRONG_USAGE
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.resources.cell_runner import CellRunner, progress
from compat_pipeline.resources.docs_repo import DOCS_REPO, DocsRepo, matrix_at
from compat_pipeline.resources.registries import CLAUDE_CODE_VARIABLE, LITELLM_VARIABLE
from compat_pipeline.suite.runner import has_test

CELLS_VARIABLE, BASELINE_VARIABLE = "COMPAT_GATE_CELLS", "COMPAT_BASELINE"


class GateChoice(dg.Config):
    """What is run, and what it is held against; what is empty comes from the environment."""

    litellm: str = Field(default="", description="LiteLLM; else COMPAT_LITELLM_VERSION, else `latest`.")
    claude_code: str = Field(default="", description="Else COMPAT_CLAUDE_CODE_VERSION, else `cooldown`.")
    cells: list[str] = Field(default=[], description="Keys or patterns; else COMPAT_GATE_CELLS, else the whole matrix.")
    baseline: str = Field(
        default="", description=f"URL, file or `{DOCS_REPO}`; else COMPAT_BASELINE, else none: then any red counts."
    )


@dg.op(out=dg.Out(dg.Nothing))
def judge_pull_request(
    context: dg.OpExecutionContext, config: GateChoice, cell_runner: CellRunner, docs_repo: DocsRepo
) -> None:
    """Run the cells and write the reports; the run fails unless the gate is clean, and Dagster's command with it."""
    _let_a_failure_exit_with(GATE["could_not_judge"])
    home = cell_runner.home.paths
    summary_file, junit_file = home.gate / "summary.md", home.gate / "junit.xml"
    for earlier in (home.gate_results, summary_file, junit_file):
        earlier.unlink(missing_ok=True)
    page = GithubPage.from_env()
    page.hold()
    try:
        cells = gate_cells(config.cells)
        report = _judge(context, config, cell_runner, cells, _baseline(config.baseline, cells, docs_repo))
    except WrongUsage:
        _let_a_failure_exit_with(WRONG_USAGE)
        raise
    summary = summary_markdown(report)
    write_atomically(summary_file, summary)
    write_atomically(junit_file, junit_xml(report))
    write_atomically(home.gate / home.matrix.name, dump_matrix(report.matrix))
    write_atomically(home.gate_results, report.model_dump_json(indent=2) + "\n")
    page.tell(report, summary)
    context.log_event(
        dg.AssetObservation(
            asset_key="cell_results",
            metadata={
                "outcome": report.outcome,
                "summary": dg.MetadataValue.md(summary),
                "path": dg.MetadataValue.path(home.gate),
            },
        )
    )
    if report.outcome != "clean":
        _let_a_failure_exit_with(GATE[report.outcome])
        raise dg.Failure(f"{report.headline}; see {summary_file}", allow_retries=False)


@dg.job(
    description="For a pull request of LiteLLM: clean only if every cell was judged and none fails that passed before."
)
def pr_gate() -> None:
    judge_pull_request()


def _let_a_failure_exit_with(code: int) -> None:
    """`dagster job execute` ends every run that failed with this exception, whose code is 1 unless it is told."""
    click.ClickException.exit_code = code


def gate_cells(patterns: list[str], environ: Mapping[str, str] = os.environ) -> list[Cell]:
    """The cells to judge, in manifest order; WrongUsage for a pattern that matches none."""
    wanted = patterns or re.split(r"[\s,]+", environ.get(CELLS_VARIABLE, "").strip(", \t\n"))
    if wanted == [""] and not patterns:
        return PLANNED.cells
    try:
        return select(MANIFEST.cells, wanted)
    except NoSuchCell as error:
        raise WrongUsage(str(error), f"correct {CELLS_VARIABLE} or the option") from error


def _baseline(asked: str, cells: list[Cell], docs_repo: DocsRepo) -> Baseline | None:
    """The baseline that is asked for; WrongUsage for one that says nothing of any of `cells`: each red would be new."""
    source = asked or os.environ.get(BASELINE_VARIABLE) or ""
    baseline = matrix_at(source, docs_repo) if source else None
    if baseline and not baseline.tells_of(cells):
        raise WrongUsage(
            f"the matrix {baseline.name} says nothing of the {len(cells)} planned cells",
            "name a baseline that has them, or none: then any red counts",
        )
    return baseline


def _judge(
    context: dg.OpExecutionContext,
    config: GateChoice,
    cell_runner: CellRunner,
    cells: list[Cell],
    baseline: Baseline | None,
) -> GateReport:
    """Run the cells that have a test; whatever stops that, such as code that does not install, leaves them unjudged."""
    asked = config.litellm or os.environ.get(LITELLM_VARIABLE) or "latest"
    wanted = config.claude_code or os.environ.get(CLAUDE_CODE_VARIABLE) or "cooldown"
    litellm, claude_code = Subject(asked, asked), Subject(wanted, wanted)
    tested = [cell for cell in cells if has_test(cell)]
    seen: list[Observation] = []
    fault = None
    try:
        release = cell_runner.python_index.resolve(asked)
        litellm = Subject(release.request, release.tag)
        cli = cell_runner.npm.resolve(wanted)
        claude_code = Subject(cli.version, cli.version)
        for observation in cell_runner.observe(release, cli, tested, context.run.run_id, plain=False):
            seen.append(observation)
    except WrongUsage:
        raise
    except CompatError as error:
        fault = str(error)
        progress.error("%s", fault)
    return build_report(
        MANIFEST,
        tested,
        seen,
        baseline=baseline,
        litellm=litellm,
        claude_code=claude_code,
        upstream=cell_runner.home.paths.upstream,
        generated_at=datetime.now(timezone.utc),
        fault=fault,
        without_test=[cell for cell in cells if not has_test(cell)],
    )
