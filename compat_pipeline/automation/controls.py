"""The job `prove_controls`: break the wire in every known way and see that exactly the right cells go red."""

from fnmatch import fnmatchcase

import dagster as dg
from pydantic import Field

from compat_pipeline.assets.versions import Versions
from compat_pipeline.automation.jobs import named_cells, with_a_test
from compat_pipeline.domain.controls import dump_kill_table, kill_table_text
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.wire.faults import FAULTS, Fault


class ControlChoice(dg.Config):
    """Which cells are tried under which faults."""

    cells: list[str] = Field(default=["*"], description="Cell keys or patterns, as for the job run_cells.")
    faults: list[str] = Field(default=["*"], description="Names of faults, or patterns such as `*_dropped`.")
    litellm: str = Field(default="", description="LiteLLM; else that of the last full run.")
    claude_code: str = Field(default="", description="Claude Code; else that of the last full run.")
    in_turn: bool = Field(
        default=False, description="Try each pair of fault and row on one target only, the next pair on the next one."
    )


@dg.op(out=dg.Out(dg.Nothing))
def prove_chosen_cells(context: dg.OpExecutionContext, config: ControlChoice, cell_runner: CellRunner) -> None:
    """Run the cells on a sound wire, then under each fault that touches them; writes mutants.json."""
    versions = Versions.of_run(context, cell_runner, config.litellm, config.claude_code)
    table = cell_runner.prove(
        versions.litellm,
        versions.claude_code,
        with_a_test(named_cells(config.cells)),
        context.run.run_id,
        faults=chosen_faults(config.faults),
        in_turn=config.in_turn,
    )
    write_atomically(cell_runner.home.paths.mutants, dump_kill_table(table))
    context.log_event(
        dg.AssetObservation(
            asset_key="cell_results",
            metadata={
                "faults": table.faults,
                "killed": table.killed,
                "collateral": table.collateral,
                "kill_table": dg.MetadataValue.md(f"```\n{kill_table_text(table)}```"),
                "path": dg.MetadataValue.path(cell_runner.home.paths.mutants),
            },
        )
    )


@dg.job(
    description="Prove that every compatibility test can go red: each fault on the wire, and the cells that see it."
)
def prove_controls() -> None:
    prove_chosen_cells()


def chosen_faults(patterns: list[str]) -> list[Fault]:
    """The faults that any of `patterns` names, in the catalogue's order; WrongUsage when a pattern names none."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in FAULTS):
            raise WrongUsage(f"no fault is called '{pattern}': {', '.join(FAULTS)}")
    return [fault for name, fault in FAULTS.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]
