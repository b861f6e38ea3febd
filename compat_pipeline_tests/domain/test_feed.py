"""The feed of what changed, as a feed reader takes it."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

import pytest

from compat_pipeline.domain.feed import atom_feed
from compat_pipeline.domain.matrix import CompatibilityMatrix
from compat_pipeline_tests.domain.samples import FAIL, PASS, everything, matrix_of, with_cells

ATOM = "{http://www.w3.org/2005/Atom}"
FIRST = matrix_of(everything())


def later(days: int, broken: bool = False, **changed: str) -> CompatibilityMatrix:
    """An edition some days after the first, in which one cell is broken or not."""
    matrix = matrix_of(with_cells({"vision/azure": FAIL if broken else PASS}))
    return matrix.model_copy(update={"generated_at": FIRST.generated_at + timedelta(days=days), **changed})


def entries(*newest_first: CompatibilityMatrix) -> list[ElementTree.Element]:
    return ElementTree.fromstring(atom_feed(newest_first, page="matrix.html")).findall(f"{ATOM}entry")


def text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{ATOM}{name}") or ""


def test_an_edition_that_changed_a_cell_is_an_entry_that_names_it_with_both_statuses() -> None:
    (entry,) = entries(later(1, broken=True, litellm_version="v2"), FIRST)
    assert text(entry, "title") == f"1 broken: LiteLLM v2, Claude Code {FIRST.claude_code_version}"
    assert text(entry, "content") == "<ul><li>Vision on azure: pass → fail</li></ul>"
    assert text(entry, "updated") == later(1).generated_at.isoformat().replace("+00:00", "Z")


def test_an_edition_that_says_the_same_is_none() -> None:
    assert entries(later(2), later(1), FIRST) == []


def test_the_newest_comes_first_and_no_two_have_the_same_id() -> None:
    broken, fixed = entries(later(2), later(1, broken=True), FIRST)[::-1]
    assert [text(broken, "title")[:8], text(fixed, "title")[:7]] == ["1 broken", "1 fixed"]
    assert text(broken, "id") != text(fixed, "id")


def test_an_entry_keeps_its_id_when_the_feed_is_written_again() -> None:
    (then,) = entries(later(1, broken=True), FIRST)
    now = entries(later(3), later(1, broken=True), FIRST)[-1]
    assert text(then, "id") == text(now, "id")


def test_markup_in_a_name_stays_text_and_what_xml_forbids_is_left_out() -> None:
    after = later(1, broken=True)
    row = after.features[-1].model_copy(update={"name": "<b>Vision</b>\x07"})
    (entry,) = entries(after.model_copy(update={"features": (*after.features[:-1], row)}), FIRST)
    assert "&lt;b&gt;Vision&lt;/b&gt; on azure" in text(entry, "content")


def test_the_feed_says_when_it_was_updated_and_where_the_matrix_is() -> None:
    feed = ElementTree.fromstring(atom_feed([later(1), FIRST], page="matrix.html"))
    assert text(feed, "updated") == later(1).generated_at.isoformat().replace("+00:00", "Z")
    assert [link.get("href") for link in feed.findall(f"{ATOM}link")] == ["matrix.html"]


def test_there_is_no_feed_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing was ever published"):
        atom_feed([], page="matrix.html")
