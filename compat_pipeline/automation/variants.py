"""The job `compare_variants`: the same cells under several configurations of the proxy, and what differs."""

from typing import get_args

import dagster as dg
from pydantic import Field, TypeAdapter, ValidationError

from compat_pipeline.assets.versions import Versions
from compat_pipeline.automation.jobs import named_cells, with_a_test
from compat_pipeline.domain.variants import OTHER_VARIANTS, Variant, comparison_text, dump_comparison
from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.resources.cell_runner import CellRunner

_VARIANTS: TypeAdapter[list[Variant]] = TypeAdapter(list[Variant])


class VariantChoice(dg.Config):
    """Which cells are run under which configurations."""

    cells: list[str] = Field(default=["*"], description="Cell keys or patterns, as for the job run_cells.")
    litellm: str = Field(default="", description="LiteLLM; else that of the last full run.")
    claude_code: str = Field(default="", description="Claude Code; else that of the last full run.")
    variants: list[str] = Field(
        default=list(OTHER_VARIANTS), description="What is held against `default`: also `fast_litellm`."
    )


@dg.op(out=dg.Out(dg.Nothing))
def compare_chosen_cells(context: dg.OpExecutionContext, config: VariantChoice, cell_runner: CellRunner) -> None:
    """Run the cells under the default configuration and under each variant; writes variants.json."""
    versions = Versions.of_run(context, cell_runner, config.litellm, config.claude_code)
    comparison = cell_runner.compare(
        versions.litellm,
        versions.claude_code,
        with_a_test(named_cells(config.cells)),
        context.run.run_id,
        variants=chosen_variants(config.variants),
    )
    write_atomically(cell_runner.home.paths.variants, dump_comparison(comparison))
    context.log_event(
        dg.AssetObservation(
            asset_key="cell_results",
            metadata={
                "cells": comparison.cells,
                "differences": len(comparison.differences),
                "unjudged": len(comparison.unjudged),
                "comparison": dg.MetadataValue.md(f"```\n{comparison_text(comparison)}```"),
                "path": dg.MetadataValue.path(cell_runner.home.paths.variants),
            },
        )
    )


@dg.job(description="Run cells under several configurations of the proxy and keep what differs; publishes nothing.")
def compare_variants() -> None:
    compare_chosen_cells()


def chosen_variants(names: list[str]) -> list[Variant]:
    """The variants called `names`; WrongUsage when there is none of a name."""
    try:
        return _VARIANTS.validate_python(names)
    except ValidationError as error:
        unknown = ", ".join(str(one["input"]) for one in error.errors())
        told = f"no variant is called '{unknown}': {', '.join(get_args(Variant))}"
        raise WrongUsage(told) from error
