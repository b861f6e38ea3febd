"""Publishing to a repository on GitHub: one commit that touches one file, or one rolling pull request with it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from compat_pipeline.domain.diff import REFRESH_AGE, Due, due
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.github import (
    App,
    GithubBusy,
    GithubRefused,
    GithubSite,
    Token,
    clock_trouble,
    patiently,
    renamed,
    signed_in,
)
from compat_pipeline.publication.outcome import MATRIX_FILE, Publication

if TYPE_CHECKING:
    from github.GitRef import GitRef
    from github.PullRequest import PullRequest
    from github.Repository import Repository

ROLLING_BRANCH = "compatibility-matrix"
"""The head of the pull request; it belongs to this product."""

_FILE_MODE = "100644"
_ATTEMPTS = 20
_ATTEMPTS_TO_READ = 4
_PATIENCE_S = 60.0
"""The longest wait that GitHub may ask for; more is for the next run."""
_READ = {"contents": "read"}
_CLOCK_TOLERANCE_S = 300.0
"""The matrix is dated by our clock; nobody minds a few minutes."""


@dataclass(frozen=True)
class GithubDocs:
    """The document's place: `repository` (`owner/name`), `branch` (empty: its default branch) and `path`.

    With `pull_request`, the branch is left alone: the document is proposed, in one pull request that is brought up to
    date until somebody merges or closes it. `credentials` may be None for reading what is public.
    """

    site: GithubSite
    repository: str
    credentials: App | Token | None
    branch: str = ""
    path: str = MATRIX_FILE
    pull_request: bool = False

    @property
    def permissions(self) -> Mapping[str, str]:
        """What publishing needs, and no more."""
        return {"contents": "write", **({"pull_requests": "write"} if self.pull_request else {})}


def publish(
    docs: GithubDocs,
    content: str,
    *,
    message: str,
    allowed: frozenset[str] = frozenset({MATRIX_FILE}),
    refresh: timedelta = REFRESH_AGE,
) -> Publication:
    """Commit `content` to `docs`, if `due` says so.

    The commit is read back before any branch moves: it must touch the one file and nothing else. A branch moves only
    forward from the commit that this one was built on, so a commit that lands in between is kept and this one rebuilt
    on it. What GitHub can do at another time is tried again, within bounds; a commit that landed although GitHub
    said otherwise is found. Raises CompatError, with nothing pushed, for a path that is not allowed, an invalid
    document, missing or refused credentials, a repository that has another name now, a missing branch or file, and a
    clock that is wrong.
    """
    if docs.path not in allowed:
        raise CompatError(f"refused to publish {docs.path}: only {', '.join(sorted(allowed))} may be published")
    if docs.credentials is None:
        raise CompatError(
            f"cannot publish to {docs.repository} without credentials",
            "set COMPAT_DOCS_APP_ID and COMPAT_DOCS_APP_KEY_FILE, or COMPAT_DOCS_TOKEN",
        )
    order = _Order(content, message, refresh)

    def once() -> Publication:
        with _opened(docs, docs.permissions, "publish to") as desk:
            return order.propose(desk) if docs.pull_request else order.push(desk)

    return patiently(docs.site, once, attempts=_ATTEMPTS, patience_s=_PATIENCE_S)


def latest(docs: GithubDocs) -> str | None:
    """The published document; None when the branch has no such file. Raises CompatError when it cannot be read."""

    def once() -> str | None:
        with _opened(docs, _READ, "read") as desk:
            return desk.read(desk.head().object.sha)

    return patiently(docs.site, once, attempts=_ATTEMPTS_TO_READ, patience_s=_PATIENCE_S)


def editions(docs: GithubDocs, limit: int) -> list[str]:
    """The document as the last `limit` commits on the branch that touched it left it, newest first."""

    def once() -> list[str]:
        with _opened(docs, _READ, "read") as desk:
            return [document for commit in desk.commits(limit) if (document := desk.read(commit)) is not None]

    return patiently(docs.site, once, attempts=_ATTEMPTS_TO_READ, patience_s=_PATIENCE_S)


class _Order:
    """What is to be published; remembers over all attempts what it made, because a lost answer hides a success."""

    def __init__(self, content: str, message: str, refresh: timedelta) -> None:
        self._content, self._message, self._refresh = content, message, refresh
        self._made = Publication(None, "")

    def push(self, desk: _Desk) -> Publication:
        """One attempt to put the document on the branch."""
        head = desk.head()
        if desk.contains(head, self._made.sha):
            return self._made
        published, (now, reason) = self._judged(desk, head)
        if not now:
            return Publication(None, reason)
        self._make(desk, published, reason, (head.object.sha,))
        desk.move(head, self._made.sha or "")
        return self._made

    def propose(self, desk: _Desk) -> Publication:
        """One attempt to have the document in the rolling pull request."""
        head, tip, pull = desk.head(), desk.rolling_tip(), desk.open_pull()
        published, (now, reason) = self._judged(desk, head)
        if not now:
            if pull is not None:
                pull.edit(state="closed")
            return Publication(None, reason + (f"; closed pull request #{pull.number}" if pull else ""))
        if tip is None or not desk.contains(tip, self._made.sha):
            if pull is not None and tip is not None:
                still = self._due(desk.read(tip.object.sha))
                if not still.now:
                    return Publication(None, f"pull request #{pull.number}: {still.reason}", link=pull.html_url)
            # The branch's own commit comes first: what a pull request shows is the difference from it.
            parents = (head.object.sha, *([tip.object.sha] if tip is not None else []))
            self._make(desk, published, reason, parents)
            desk.move_rolling(tip, self._made.sha or "")
        pull = desk.have_pull(pull, self._message, reason)
        return replace(self._made, reason=f"{reason}; pull request #{pull.number}", link=pull.html_url)

    def _judged(self, desk: _Desk, head: GitRef) -> tuple[str, Due]:
        published = desk.read(head.object.sha)
        if published is None:
            raise GithubRefused(
                f"{desk.docs.repository} has no file {desk.docs.path} on {desk.branch}",
                "create it there once, empty or with {}, so that nothing is published to a wrong place",
            )
        return published, self._due(published)

    def _due(self, published: str | None) -> Due:
        try:
            return due(published, self._content, self._refresh)
        except ValueError as error:
            raise CompatError(f"refused to publish: {error}") from error

    def _make(self, desk: _Desk, published: str, reason: str, parents: Sequence[str]) -> None:
        sha = desk.commit(parents, self._content, self._message)
        before, after = published.splitlines(keepends=True), self._content.splitlines(keepends=True)
        lines = difflib.unified_diff(before, after, f"a/{desk.docs.path}", f"b/{desk.docs.path}")
        self._made = Publication(sha, reason, "".join(lines), desk.link(sha))


@contextmanager
def _opened(docs: GithubDocs, permissions: Mapping[str, str], verb: str) -> Iterator[_Desk]:
    """The repository, seen to be the one that was named, by a clock that is right."""
    doing = f"{verb} {docs.repository}"
    with signed_in(docs.site, docs.credentials, docs.repository, permissions, doing) as client:
        repository = client.get_repo(docs.repository)
        wrong = renamed(docs.repository, repository.full_name or "") or clock_trouble(
            repository.raw_headers, tolerance_s=_CLOCK_TOLERANCE_S
        )
        if wrong:
            raise GithubRefused(f"cannot {doing}: {wrong}", "correct that, then publish again")
        yield _Desk(docs, repository)


class _Desk:
    """One signed-in look at the repository."""

    def __init__(self, docs: GithubDocs, repository: Repository) -> None:
        self.docs = docs
        self.branch = docs.branch or repository.default_branch
        self._repository = repository

    def head(self) -> GitRef:
        """The branch; GithubRefused when there is none of this name."""
        found = self._ref(self.branch)
        if found is None:
            raise GithubRefused(f"{self.docs.repository} has no branch {self.branch}", "set COMPAT_DOCS_BRANCH")
        return found

    def rolling_tip(self) -> GitRef | None:
        return self._ref(ROLLING_BRANCH)

    def _ref(self, branch: str) -> GitRef | None:
        from github import UnknownObjectException

        try:
            return self._repository.get_git_ref(f"heads/{branch}")
        except UnknownObjectException:
            return None

    def contains(self, ref: GitRef, sha: str | None) -> bool:
        """Whether `sha` is on the branch `ref`."""
        return bool(sha) and self._repository.compare(str(sha), ref.object.sha).status in ("ahead", "identical")

    def commits(self, limit: int) -> list[str]:
        """The last `limit` commits on the branch that touched the document, newest first."""
        found = self._repository.get_commits(sha=self.head().object.sha, path=self.docs.path)
        return [commit.sha for commit in islice(found, limit)]

    def read(self, commit: str) -> str | None:
        """The document in `commit`; None when there is no such file."""
        from github import UnknownObjectException

        try:
            found = self._repository.get_contents(self.docs.path, ref=commit)
        except UnknownObjectException:
            return None
        if isinstance(found, list) or found.type != "file" or found.encoding != "base64":
            raise GithubRefused(f"{self.docs.path} in {self.docs.repository} is not a plain file of less than 1 MB")
        return found.decoded_content.decode(errors="replace")

    def commit(self, parents: Sequence[str], content: str, message: str) -> str:
        """A commit on the first of `parents` that puts `content` at the path, read back; no branch moves."""
        from github import InputGitTreeElement

        bases = [self._repository.get_git_commit(sha) for sha in parents]
        element = InputGitTreeElement(self.docs.path, _FILE_MODE, "blob", content=content)
        tree = self._repository.create_git_tree([element], base_tree=bases[0].tree)
        sha = self._repository.create_git_commit(message, tree, bases).sha
        made = self._repository.get_commit(sha)
        touched = [(file.filename, file.status, file.sha) for file in made.files]
        if touched != [(self.docs.path, "modified", _blob_id(content))] or [one.sha for one in made.parents] != [
            *parents
        ]:
            listed = ", ".join(f"{name} ({status})" for name, status, _ in touched) or "nothing"
            raise GithubRefused(f"refused to publish to {self.docs.repository}: the commit would touch {listed}")
        return sha

    def move(self, ref: GitRef, sha: str) -> None:
        """Move a branch forward to `sha`; GithubBusy when it is no longer where `ref` saw it."""
        from github import GithubException

        try:
            ref.edit(sha, force=False)
        except GithubException as error:
            if error.status != 422:
                raise
            if "fast forward" in str(error.message).lower():
                raise GithubBusy(f"{self.branch} of {self.docs.repository} kept moving", status=422) from error
            raise GithubRefused(
                f"{self.docs.repository} refuses a commit on {self.branch}: {error.message}",
                "let the App pass that rule, or set COMPAT_DOCS_MODE=pull_request",
                422,
            ) from error

    def move_rolling(self, tip: GitRef | None, sha: str) -> None:
        """Move the pull request's branch forward, or make it."""
        from github import GithubException

        if tip is not None:
            return self.move(tip, sha)
        try:
            self._repository.create_git_ref(f"refs/heads/{ROLLING_BRANCH}", sha)
        except GithubException as error:
            if error.status != 422:
                raise
            raise GithubBusy(f"{ROLLING_BRANCH} of {self.docs.repository} was made by another", status=422) from error
        return None

    def open_pull(self) -> PullRequest | None:
        """The open rolling pull request."""
        head = f"{self.docs.repository.split('/')[0]}:{ROLLING_BRANCH}"
        return next(iter(self._repository.get_pulls(state="open", head=head, base=self.branch)), None)

    def have_pull(self, pull: PullRequest | None, message: str, reason: str) -> PullRequest:
        """The rolling pull request, which says what is proposed now; opened if need be."""
        from github import GithubException

        title, _, rest = message.partition("\n")
        body = f"{rest.strip()}\n\n{reason}".strip()
        if pull is not None:
            pull.edit(title=title, body=body)
            return pull
        try:
            return self._repository.create_pull(base=self.branch, head=ROLLING_BRANCH, title=title, body=body)
        except GithubException as error:
            if error.status != 422:
                raise
            raise GithubBusy(f"{self.docs.repository} refused the pull request: {error.message}", status=422) from error

    def link(self, sha: str) -> str:
        """The page of a commit."""
        return f"{self._repository.html_url}/commit/{sha}"


def _blob_id(content: str) -> str:
    data = content.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
