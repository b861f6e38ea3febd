"""Last stage, for people without a docs site: the matrix as a page that opens from disk, with badges and a feed."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import dagster as dg

from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.assets.matrix import written
from compat_pipeline.assets.publication import published_docs_commit
from compat_pipeline.domain.badge import badge_svg
from compat_pipeline.domain.diff import parse_published
from compat_pipeline.domain.feed import atom_feed
from compat_pipeline.domain.matrix import CompatibilityMatrix
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.publication.page import render_page
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline.resources.home import Home

_EDITIONS = 30
"""How many published matrices the feed looks back on."""


@dg.asset(
    group_name="publication",
    owners=ENGINEERS,
    kinds={"html"},
    deps=[published_docs_commit],
    backfill_policy=SINGLE_RUN,
)
def matrix_page(home: Home, docs_repo: DocsRepo) -> dg.MaterializeResult:
    """The matrix and its details as one page, a badge per provider, and a feed of what changed when."""
    return dg.MaterializeResult(metadata=write_page(home, docs_repo))


def write_page(home: Home, docs_repo: DocsRepo) -> Mapping[str, Any]:
    """Write page, badges and feed of the matrix as last written; returns what a person sees of them in the UI."""
    matrix, paths = written(home), home.paths
    feed = _write_feed(home, docs_repo)
    badges = {provider: f"{paths.badges.name}/{provider}.svg" for provider in matrix.providers}
    names = {provider.id: provider.name for provider in home.manifest.providers}
    for provider, file in badges.items():
        write_atomically(paths.badges.parent / file, badge_svg(matrix, provider, names.get(provider, provider)))
    links = {"badges": badges, **({} if feed else {"feed": paths.feed.name})}
    details = paths.details.read_text() if paths.details.exists() else None
    page = render_page(paths.matrix.read_text(), details, links)
    write_atomically(paths.page, page)
    return {
        "path": dg.MetadataValue.path(paths.page),
        "link": dg.MetadataValue.url(paths.page.as_uri()),
        "size_kb": round(len(page.encode()) / 1000, 1),
        "badges": dg.MetadataValue.path(paths.badges),
        "feed": feed or dg.MetadataValue.path(paths.feed),
    }


def _write_feed(home: Home, docs_repo: DocsRepo) -> str:
    """Why there is no new feed; empty when there is one. A docs repository out of reach does not hold up the page."""
    try:
        documents = docs_repo.editions(_EDITIONS)
    except CompatError as error:
        return f"none: {error}"
    editions = list(_readable(documents))
    if not editions:
        return "none: nothing was published yet"
    write_atomically(home.paths.feed, atom_feed(editions, page=home.paths.page.name))
    return ""


def _readable(documents: list[str]) -> Iterator[CompatibilityMatrix]:
    """Those that are a matrix: a docs repository may hold what others wrote."""
    for document in documents:
        with suppress(ValueError):
            if matrix := parse_published(document):
                yield matrix
