"""The page in a Docusaurus site that is built as the real one is, with the matrix that `make docs` finds newest."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import expect

from compat_pipeline.domain.matrix import parse_matrix
from compat_pipeline_tests.page.conftest import SITE, Npm
from compat_pipeline_tests.page.documents import ERROR, documents
from compat_pipeline_tests.page.visitor import PHONE, Visit, cell, columns, panel, rows, table, tooltip, violations

FIRST = "Basic messaging (non-streaming)"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address(npm: Npm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a home with a matrix, on a site that is served on loopback."""
    home = tmp_path_factory.mktemp("home")
    home.joinpath("compatibility-matrix.json").write_text(documents().matrix, encoding="utf-8")
    done = npm("run", "build", "--", "--out-dir", str(home / "docs-site"), home=home)
    assert done.returncode == 0, done.stdout
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(home / "docs-site"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/docs/tutorials/claude-code-compatibility/"
        server.shutdown()


def test_the_newest_matrix_is_built_into_the_page(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address)
    expect(page.get_by_role("button", name="2 hours ago")).to_be_visible()
    assert (len(rows(page)), len(columns(page))) == (6, 5)
    cell(page, FIRST, "Bedrock (Invoke)").hover()
    expect(tooltip(page)).to_contain_text(f"Claude Haiku 4.5: {ERROR}")
    page.screenshot(path=screenshots / "docs-site.png", full_page=True)


def test_every_provider_fits_beside_the_sidebar(visit: Visit, address: str) -> None:
    page = visit(address, viewport={"width": 1280, "height": 800})
    assert table(page).evaluate("table => table.scrollWidth <= table.clientWidth")


def test_the_matrix_follows_the_sites_own_switch_of_themes(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address, color_scheme="dark")
    ground = "cell => getComputedStyle(cell).backgroundColor"
    dark = cell(page, FIRST, "Anthropic").evaluate(ground)
    switch = page.get_by_role("button", name="Switch between dark and light mode")
    switch.click()
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert cell(page, FIRST, "Anthropic").evaluate(ground) != dark
    page.screenshot(path=screenshots / "docs-site-switched.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, visit: Visit, address: str, axe: Path, screenshots: Path) -> None:
    page = visit(f"{address}?status=fail", color_scheme=scheme)
    page.locator("html[data-has-hydrated=true]").wait_for(state="attached")  # a hover before that is lost
    cell(page, FIRST, "Bedrock (Invoke)").hover()
    expect(tooltip(page)).to_be_visible()
    assert violations(page, axe) == []
    page.screenshot(path=screenshots / f"docs-site-{scheme}.png")


def test_a_link_to_a_cell_opens_it_on_a_phone(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(f"{address}#cell=basic_messaging_non_streaming|bedrock_invoke", **PHONE)
    expect(panel(page)).to_contain_text(ERROR)
    page.screenshot(path=screenshots / "docs-site-phone-panel.png")
    panel(page).get_by_role("button", name="Close").tap()
    expect(panel(page)).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_javascript_the_whole_table_is_there(visit: Visit, address: str) -> None:
    page = visit(address, java_script_enabled=False)
    assert (len(rows(page)), len(columns(page)), table(page).get_by_role("cell").count()) == (6, 5, 30)
    expect(page.get_by_text("28 Mar 2026, 22:15 UTC")).to_be_visible()


def test_the_sample_is_a_matrix_of_the_locked_schema() -> None:
    sample = parse_matrix((SITE / "src" / "data" / "compatibility-matrix.json").read_text(encoding="utf-8"))
    assert {cell.status for cell in sample.cells.values()} == {"pass", "fail", "not_applicable", "not_tested"}
