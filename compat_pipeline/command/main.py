"""The command line: names, options, exit codes. What a command does is in the modules beside this one."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import click

from compat_pipeline.command.output import Output, make_console, prepare_stdout
from compat_pipeline.domain.variants import ACCELERATED, OTHER_VARIANTS
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.exit_codes import (
    COULD_NOT_RUN,
    GATE,
    INTERRUPTED,
    NOT_ALL_JUDGED,
    NOT_PROVEN,
    REGRESSION,
    WRONG_USAGE,
)
from compat_pipeline.ground.home import CompatHome

EVERY_FEATURE = "*|*/claude-sonnet-4-6"
"""The cells of the cheapest model that has every feature."""

_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


_json = click.option("--json", "as_json", is_flag=True,
                     help="Print one JSON document; progress goes to standard error.")  # fmt: skip


def _versions(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command that runs with the versions of the last full run unless it is told others."""
    told = "default: that of the last full run."
    npm = click.option("--claude-code", default="", metavar="VERSION", help=f"Claude Code version; {told}")
    python = click.option("--litellm", default="", metavar="VERSION", help=f"LiteLLM version or path:CHECKOUT; {told}")
    return python(npm(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Which Claude Code features work through LiteLLM, on which provider: proven on the wire.

    \b
    compat run                                     every cell, then the matrix
    compat run --cells 'tool_use|bedrock_*/*'      some cells, with the same versions again
    compat run --cells inconclusive                those that could not be judged
    compat gate --litellm path:.                   for a pull request of LiteLLM: does it break anything?
    compat show                                    the matrix as last written, or one elsewhere
    compat diff docs-repo .compat                  what changed from one matrix to another
    compat doctor                                  what is configured, missing, and would be spent
    compat prove                                   break the wire on purpose: do the tests see it?
    compat variants                                other configurations of the proxy: what do they change?
    compat environment                             on which Python and LiteLLM does the accelerator work?
    compat bisect --good 1.83.14 --bad 1.106.2     the first LiteLLM with which it does not
    compat evidence 'vision|azure/claude-opus-4-7' what one cell sent and got, up to the upstream
    compat ui                                      Dagster's web interface

    Everything is written under COMPAT_HOME (default: .compat in this folder).
    """


@cli.command(short_help="Run cells and show the matrix.")
@click.option("--cells", "patterns", multiple=True, metavar="PATTERN",
              help="Only these: a cell key, a pattern such as 'vision|*/claude-haiku-4-5', or `inconclusive`. "
                   "Repeatable. Runs with the versions of the last full run and publishes nothing.")  # fmt: skip
@click.option("--features", type=click.Choice(["v0", "all"]),
              help="Which rows: the first matrix's, or all. Default: COMPAT_FEATURES, or v0.")  # fmt: skip
@click.option(
    "--litellm",
    default="",
    metavar="VERSION",
    help="LiteLLM version, tag, minor or path:CHECKOUT; default: newest that installs.",
)
@click.option(
    "--claude-code", default="", metavar="VERSION", help="A dist-tag such as `latest`, `cooldown` or a version."
)
@_json
def run(patterns: tuple[str, ...], features: str | None, litellm: str, claude_code: str, as_json: bool) -> None:
    """Run cells with the real CLI through the real proxy and show the matrix.

    Exit codes: 0 every cell that was run was judged (red or green), 3 some could not be judged or nothing was observed
    of a row, 1 nothing could be run, 2 wrong usage, 130 interrupted.
    """
    if features:
        os.environ["COMPAT_FEATURES"] = features  # read when Dagster's definitions are loaded, below
    from compat_pipeline.command.run import run_all, run_some

    if patterns and (litellm or claude_code):
        raise click.UsageError("--cells re-runs cells of the current matrix; versions are chosen by a full run")
    output = Output(as_json)
    all_judged = run_some(list(patterns), output) if patterns else run_all(litellm, claude_code, output)
    sys.exit(0 if all_judged else NOT_ALL_JUDGED)


@cli.command(short_help="Judge a pull request of LiteLLM.")
@click.option("--litellm", default="", metavar="VERSION",
              help="LiteLLM version or tag, or path:FOLDER; default: COMPAT_LITELLM_VERSION, or latest.")  # fmt: skip
@click.option("--claude-code", default="", metavar="VERSION",
              help="A dist-tag or a version; default: COMPAT_CLAUDE_CODE_VERSION, or `cooldown`.")  # fmt: skip
@click.option("--cells", "patterns", multiple=True, metavar="PATTERN",
              help="Only these. Repeatable; default: COMPAT_GATE_CELLS, or the whole matrix.")  # fmt: skip
@click.option("--baseline", default="", metavar="WHERE",
              help="A published matrix: a URL, a file, or `docs-repo`; default: COMPAT_BASELINE, or none.")  # fmt: skip
@_json
def gate(litellm: str, claude_code: str, patterns: tuple[str, ...], baseline: str, as_json: bool) -> None:
    """Run cells and compare them with a published matrix; write JUnit XML, a Markdown summary and the results.

    Without a baseline any red is a regression. The reports are in COMPAT_HOME/gate; nothing is published.

    Exit codes: 0 every cell was judged and none fails that passed before, 5 regression, 3 some cell, or none at all,
    could be judged, 2 wrong usage, 130 interrupted. A regression is one whatever else could not be judged.
    """
    with faults_exit_with(WRONG_USAGE):  # loading Dagster's definitions reads every setting
        from compat_pipeline.command.gate import run_gate

        home = CompatHome.from_env()
    choice = {"litellm": litellm, "claude_code": claude_code, "cells": list(patterns), "baseline": baseline}
    with faults_exit_with(NOT_ALL_JUDGED):
        sys.exit(GATE[run_gate(home, choice, Output(as_json))])


@cli.command(short_help="Prove that the tests can go red.")
@click.option("--cells", "patterns", multiple=True, metavar="PATTERN", default=[EVERY_FEATURE],
              show_default=True, help="These cells. Repeatable.")  # fmt: skip
@click.option("--fault", "faults", multiple=True, metavar="NAME", default=["*"],
              help="Only these faults: a name of the catalogue or a pattern. Repeatable.")  # fmt: skip
@click.option("--in-turn", is_flag=True, help="Each pair of fault and row on one target only, to save time.")
@_versions
@_json
def prove(
    patterns: tuple[str, ...], faults: tuple[str, ...], in_turn: bool, litellm: str, claude_code: str, as_json: bool
) -> None:
    """Break the wire on purpose, as real bugs did, and see that exactly the right cells go red.

    Faults of other rows than those of the cells do not count. Prints the kill table, writes mutants.json, and keeps for
    every cell when it was last proven able to go red.

    Exit codes: 0 every fault of their rows was noticed by the right cells and by no other, 4 one was not,
    1 nothing could be run, 2 wrong usage, 130 interrupted.
    """
    from compat_pipeline.command.prove import prove_cells

    output = Output(as_json)
    proven = prove_cells(list(patterns), list(faults), in_turn, litellm, claude_code, output)
    sys.exit(0 if proven else NOT_PROVEN)


@cli.command(short_help="Show what other configurations change.")
@click.option("--cells", "patterns", multiple=True, metavar="PATTERN", default=[EVERY_FEATURE],
              show_default=True, help="These cells. Repeatable.")  # fmt: skip
@click.option("--variant", "variants", multiple=True, type=click.Choice((*OTHER_VARIANTS, ACCELERATED)),
              default=OTHER_VARIANTS,
              help="Only these. Repeatable; default: all but fast_litellm, with the accelerator.")  # fmt: skip
@_versions
@_json
def variants(
    patterns: tuple[str, ...], variants: tuple[str, ...], litellm: str, claude_code: str, as_json: bool
) -> None:
    """Run cells under LiteLLM's default configuration and under others, and show only what differs.

    The matrix is of the default configuration, whatever this shows.

    Exit codes: 0 every cell was judged under each configuration, whether or not they differ, 3 some could not be
    judged, 1 nothing could be run, 2 wrong usage, 130 interrupted.
    """
    from compat_pipeline.command.variants import compare_cells

    judged = compare_cells(list(patterns), list(variants), litellm, claude_code, Output(as_json))
    sys.exit(0 if judged else NOT_ALL_JUDGED)


@cli.command(short_help="Run the environment matrix of Fast LiteLLM.")
@click.option("--cells", "patterns", multiple=True, metavar="PATTERN",
              help="Only these: a key such as '3.11|1.106.2@stock', or a pattern. Repeatable.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every Python that is here with every version of the manifest.")
@_json
def environment(patterns: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Run environments, each in a venv of its own, and write environment-matrix.json and COMPATIBILITY.md.

    Without options: this machine's own Python with the few versions of the small set.

    Exit codes: 0 every environment that was run was judged, whether or not it works, 3 some could not be, or there was
    none to run, 1 nothing could be run, 2 wrong usage, 130 interrupted.
    """
    from compat_pipeline.command.environment import run_environments

    if patterns and everything:
        raise click.UsageError("--all leaves nothing to choose with --cells")
    chosen = ["*"] if everything else list(patterns) or ["small"]
    sys.exit(0 if run_environments(chosen, Output(as_json)) else NOT_ALL_JUDGED)


@cli.command(short_help="Find the first LiteLLM that fails in an environment.")
@click.option("--good", required=True, metavar="VERSION", help="A LiteLLM version that is sound.")
@click.option("--bad", required=True, metavar="VERSION", help="A later one that is not.")
@click.option("--python", default="", metavar="MINOR", help="A Python that is here; default: this machine's own.")
@click.option("--runtime", default="", metavar="NAME", help="`stock` or fast-litellm==VERSION (the default: newest).")
@click.option("--stage", default="messages", show_default=True, help="The stage that fails.")
@click.option("--lane", default="as_of_today", show_default=True, help="Dependencies: as_of_today or as_released.")
@_json
def bisect(good: str, bad: str, python: str, runtime: str, stage: str, lane: str, as_json: bool) -> None:
    """Halve the LiteLLM versions between a good and a bad one, running each one that is tried.

    What was run before and is not too old is not run again. Exit codes: 0 found, 1 nothing could be run, 2 wrong usage,
    such as ends that are not good and bad, 130 interrupted.
    """
    if not (good and bad):
        raise click.UsageError("--good and --bad each name a version of LiteLLM")
    from compat_pipeline.command.environment import bisect_versions

    choice = {"good": good, "bad": bad, "python": python, "runtime": runtime, "stage": stage, "lane": lane}
    bisect_versions({name: value for name, value in choice.items() if value}, Output(as_json))


@cli.command(short_help="Show the matrix as last written, or one elsewhere.")
@click.argument("source", default="")
@_json
def show(source: str, as_json: bool) -> None:
    """Show the matrix at SOURCE: a file, an http(s) address, `docs-repo`, or the folder of a COMPAT_HOME.

    Without SOURCE: the one that was last written here, model by model.

    Exit codes: 0 shown, 1 it could not be read, 2 there is none at SOURCE, or it is of another schema.
    """
    from compat_pipeline.command.show import show_matrix

    show_matrix(source, Output(as_json))


@cli.command(short_help="Show what changed from one matrix to another.")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@_json
def diff(before: str, after: str, as_json: bool) -> None:
    """Show what changed from matrix A to matrix B: broken, fixed and otherwise changed cells, then added and removed.

    A and B are each a file, an http(s) address, `docs-repo`, or the folder of a COMPAT_HOME. A cell is what is
    published: a feature on a provider, over all models. Broken is what passes in A and fails in B.

    \b
    compat diff docs-repo .compat      what would the last run change on the page?

    Exit codes: 0 nothing is broken, 5 something is, 1 a matrix could not be read, 2 there is none at A or B, or it is
    of another schema.
    """
    from compat_pipeline.command.diff import diff_matrices

    sys.exit(0 if diff_matrices(before, after, Output(as_json)) else REGRESSION)


@cli.command(short_help="Show what a cell's result was made from.")
@click.argument("cell")
@_json
def evidence(cell: str, as_json: bool) -> None:
    """Show what was sent, what came back and where it went wrong, in the latest observation of CELL.

    CELL is a cell's key, a pattern that matches one, or the digest of a bundle.
    """
    from compat_pipeline.command.evidence import show_evidence

    show_evidence(CompatHome.from_env(), cell, Output(as_json))


@cli.command(short_help="Show what is configured, missing, and would be spent.")
@_json
def doctor(as_json: bool) -> None:
    """Show the settings that hold, what is missing for a run, and what a run would spend.

    Looks at this machine only: nothing is fetched, no provider and no repository is asked, nothing is written. A
    secret is never shown, only that it is set. What would be spent is told for live providers, from the last run.

    Exit codes: 0 nothing keeps a run from what is asked of it, 2 something does; its next step is told with it.
    """
    from compat_pipeline.command.doctor import examine

    sys.exit(0 if examine(Output(as_json)) else WRONG_USAGE)


@cli.command(short_help="Open Dagster's web interface.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    help="Port of the web interface, on 127.0.0.1.",
)
def ui(port: int) -> None:
    """Open Dagster's web interface and daemon: lineage, partitions, backfills, single cells."""
    from compat_pipeline.command.serve import serve_ui

    serve_ui(port)


@cli.command(short_help="Keep a proxy up for tests under plain pytest.")
@click.option(
    "--litellm",
    default="",
    metavar="VERSION",
    help="LiteLLM version, tag, minor or path:CHECKOUT; default: newest that installs.",
)
@click.option(
    "--claude-code", default="", metavar="VERSION", help="A dist-tag such as `latest`, `cooldown` or a version."
)
def proxy(litellm: str, claude_code: str) -> None:
    """Keep a proxy with its upstreams up, so that one test file can be run under plain pytest."""
    from compat_pipeline.command.progress import progress_on
    from compat_pipeline.command.serve import serve_proxy

    with progress_on(make_console()):
        serve_proxy(litellm, claude_code)


@cli.command(short_help="Measure what the pipeline itself costs.")
@click.option("--repeat", type=click.IntRange(min=1), default=1, show_default=True,
              help="How often to run every cell (10: 900 cells).")  # fmt: skip
def bench(repeat: int) -> None:
    """Measure the pipeline against the same CLI calls with nothing around them: the floor.

    \b
    wall_ratio       time of the cells, with the proxy up / time of the floor
    cpu_ratio        CPU that the pipeline takes beside the CLI / CPU of the floor
    Both tell more than the seconds, which are this machine's. Dagster's start counts as time, and its CPU apart.
    """
    from compat_pipeline.command.bench import bench as measure

    measure(repeat)


def main() -> None:
    """Entry point: a user's mistake or a full disk gets a message, never a traceback."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        # Dagster ends a run in order on SIGTERM; a terminal that is closed would leave it "started" for hours.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        with _stdout_flushed():
            cli(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(WRONG_USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(COULD_NOT_RUN)
    except (KeyboardInterrupt, click.Abort):
        click.secho("compat: interrupted; every finished cell is kept, nothing is left running", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(COULD_NOT_RUN)
    except Exception as error:
        if (told := _told(error)) is None:
            raise
        _exit_with(told, COULD_NOT_RUN)


@contextlib.contextmanager
def faults_exit_with(code: int) -> Iterator[None]:
    """What a person can act on ends the block, and the program with `code`; what makes no sense as ever."""
    try:
        yield
    except Exception as error:
        if (told := _told(error)) is None:
            raise
        _exit_with(told, code)


def _exit_with(told: CompatError, code: int) -> NoReturn:
    click.secho(f"compat: {told}", fg="red", err=True)
    sys.exit(WRONG_USAGE if isinstance(told, WrongUsage) else code)


@contextlib.contextmanager
def _stdout_flushed() -> Iterator[None]:
    prepare_stdout()
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            # What could not be written must not be tried again, loudly, when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _told(error: Exception) -> CompatError | None:
    """What a person is told of `error`; None if it is a fault of this program."""
    if isinstance(error, CompatError):
        return error
    if isinstance(error, OSError) and error.strerror:
        where = f" {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
        what = "write" if error.errno in _CANNOT_WRITE else "use"
        return CompatError(f"cannot {what}{where}: {error.strerror}", "check its owner and the free disk space")
    from sqlalchemy.exc import DBAPIError

    from compat_pipeline.command.instance import storage_fault

    return storage_fault(CompatHome.from_env().dagster, error) if isinstance(error, DBAPIError) else None
