"""The standalone page as it is read: on any screen, in any theme and time zone, on paper, and without JavaScript."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from compat_pipeline_tests.page.conftest import Write
from compat_pipeline_tests.page.documents import ERROR, MADE, OPEN, REASON, Documents, documents
from compat_pipeline_tests.page.visitor import PHONE, Visit, cell, columns, panel, rows, table, tooltip

FIRST = "Basic messaging (non-streaming)"
EXPLAINED = {
    "Anthropic": "Tested & passing",
    "Bedrock (Invoke)": f"Claude Haiku 4.5: {ERROR}",
    "Bedrock (Converse)": REASON,
    "Vertex AI": OPEN,
}
LOCKED = {**EXPLAINED, "Vertex AI": "No test for this combination yet."}


@pytest.fixture
def address(write: Write) -> str:
    return write(documents())


@pytest.fixture
def locked(write: Write) -> str:
    """The page of the public document alone."""
    return write(Documents(documents().matrix, "null"))


@pytest.mark.parametrize("provider", LOCKED)
def test_a_cell_is_explained_while_the_pointer_is_over_it(provider: str, visit: Visit, locked: str) -> None:
    page = visit(locked)
    cell(page, FIRST, provider).hover()
    expect(tooltip(page)).to_contain_text(LOCKED[provider])
    page.mouse.move(2, 2)
    expect(tooltip(page)).to_have_count(0)


def test_the_details_say_more_of_a_cell(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address)
    for provider, explanation in EXPLAINED.items():
        cell(page, FIRST, provider).hover()
        expect(tooltip(page)).to_contain_text(explanation)
    cell(page, FIRST, "Bedrock (Invoke)").hover()
    expect(tooltip(page)).to_contain_text("Cause: LiteLLM, Claude Code")
    page.screenshot(path=screenshots / "explanation.png")


def test_a_cell_is_explained_while_it_has_the_keyboards_focus(visit: Visit, locked: str) -> None:
    page = visit(locked)
    page.get_by_text("Filter and compare").focus()
    page.keyboard.press("Tab")  # to the table, which scrolls
    page.keyboard.press("Tab")
    for provider, explanation in LOCKED.items():
        focused = cell(page, FIRST, provider)
        expect(focused).to_be_focused()
        expect(tooltip(page)).to_contain_text(explanation)
        expect(focused).to_have_accessible_description(tooltip(page).inner_text().replace("\n", " "))
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(tooltip(page)).to_have_count(0)


def test_a_cell_is_explained_when_it_is_tapped(visit: Visit, locked: str) -> None:
    page = visit(locked, **PHONE)
    for provider, explanation in LOCKED.items():
        cell(page, FIRST, provider).tap()
        expect(panel(page)).to_contain_text(explanation)
        panel(page).get_by_role("button", name="Close").tap()
        expect(panel(page)).to_have_count(0)


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Europe/Berlin", "28 March 2026 at 23:15:00 CET (Europe/Berlin)"),
        ("America/New_York", "28 March 2026 at 18:15:00 GMT-4 (America/New_York)"),
        ("Asia/Tokyo", "29 March 2026 at 07:15:00 GMT+9 (Asia/Tokyo)"),
    ],
)
def test_the_last_update_is_relative_and_exact_in_the_visitors_own_time_zone(
    zone: str, told: str, visit: Visit, address: str
) -> None:
    page = visit(address, timezone_id=zone, now=MADE + timedelta(hours=4))  # Berlin's clocks went forward in between
    updated = page.get_by_role("button", name="4 hours ago")
    updated.hover()
    expect(tooltip(page)).to_contain_text(told)
    page.mouse.move(2, 2)
    updated.focus()
    expect(tooltip(page)).to_contain_text(told)


def test_what_is_days_old_shows_its_date_and_a_notice(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address, now=MADE + timedelta(days=9))
    expect(page.get_by_role("button", name="28 Mar 2026, 22:15 UTC")).to_be_visible()
    expect(page.get_by_role("note")).to_contain_text("more than 3 days old")
    page.screenshot(path=screenshots / "stale.png")


def test_the_clock_of_a_page_that_stays_open_goes_on(visit: Visit, address: str) -> None:
    page = visit(address, now=MADE + timedelta(minutes=5))
    expect(page.get_by_role("button", name="5 minutes ago")).to_be_visible()
    page.clock.install(time=MADE + timedelta(minutes=5))
    page.reload()
    page.clock.fast_forward("02:00")
    expect(page.get_by_role("button", name="7 minutes ago")).to_be_visible()


def test_on_a_phone_the_table_scrolls_and_the_features_stay(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]  # type: ignore[index]
    table(page).evaluate("table => table.scrollTo(table.scrollWidth, 0)")
    assert is_in_sight(cell(page, FIRST, "Azure"))
    assert is_in_sight(page.get_by_role("rowheader", name=FIRST))
    assert not is_in_sight(cell(page, FIRST, "Anthropic"))
    page.screenshot(path=screenshots / "phone.png", full_page=True)


def test_the_providers_stay_while_a_long_table_scrolls(visit: Visit, write: Write) -> None:
    page = visit(write(documents(60, 9)))
    cell(page, "Feature 34", "Anthropic").scroll_into_view_if_needed()
    assert is_in_sight(cell(page, "Feature 34", "Anthropic"))
    assert is_in_sight(page.get_by_role("columnheader", name="Anthropic"))
    assert not is_in_sight(cell(page, FIRST, "Anthropic"))


def is_in_sight(element: Locator) -> bool:
    """Whether the middle of `element` is what one sees at that point of the window."""
    return bool(
        element.evaluate(
            """element => {
              const {left, top, width, height} = element.getBoundingClientRect();
              const seen = document.elementFromPoint(left + width / 2, top + height / 2);
              return seen !== null && element.contains(seen);
            }"""
        )
    )


def test_the_theme_is_the_systems(visit: Visit, address: str, screenshots: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page = visit(address, color_scheme=scheme)
        grounds.append([ground(page.locator("body")), ground(cell(page, FIRST, "Anthropic"))])
        page.screenshot(path=screenshots / f"{scheme}.png")
    assert brightness(grounds[0]) > 200 > 100 > brightness(grounds[1])


def ground(element: Locator) -> str:
    return str(element.evaluate("element => getComputedStyle(element).backgroundColor"))


def brightness(colours: list[str]) -> float:
    parts = [float(part) for colour in colours for part in colour[4:-1].split(", ")]
    return sum(parts) / len(parts)


def test_without_javascript_the_whole_table_is_there_with_its_explanations(
    visit: Visit, address: str, screenshots: Path
) -> None:
    page = visit(address, java_script_enabled=False)
    assert (len(rows(page)), len(columns(page))) == (6, 5)
    assert len(page.get_by_role("cell").all()) == 30
    expect(page.get_by_text("28 Mar 2026, 22:15 UTC")).to_be_visible()
    expect(page.get_by_text(f"Claude Haiku 4.5: {ERROR}").first).to_be_visible()
    expect(page.get_by_text(REASON).first).to_be_visible()
    expect(page.get_by_role("button", name="Copy as Markdown")).to_be_hidden()
    page.screenshot(path=screenshots / "no-javascript.png", full_page=True)


def test_on_paper_nothing_is_cut_off_and_the_explanations_are_written_out(
    visit: Visit, write: Write, screenshots: Path
) -> None:
    page = visit(write(documents(60, 5)))
    page.emulate_media(media="print", color_scheme="dark")
    assert table(page).evaluate(
        "table => table.scrollHeight <= table.clientHeight && table.scrollWidth <= table.clientWidth"
    )
    expect(page.get_by_text(f"Claude Haiku 4.5: {ERROR}").first).to_be_visible()
    expect(page.get_by_text("Filter and compare")).to_be_hidden()
    page.pdf(path=screenshots / "paper.pdf", format="A4", landscape=True)


def test_every_model_of_a_cell_is_told_in_its_panel(visit: Visit, address: str, screenshots: Path) -> None:
    page = visit(address)
    cell(page, FIRST, "Bedrock (Invoke)").click()
    expect(panel(page)).to_have_accessible_name(f"{FIRST} on Bedrock (Invoke)")
    haiku, sonnet, opus = panel(page).get_by_role("listitem").all()
    expect(haiku).to_contain_text(ERROR)
    expect(haiku.get_by_role("link", name="Blocks are dropped.")).to_have_attribute(
        "href", "https://example.test/issues/7"
    )
    expect(haiku).to_contain_text("22 hours ago (28 Mar 2026, 02:15 UTC)")
    expect(haiku).to_contain_text("compat evidence 4f2a91c0")
    expect(sonnet).to_contain_text("Attempts2")
    expect(opus).to_contain_text("CauseClaude Code")
    page.screenshot(path=screenshots / "panel.png")


def test_another_schema_is_never_shown_as_a_table(visit: Visit, write: Write, screenshots: Path) -> None:
    shown = json.loads(documents().matrix)
    page = visit(write(Documents(json.dumps({**shown, "schema_version": "2"}), "null")))
    expect(page.get_by_role("alert")).to_contain_text('its schema_version is "2", not "1"')
    expect(page.get_by_role("table")).to_have_count(0)
    page.screenshot(path=screenshots / "other-schema.png")


@pytest.mark.parametrize("matrix", ["null", "[]", '{"schema_version": "1"}', '"<script>"'])
def test_what_is_no_matrix_is_never_shown_as_a_table(matrix: str, visit: Visit, write: Write) -> None:
    page = visit(write(Documents(matrix, "null")))
    expect(page.get_by_role("alert")).to_contain_text("cannot be shown")
    expect(page.get_by_role("table")).to_have_count(0)


def test_details_of_another_run_are_left_out(visit: Visit, write: Write) -> None:
    shown = documents()
    later = json.dumps({**json.loads(shown.details), "generated_at": "2026-04-01T00:00:00Z"})
    page = visit(write(Documents(shown.matrix, later)))
    expect(page.get_by_text("they tell of another run")).to_be_visible()
    cell(page, FIRST, "Vertex AI").hover()
    expect(tooltip(page)).to_have_text("No test for this combination yet.")


@pytest.mark.parametrize(("height", "width"), [(6, 5), (18, 5), (18, 9)])
def test_every_row_and_column_is_shown(height: int, width: int, visit: Visit, write: Write, screenshots: Path) -> None:
    shown = documents(height, width)
    page = visit(write(shown))
    assert rows(page) == [row["name"] for row in json.loads(shown.matrix)["features"]]
    assert len(columns(page)) == width
    assert len(page.get_by_role("cell").all()) == height * width
    page.screenshot(path=screenshots / f"{height}x{width}.png", full_page=True)


@pytest.mark.parametrize("error", ["word " * 800, "x" * 4000], ids=["words", "one word"])
def test_an_error_of_4000_characters_stays_in_the_window_and_can_be_read(
    error: str, visit: Visit, write: Write, screenshots: Path
) -> None:
    page = visit(write(documents(error=error.strip())), viewport={"width": 640, "height": 500})
    cell(page, "Tool use", "Vertex AI").hover()
    expect(tooltip(page)).to_be_in_viewport(ratio=1)
    page.screenshot(path=screenshots / f"long-error-{len(error.split())}.png")
    cell(page, "Tool use", "Vertex AI").click()
    expect(panel(page)).to_contain_text(error.strip())
    assert panel(page).evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_html_in_an_error_is_text(visit: Visit, write: Write) -> None:
    error = """</script><script>document.title='run'</script><img src=x onerror="document.title='run'"><b>&amp;</b>"""
    page = visit(write(documents(error=error)))
    cell(page, FIRST, "Bedrock (Invoke)").hover()
    expect(tooltip(page)).to_contain_text(error)
    cell(page, FIRST, "Bedrock (Invoke)").click()
    expect(panel(page)).to_contain_text(error)
    assert page.title() == "Claude Code Compatibility Matrix"
    assert page.locator("img").count() == 0


def test_other_scripts_are_shown_as_they_are_written(visit: Visit, write: Write, screenshots: Path) -> None:
    name, error = "工具使用 · ツール", "رفض المزود الطلب (400): messages.1"
    page = visit(write(documents(first_row=name, error=error)))
    cell(page, name, "Bedrock (Invoke)").click()
    said = panel(page).get_by_text(error)
    expect(said).to_be_visible()
    assert said.evaluate("said => getComputedStyle(said).direction") == "rtl"
    page.screenshot(path=screenshots / "other-scripts.png")


def test_a_page_of_18_rows_with_all_details_is_small() -> None:
    assert len(documents(18, 5).page().encode()) < 200_000
