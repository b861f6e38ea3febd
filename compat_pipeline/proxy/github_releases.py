"""LiteLLM's releases as GitHub lists them: all pages, asked for again only where something changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from compat_pipeline.domain.versions import (
    STABLE,
    NoSuchVersion,
    is_final_tag,
    litellm_minor,
    newest_litellm,
    parse_litellm_tag,
)
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.github import GithubRefused, GithubSite, Token, patiently, renamed, signed_in
from compat_pipeline.ground.home import write_atomically

if TYPE_CHECKING:
    from github.Requester import Requester

REPOSITORY = "BerriAI/litellm"

# Whoever waits for a list, such as a sensor, will ask again.
_ATTEMPTS = 3
_PATIENCE_S = 5.0
_PER_PAGE = 100
_MOST_PAGES = 100
"""GitHub lists no more than 10,000 releases."""
_IMAGE = re.compile(r"berriai/litellm(?::[\w.-]+)?@(sha256:[0-9a-f]{64})")


class GithubRelease(BaseModel):
    """A release; `image_digest` is that of its container image, where its notes name one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    published_at: datetime | None = None
    image_digest: str | None = None

    @property
    def version(self) -> str:
        """`X.Y.Z`."""
        return str(parse_litellm_tag(self.tag))


class _Page(BaseModel):
    """What one page held when it last changed; drafts, pre-releases and other tags are left out."""

    etag: str
    releases: tuple[GithubRelease, ...]
    more: bool


class _Kept(BaseModel):
    """The pages of one list, as kept between two looks."""

    source: str
    pages: tuple[_Page, ...] = ()


class GithubReleases:
    """The final releases of LiteLLM; what was seen is kept under `cache`, so that an unchanged page costs nothing.

    GitHub counts no unchanged page of a request with a `token`; without one it allows 60 pages an hour, changed or
    not, and the pages after an unchanged first one are then taken for unchanged, too.
    """

    def __init__(self, site: GithubSite, token: Token | None, cache: Path) -> None:
        self._site, self._token = site, token
        self._file = cache / "github" / f"{REPOSITORY.replace('/', '-').lower()}-releases.json"
        self._source = f"{site.api}/repos/{REPOSITORY}/releases?per_page={_PER_PAGE}"

    def pick(self, request: str) -> GithubRelease:
        """The release that `request` means: `latest`, the newest patch of a minor (`1.98`), a version or a tag.

        Where one version has two releases, the one that is called stable counts. Raises WrongUsage for what is
        no version, else CompatError.
        """
        releases, minor = self.all(), litellm_minor(request)
        try:
            if request == "latest" or minor:
                wanted = newest_litellm((release.tag for release in releases), minor)
            else:
                wanted = str(parse_litellm_tag(request))
        except NoSuchVersion as error:
            raise CompatError(f"{error}, says GitHub", "choose another version, or 'latest'") from error
        except ValueError as error:
            raise WrongUsage(
                f"{error}", "give a version such as 1.106.2, a minor such as 1.106, or 'latest'"
            ) from error
        found = [release for release in releases if release.version == wanted]
        if not found:
            raise CompatError(f"GitHub has no release of LiteLLM {wanted}", "choose another version, or 'latest'")
        return max(found, key=lambda release: release.tag.endswith(STABLE))

    def all(self) -> list[GithubRelease]:
        """Every final release, in GitHub's order, each once. Raises GithubRefused."""
        kept = self._read()

        def look() -> tuple[_Page, ...]:
            doing = f"list the releases of {REPOSITORY}"
            with signed_in(self._site, self._token, REPOSITORY, {}, doing) as client:
                return tuple(self._pages(client.requester, kept))

        pages = patiently(self._site, look, attempts=_ATTEMPTS, patience_s=_PATIENCE_S)
        if pages != kept:
            write_atomically(self._file, _Kept(source=self._source, pages=pages).model_dump_json())
        return list({release.tag: release for page in pages for release in page.releases}.values())

    def _pages(self, requester: Requester, kept: tuple[_Page, ...]) -> Iterable[_Page]:
        for number in range(_MOST_PAGES):
            before = kept[number] if number < len(kept) else None
            page = self._page(requester, number, before)
            yield page
            if not page.more:
                return
            if number == 0 and page is before and self._token is None:
                yield from kept[1:]
                return

    def _page(self, requester: Requester, number: int, before: _Page | None) -> _Page:
        headers, listed = requester.requestJsonAndCheck(
            "GET",
            f"/repos/{REPOSITORY}/releases",
            parameters={"per_page": _PER_PAGE, "page": number + 1},
            headers={"If-None-Match": before.etag} if before else {},
        )
        if before and listed is None:
            return before
        if not isinstance(listed, list):
            raise ValueError("no list of releases")
        return _Page(
            etag=str(headers.get("etag", "")),
            releases=tuple(self._final(listed)),
            more='rel="next"' in str(headers.get("link", "")),
        )

    def _final(self, listed: Iterable[Mapping[str, Any]]) -> Iterable[GithubRelease]:
        for one in listed:
            # A redirect to the new name of a repository loses the page: every page would be the first.
            place = re.search(r"/repos/([^/]+/[^/]+)/releases/", str(one.get("url")))
            if place and (moved := renamed(REPOSITORY, place[1])):
                raise GithubRefused(f"cannot list the releases of {REPOSITORY}: {moved}")
            tag = str(one.get("tag_name"))
            if is_final_tag(tag) and not one.get("draft") and not one.get("prerelease"):
                image = _IMAGE.search(str(one.get("body")))
                yield GithubRelease(
                    tag=tag, published_at=one.get("published_at"), image_digest=image[1] if image else None
                )

    def _read(self) -> tuple[_Page, ...]:
        """The kept pages; none where the file is missing, damaged or of another list."""
        try:
            kept = _Kept.model_validate_json(self._file.read_text())
        except (OSError, UnicodeDecodeError, ValidationError):
            return ()
        return kept.pages if kept.source == self._source else ()
