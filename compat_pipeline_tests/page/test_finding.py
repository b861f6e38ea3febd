"""Finding one's way on the standalone page: filters, comparison, links, the keyboard, and what can be taken along."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from compat_pipeline.domain.markdown import matrix_markdown
from compat_pipeline.domain.matrix import parse_matrix
from compat_pipeline.domain.reproduce import again
from compat_pipeline_tests.page.conftest import Write
from compat_pipeline_tests.page.documents import Documents, documents
from compat_pipeline_tests.page.visitor import Visit, cell, columns, panel, rows, tooltip, violations

FIRST = "Basic messaging (non-streaming)"
FIRST_ID = "basic_messaging_non_streaming"


@pytest.fixture
def address(write: Write) -> str:
    return write(documents(18, 5))


def failing(page: Page) -> Locator:
    return page.get_by_role("group", name="Show cells by status").get_by_role("button", name="Fail")


def test_filters_are_in_the_address_and_survive_a_reload(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address)
    page.get_by_text("Filter and compare").click()
    failing(page).click()
    page.get_by_label("Feature", exact=True).fill("messaging")
    providers = page.get_by_role("group", name="Providers")
    providers.get_by_role("button", name="Bedrock (Invoke)").click()
    providers.get_by_role("button", name="Azure").click()
    assert set(urlsplit(page.url).query.split("&")) == {
        "status=fail", "feature=messaging", "provider=bedrock_invoke,azure",
    }  # fmt: skip
    for _ in range(2):
        assert (rows(page), columns(page)) == ([FIRST], ["Bedrock (Invoke)", "Azure"])
        expect(page.get_by_text("1 of 18 features, 2 of 5 providers.")).to_be_visible()
        expect(failing(page)).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_label("Feature", exact=True)).to_have_value("messaging")
        page.screenshot(path=screenshots / "filtered.png")
        page.reload()
    page.get_by_role("button", name="Show everything").click()
    assert (len(rows(page)), len(columns(page)), page.url) == (18, 5, address)


def test_a_filter_by_model_shows_that_models_verdicts(visit: Visit, address: str) -> None:
    page = visit(address)
    page.get_by_text("Filter and compare").click()
    page.get_by_label("Model").select_option("Claude Sonnet 4.6")
    assert page.url == f"{address}?model=claude-sonnet-4-6"
    expect(cell(page, FIRST, "Bedrock (Invoke)")).to_have_accessible_name(f"Pass: {FIRST} on Bedrock (Invoke)")
    expect(failing(page)).to_contain_text("0")


def test_filters_that_leave_nothing_say_so(visit: Visit, address: str) -> None:
    page = visit(f"{address}?feature=teleportation")
    expect(page.get_by_role("table")).to_have_count(0)
    page.get_by_text("No cell is like that.").get_by_role("button", name="Show everything").click()
    assert len(rows(page)) == 18


def test_two_providers_are_compared_side_by_side(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address)
    page.get_by_text("Filter and compare").click()
    page.get_by_label("Compare", exact=True).select_option("Azure")
    page.get_by_label("with", exact=True).select_option("Bedrock (Invoke)")
    assert columns(page) == ["Azure", "Bedrock (Invoke)", "Switching"]
    expect(page.get_by_role("row", name=FIRST)).to_contain_text("Lost")
    expect(page.get_by_text("From Azure to Bedrock (Invoke):")).to_be_visible()
    page.screenshot(path=screenshots / "compared.png", full_page=True)
    page.reload()
    assert columns(page) == ["Azure", "Bedrock (Invoke)", "Switching"]


def test_a_cell_has_a_link_of_its_own(visit: Visit, address: str) -> None:
    page = visit(address)
    cell(page, FIRST, "Azure").click()
    assert page.url == f"{address}#cell={FIRST_ID}|azure"
    page.reload()
    expect(panel(page)).to_have_accessible_name(f"{FIRST} on Azure")
    panel(page).get_by_role("button", name="Close").click()
    expect(panel(page)).to_have_count(0)
    assert page.url == address
    expect(cell(page, FIRST, "Azure")).to_be_focused()


@pytest.mark.parametrize("old", ["?provider=vanished&status=none&model=x&from=y", "#cell=vanished|azure", "#cell=%"])
def test_an_old_link_to_what_is_gone_shows_the_whole_table(old: str, visit: Visit, address: str) -> None:
    page = visit(address + old)
    assert (len(rows(page)), len(columns(page))) == (18, 5)
    expect(panel(page)).to_have_count(0)


def test_the_keyboard_alone_goes_everywhere(visit: Visit, address: str) -> None:
    page = visit(address)
    cell(page, FIRST, "Anthropic").focus()
    for key in ("ArrowDown", "ArrowRight", "End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(panel(page)).to_have_accessible_name("Basic messaging (streaming) on Vertex AI")
    page.keyboard.press("Escape")
    expect(panel(page)).to_have_count(0)
    expect(cell(page, "Basic messaging (streaming)", "Vertex AI")).to_be_focused()
    page.keyboard.press("Control+End")
    expect(cell(page, rows(page)[-1], "Azure")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("table").locator(":focus")).to_have_count(0)


def test_the_table_is_copied_as_the_markdown_of_the_pipeline(visit: Visit, address: str) -> None:
    page = visit(address, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == matrix_markdown(parse_matrix(documents(18, 5).matrix))


def test_a_cell_tells_the_command_that_runs_it_again(visit: Visit, address: str) -> None:
    page = visit(f"{address}#cell={FIRST_ID}|bedrock_invoke")
    versions = {"litellm": "v1.83.0-stable", "claude_code": "2.1.120"}
    command = again(f"{FIRST_ID}|bedrock_invoke/*", upstream="emulated", **versions)
    expect(panel(page).get_by_text(command, exact=True)).to_be_visible()


def test_row_and_column_of_a_cell_are_marked_while_one_points_at_it(visit: Visit, address: str) -> None:
    page = visit(address)
    row, other = (page.get_by_role("rowheader", name=name, exact=True) for name in ("Tool use", "Vision"))
    cell(page, "Tool use", "Azure").hover()
    expect(tooltip(page)).to_be_visible()
    grounds = [each.evaluate("row => getComputedStyle(row).backgroundColor") for each in (row, other)]
    assert grounds[0] != grounds[1]


def test_feed_and_badges_are_linked_where_there_are_any(visit: Visit, write: Write) -> None:
    page = visit(write(documents(), {"feed": "changes.atom", "badges": {"azure": "badges/azure.svg"}}))
    expect(page.get_by_role("link", name="Feed of changes")).to_have_attribute("href", "changes.atom")
    expect(page.get_by_role("link", name="Badge for Azure")).to_have_attribute("href", "badges/azure.svg")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme: str, visit: Visit, write: Write, axe: Path, screenshots: Path) -> None:
    page = visit(f"{write(documents())}?status=fail,not_tested", color_scheme=scheme)
    cell(page, FIRST, "Bedrock (Invoke)").hover()
    expect(tooltip(page)).to_be_visible()
    assert violations(page, axe) == []
    cell(page, FIRST, "Bedrock (Invoke)").click()
    expect(panel(page)).to_be_visible()
    assert violations(page, axe) == []
    page.screenshot(path=screenshots / f"panel-{scheme}.png")


def test_axe_finds_nothing_where_there_is_no_matrix(visit: Visit, write: Write, axe: Path) -> None:
    assert violations(visit(write(Documents("null", "null"))), axe) == []
