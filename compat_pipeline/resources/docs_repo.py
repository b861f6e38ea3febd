"""The repository whose site renders the matrix."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import dagster as dg

from compat_pipeline.domain.diff import REFRESH_AGE, parse_published
from compat_pipeline.domain.gate import Baseline
from compat_pipeline.ground.amount import amount
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.github import App, GithubSite, Token, repository_name
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.publication import github, local_git
from compat_pipeline.publication.baseline import fetch_baseline
from compat_pipeline.publication.github import GithubDocs
from compat_pipeline.publication.outcome import MATRIX_FILE, Publication

DOCS_REPO = "docs-repo"
"""As the place of a matrix: what the docs repository publishes."""

_LONGEST_HOURS = 24.0 * 365 * 100
_MODES = {"push": False, "pull_request": True}
_OF_GITHUB = ("COMPAT_DOCS_BRANCH", "COMPAT_DOCS_MODE")
_PUBLISHABLE = re.compile(r"(?!\.)[\w.-]+(?:/(?!\.)[\w.-]+)*\.json")


class DocsRepo(dg.ConfigurableResource):
    """A repository on GitHub, `COMPAT_DOCS_GITHUB`, or a local git repository, `COMPAT_DOCS_REPO`.

    Without either it is a local one under COMPAT_HOME, made on first use.
    """

    @property
    def place(self) -> str:
        """What a person looks for: `owner/name` on GitHub, or the folder of the local repository."""
        named = os.environ.get("COMPAT_DOCS_GITHUB")
        try:
            return repository_name(named, "COMPAT_DOCS_GITHUB") if named else str(self._folder)
        except WrongUsage:
            return "COMPAT_DOCS_GITHUB"

    def published(self) -> str | None:
        """The document as it stands, None when nothing was ever published."""
        docs = github_docs(os.environ)
        return github.latest(docs) if docs else local_git.latest(self._folder, docs_path(os.environ))

    def editions(self, limit: int) -> list[str]:
        """The document as it was published, the last `limit` times, newest first."""
        if docs := github_docs(os.environ):
            return github.editions(docs, limit)
        return local_git.editions(self._folder, limit, docs_path(os.environ))

    def publish(self, document: str, message: str) -> Publication:
        """Commit the document if a commit is due; a refusal is told as the reason, and nothing is pushed.

        A repository of the user's own gets an emulated matrix only if COMPAT_PUBLISH asks for it by name: readers of
        a docs site would take it for the clouds'.
        """
        own = os.environ.get("COMPAT_DOCS_REPO") or os.environ.get("COMPAT_DOCS_GITHUB")
        emulated = CompatHome.from_env().upstream == "emulated"
        try:
            if emulated and own and os.environ.get("COMPAT_PUBLISH") != "emulated":
                raise CompatError("the providers were emulated", "set COMPAT_PUBLISH=emulated to publish nevertheless")
            return self._publish(document, message)
        except CompatError as error:
            return Publication(None, f"refused: {error}", refused=True)

    def _publish(self, document: str, message: str) -> Publication:
        refresh, path = refresh_age(os.environ), docs_path(os.environ)
        allowed = frozenset({path})
        if docs := github_docs(os.environ):
            return github.publish(docs, document, message=message, allowed=allowed, refresh=refresh)
        return local_git.publish(self._folder, document, message=message, path=path, allowed=allowed, refresh=refresh)

    @property
    def _folder(self) -> Path:
        return Path(os.environ.get("COMPAT_DOCS_REPO") or CompatHome.from_env().docs_repo)


def matrix_at(source: str, docs_repo: DocsRepo) -> Baseline:
    """The published matrix at `source`: a file, an http(s) address, or `docs-repo`.

    Raises WrongUsage when there is none, CompatError when it cannot be reached.
    """
    if source != DOCS_REPO:
        return fetch_baseline(source)
    document = docs_repo.published()
    try:
        matrix = parse_published(document) if document is not None else None
    except ValueError as error:
        raise WrongUsage(f"{docs_repo.place}: {error}", "name another matrix") from error
    if matrix is None:
        raise WrongUsage("the docs repository has no matrix yet", "publish one, or name another matrix")
    return Baseline(DOCS_REPO, matrix)


def github_docs(environ: Mapping[str, str]) -> GithubDocs | None:
    """The docs repository on GitHub that the environment names; None when it names none. CompatError when it errs,
    be it about a local one."""
    path = docs_path(environ)
    if not (repository := environ.get("COMPAT_DOCS_GITHUB")):
        if named := " and ".join(name for name in _OF_GITHUB if environ.get(name)):
            raise WrongUsage(
                f"{named} without COMPAT_DOCS_GITHUB: a local docs repository is committed to on its branch main",
                f"set COMPAT_DOCS_GITHUB, or unset {named}",
            )
        return None
    if environ.get("COMPAT_DOCS_REPO"):
        raise WrongUsage("COMPAT_DOCS_GITHUB and COMPAT_DOCS_REPO name two docs repositories", "unset one of them")
    mode = environ.get("COMPAT_DOCS_MODE") or "push"
    if mode not in _MODES:
        raise WrongUsage(f"COMPAT_DOCS_MODE cannot be {mode!r}", f"set it to one of: {', '.join(_MODES)}")
    return GithubDocs(
        site=GithubSite.from_env(environ),
        repository=repository_name(repository, "COMPAT_DOCS_GITHUB"),
        credentials=docs_credentials(environ),
        branch=environ.get("COMPAT_DOCS_BRANCH") or "",
        path=path,
        pull_request=_MODES[mode],
    )


def docs_path(environ: Mapping[str, str]) -> str:
    """The place of the document in the docs repository: a JSON file, outside folders that begin with a dot, and so no
    workflow and no code. WrongUsage for any other."""
    path = environ.get("COMPAT_DOCS_PATH") or MATRIX_FILE
    if not _PUBLISHABLE.fullmatch(path):
        raise WrongUsage(f"COMPAT_DOCS_PATH may not be {path!r}", "name a JSON file, such as static/data/matrix.json")
    return path


def docs_credentials(environ: Mapping[str, str]) -> App | Token | None:
    """The App, or the token, that may write to the docs repository; None when neither is given.

    The App's key comes from a file, so that no environment ever holds it. Raises CompatError.
    """
    app, key_file, token = (
        (environ.get(name) or "").strip()
        for name in ("COMPAT_DOCS_APP_ID", "COMPAT_DOCS_APP_KEY_FILE", "COMPAT_DOCS_TOKEN")
    )
    if token and (app or key_file):
        raise CompatError("both an App and COMPAT_DOCS_TOKEN are set for the docs repository", "unset one of them")
    if token:
        return Token(token)
    if not (app or key_file):
        return None
    if not (app and key_file):
        missing = "COMPAT_DOCS_APP_KEY_FILE" if app else "COMPAT_DOCS_APP_ID"
        raise CompatError(f"half of the App's credentials is missing: {missing}", "set it, or use COMPAT_DOCS_TOKEN")
    try:
        return App(app, Path(key_file).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise CompatError("COMPAT_DOCS_APP_KEY_FILE names no file that can be read", "check path and owner") from error


def refresh_age(environ: Mapping[str, str]) -> timedelta:
    """How old a published document gets before the same is published again; WrongUsage where that is no time."""
    hours = amount(environ, "COMPAT_DOCS_REFRESH_HOURS", "hours")
    return timedelta(hours=min(hours, _LONGEST_HOURS)) if hours else REFRESH_AGE
