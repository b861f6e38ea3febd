"""`compat show` and `compat diff`: matrices from wherever they are, told in full."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse
from starlette.routing import Route

from compat_pipeline.command.main import main
from compat_pipeline.command.output import Output
from compat_pipeline.command.show import show_matrix
from compat_pipeline.domain.matrix import dump_matrix
from compat_pipeline.domain.observation import Fail
from compat_pipeline.ground.exit_codes import COULD_NOT_RUN, REGRESSION, WRONG_USAGE
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.publication.local_git import publish
from compat_pipeline_tests.claude.loopback import closed_port, served
from compat_pipeline_tests.domain.samples import FAIL, everything, matrix_of, with_cells

GOLDEN = Path(__file__).parents[1] / "domain" / "golden"
GREEN, RED = matrix_of(everything()), matrix_of(with_cells({"vision/azure": FAIL}))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompatHome:
    """An empty home of this test alone."""
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return CompatHome.from_env()


def compat(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `compat ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["compat", *arguments])
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else -1
    return 0


def shown(source: str) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    show_matrix(source, Output(console=console))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def red(tmp_path: Path) -> str:
    (tmp_path / "red.json").write_text(dump_matrix(RED))
    return str(tmp_path / "red.json")


@pytest.fixture
def green(tmp_path: Path) -> str:
    (tmp_path / "green.json").write_text(dump_matrix(GREEN))
    return str(tmp_path / "green.json")


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    async def matrix(_: object) -> FileResponse:
        return FileResponse(GOLDEN / "compatibility-matrix.json")

    async def down(_: object) -> PlainTextResponse:
        return PlainTextResponse("no", 503)

    with served(Starlette(routes=[Route("/matrix.json", matrix), Route("/down", down)])) as address:
        yield address


def test_a_published_document_alone_is_a_whole_page() -> None:
    text = shown(str(GOLDEN / "compatibility-matrix.json"))
    assert "Claude Code 2.1.120 through LiteLLM v1.83.0-stable  2026-01-31 12:00 UTC\n" in text
    for said in (
        "✓ pass",
        "✗ fail",
        "— not applicable",
        "? not tested",
        "Claude Opus 4.7: the tool input arrived empty",
    ):
        assert said in text
    assert "— Azure has no tools\n    tool_use on azure\n" in text


def test_the_place_of_a_matrix_may_be_a_file_an_address_the_docs_repository_or_a_home(
    site: str, home: CompatHome, tmp_path: Path
) -> None:
    document = (GOLDEN / "compatibility-matrix.json").read_text()
    publish(home.docs_repo, document, message="first")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "compatibility-matrix.json").write_text(document)
    places = [str(GOLDEN / "compatibility-matrix.json"), f"{site}/matrix.json", "docs-repo", str(tmp_path / "other")]
    pages = [shown(place).partition("\nmatrix     ")[0] for place in places]
    assert len(set(pages)) == 1
    assert "✗ fail" in pages[0]


def test_a_docs_repository_that_was_only_prepared_has_no_matrix_yet(
    monkeypatch: pytest.MonkeyPatch, home: CompatHome, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(home.docs_repo, dump_matrix(GREEN), message="first")
    git = ["git", "-C", str(home.docs_repo), "-c", "user.name=x", "-c", "user.email=x@y.z"]
    (home.docs_repo / home.matrix.name).write_text("{}")
    subprocess.run([*git, "commit", "-qam", "emptied"], check=True)
    assert compat(monkeypatch, "show", "docs-repo") == WRONG_USAGE
    assert "the docs repository has no matrix yet" in capsys.readouterr().err


def test_a_folder_called_like_the_docs_repository_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, home: CompatHome, tmp_path: Path
) -> None:
    publish(home.docs_repo, dump_matrix(GREEN), message="first")
    (tmp_path / "docs-repo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert compat(monkeypatch, "show", "docs-repo") == 0


def test_a_home_is_shown_with_its_details(home: CompatHome) -> None:
    for name in ("compatibility-matrix.json", "compatibility-details.json"):
        (home.root / name).write_text((GOLDEN / name).read_text())
    text = shown("")
    assert "UTC, emulated providers" in text
    assert "tool_use|anthropic/claude-opus-4-7" in text
    assert f"details    {home.details}" in text


def test_a_home_without_details_is_shown_by_its_matrix_alone(home: CompatHome) -> None:
    home.matrix.write_text(dump_matrix(RED))
    assert "Claude Opus 4.7: the tool input arrived empty" in shown("")


def test_nothing_in_a_matrix_from_elsewhere_steers_the_terminal(tmp_path: Path) -> None:
    nasty = json.loads(dump_matrix(matrix_of(with_cells({"vision/azure": Fail(error="[/red]\x1b[2J lost")}))))
    nasty["features"][0]["name"] = "[/]\x1b[31mrow"
    (tmp_path / "nasty.json").write_text(json.dumps(nasty))
    text = shown(str(tmp_path / "nasty.json"))
    assert "\x1b" not in text
    assert "[/red] [2J lost" in text
    assert "[/] [31mrow" in text


def test_show_gives_programs_both_documents(
    monkeypatch: pytest.MonkeyPatch, home: CompatHome, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("compatibility-matrix.json", "compatibility-details.json"):
        (home.root / name).write_text((GOLDEN / name).read_text())
    assert compat(monkeypatch, "show", "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole == {
        "matrix": json.loads(home.matrix.read_text()),
        "details": json.loads(home.details.read_text()),
    }
    assert compat(monkeypatch, "show", "--json", str(home.matrix)) == 0
    assert json.loads(capsys.readouterr().out) == whole | {"details": None}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("show", "/nowhere.json"), WRONG_USAGE, "cannot read the matrix /nowhere.json"),
        (("show", "docs-repo"), WRONG_USAGE, "the docs repository has no matrix yet"),
        (("show", "/proc/self/mem"), COULD_NOT_RUN, "cannot read the matrix /proc/self/mem: Input/output error"),
        (("show", "/"), WRONG_USAGE, "there is no /compatibility-matrix.json"),
        (("show",), COULD_NOT_RUN, "there is no matrix yet"),
        (("diff", "/nowhere.json", "docs-repo"), WRONG_USAGE, "cannot read the matrix /nowhere.json"),
        (("diff", "one"), WRONG_USAGE, "Missing argument 'B'"),
        (("diff", "SITE/matrix.json", "SITE/down"), COULD_NOT_RUN, "/down answered 503"),
        (("diff", "CLOSED/matrix.json", "SITE/down"), COULD_NOT_RUN, "cannot reach the matrix"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_message(
    monkeypatch: pytest.MonkeyPatch,
    site: str,
    arguments: tuple[str, ...],
    code: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = [one.replace("SITE", site).replace("CLOSED", closed_port()) for one in arguments]
    assert compat(monkeypatch, *places) == code
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"schema_version": "2"}', 'has schema "2"; this version'),
        (b"\xff\xfe", "'utf-8' codec"),
        (b"{", "is no JSON"),
    ],
)
def test_a_folder_s_matrix_is_refused_like_the_file_itself(
    monkeypatch: pytest.MonkeyPatch, home: CompatHome, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home.matrix.write_bytes(content)
    for place in (home.root, home.matrix):
        assert compat(monkeypatch, "show", str(place)) == WRONG_USAGE
        said = capsys.readouterr().err
        assert told in said
        assert f"the matrix {home.matrix}" in said


def test_damaged_details_are_named(
    monkeypatch: pytest.MonkeyPatch, home: CompatHome, capsys: pytest.CaptureFixture[str]
) -> None:
    home.matrix.write_text(dump_matrix(GREEN))
    home.details.write_bytes(b"\xff\xfe")
    assert compat(monkeypatch, "show") == COULD_NOT_RUN
    assert f"{home.details} cannot be read" in capsys.readouterr().err


def test_what_broke_is_told_first_and_has_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, green: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = GREEN.model_copy(update={"features": GREEN.features[1:]})
    (tmp_path / "older.json").write_text(dump_matrix(older))
    mixed = matrix_of(with_cells({"vision/azure": FAIL, "tool_use/azure": FAIL}), "v1.84.0")
    (tmp_path / "mixed.json").write_text(dump_matrix(mixed))
    assert compat(monkeypatch, "diff", str(tmp_path / "older.json"), str(tmp_path / "mixed.json")) == REGRESSION
    before, after, *lines = capsys.readouterr().out.splitlines()
    assert before.startswith("before  Claude Code 2.1.120 through LiteLLM v1.83.0-stable, ")
    assert after.startswith("after   Claude Code 2.1.120 through LiteLLM v1.84.0, ")
    assert lines == [
        "✗ broken   vision on azure: pass -> fail: "
        "Claude Haiku 4.5: the tool input arrived empty; Claude Opus 4.7: the tool input arrived empty",
        "+ added    tool_use on anthropic: pass",
        "+ added    tool_use on azure: fail: "
        "Claude Haiku 4.5: the tool input arrived empty; Claude Opus 4.7: the tool input arrived empty",
        "1 broken, 2 added",
    ]
    assert compat(monkeypatch, "diff", green, green) == 0
    assert capsys.readouterr().out.endswith("\nno cell changed\n")


def test_what_was_fixed_breaks_nothing(monkeypatch: pytest.MonkeyPatch, red: str, green: str) -> None:
    assert [compat(monkeypatch, "diff", *places) for places in ((red, green), (green, red))] == [0, REGRESSION]


def test_diff_gives_programs_every_change(
    monkeypatch: pytest.MonkeyPatch, red: str, green: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compat(monkeypatch, "diff", "--json", green, red) == REGRESSION
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    (broken,) = found["broken"]
    places = [broken[name] for name in ("feature", "provider", "before", "after")]
    assert places == ["vision", "azure", "pass", "fail"]
    assert "the tool input arrived empty" in broken["error"]
    assert (found["fixed"], found["changed"], found["added"], found["removed"]) == ([], [], [], [])
    assert (found["before"]["source"], found["after"]["litellm_version"]) == (green, "v1.83.0-stable")
