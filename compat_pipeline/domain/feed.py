"""What changed from one published matrix to the next, as an Atom feed (RFC 4287). Pure."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from xml.etree import ElementTree

from compat_pipeline.domain.diff import Change, by_kind, changes
from compat_pipeline.domain.matrix import CompatibilityMatrix

_ATOM = "http://www.w3.org/2005/Atom"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/BerriAI/litellm#claude-code-compatibility")
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold (XML 1.0, 2.2)."""
_TITLE = "Claude Code through LiteLLM: what changed"


def atom_feed(editions: Sequence[CompatibilityMatrix], *, page: str) -> str:
    """One entry per edition in which a cell's status differs from the one before; `editions` are newest first.

    `page` is where the matrix is read, relative to the feed. An entry's id depends on what it is about alone, so that a
    feed that is written again repeats none. Raises ValueError without any edition: a feed says when it was updated.
    """
    if not editions:
        raise ValueError("nothing was ever published")
    feed = ElementTree.Element("feed", xmlns=_ATOM)
    _say(feed, id=f"urn:uuid:{_NAMES}", title=_TITLE, updated=_moment(editions[0].generated_at))
    _say(ElementTree.SubElement(feed, "author"), name="compat_pipeline")
    ElementTree.SubElement(feed, "link", rel="alternate", type="text/html", href=page)
    for after, before in pairwise(editions):
        if changed := changes(before, after):
            _enter(feed, after, changed, _names((before, after)))
    ElementTree.indent(feed)
    return ElementTree.tostring(feed, encoding="unicode", xml_declaration=True) + "\n"


def _enter(
    feed: ElementTree.Element, after: CompatibilityMatrix, changed: Sequence[Change], names: Mapping[str, str]
) -> None:
    entry, moment = ElementTree.SubElement(feed, "entry"), _moment(after.generated_at)
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in by_kind(changed).items() if found)
    pair = f"LiteLLM {after.litellm_version}, Claude Code {after.claude_code_version}"
    listed = "".join(f"<li>{html.escape(_told(change, names))}</li>" for change in changed)
    _say(
        entry,
        id=f"urn:uuid:{uuid.uuid5(_NAMES, f'{moment} {pair}')}",
        title=_printable(f"{counts}: {pair}"),
        updated=moment,
    )
    ElementTree.SubElement(entry, "content", type="html").text = _printable(f"<ul>{listed}</ul>")


def _told(change: Change, names: Mapping[str, str]) -> str:
    before, after = ((status or "not listed").replace("_", " ") for status in (change.before, change.after))
    return f"{names[change.feature]} on {change.provider}: {before} → {after}"


def _names(editions: Iterable[CompatibilityMatrix]) -> dict[str, str]:
    """Feature id -> its name, the later edition's where both have it."""
    return {row.id: row.name for edition in editions for row in edition.features}


def _say(element: ElementTree.Element, **texts: str) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(element, name).text = text


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _printable(text: str) -> str:
    return NOT_IN_XML.sub("", text)
