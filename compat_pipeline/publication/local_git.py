"""Publishing to a local git repository: one commit that touches one file, built beside the index and working tree."""

from __future__ import annotations

import tempfile
import time
from datetime import timedelta
from pathlib import Path

from compat_pipeline.domain.diff import REFRESH_AGE, due
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.git import Git
from compat_pipeline.ground.home import make_folder
from compat_pipeline.publication.outcome import MATRIX_FILE, Publication

_BRANCH = "refs/heads/main"
_FILE_MODE = "100644"
_ATTEMPTS = 10
_LOOKS = 5
_PAUSE_S = 0.05
_IDENTITY = {"NAME": "Compatibility matrix", "EMAIL": "compatibility-matrix@localhost"}


def publish(
    repo: Path,
    content: str,
    *,
    message: str,
    path: str = MATRIX_FILE,
    allowed: frozenset[str] = frozenset({MATRIX_FILE}),
    refresh: timedelta = REFRESH_AGE,
) -> Publication:
    """Commit `content` as `path` to branch main of `repo`, if `due` says so; the repository is created on first use.

    The commit is read back before main moves: it must touch `path` and nothing else. Main moves only from the commit
    this one was built on, so a commit that lands in between is kept and this one rebuilt on it. The working tree
    follows where main is checked out. Raises CompatError, with main unmoved, for a path that is not allowed, an
    invalid document, an uncommitted edit of `path`, and a repository that cannot be used.
    """
    if path not in allowed:
        raise CompatError(f"refused to publish {path}: only {', '.join(sorted(allowed))} may be published")
    git = _open(repo)
    for attempt in range(_ATTEMPTS):
        head = git.head()
        try:
            now, reason = due(git.read(head, path), content, refresh)
        except ValueError as error:
            raise CompatError(f"refused to publish to {repo}: {error}") from error
        if not now:
            git.refresh_working_tree(path)
            return Publication(None, reason)
        blob = git.run("hash-object", "-w", "--stdin", stdin=content.encode()).strip()
        if git.holds_foreign_edit(path, blob):
            raise CompatError(
                f"{repo / path} has an edit that was never committed", "commit it or put it aside, then publish again"
            )
        commit = git.commit(head, path, blob, message)
        git.refuse_unless_only(path, blob, head, commit)
        if git.move(head, commit, message):
            late = git.refresh_working_tree(path)
            return Publication(commit, f"{reason}{late and f' ({late})'}", git.diff(head, commit))
        time.sleep(_PAUSE_S * attempt)
    raise CompatError(f"main of {repo} kept moving or stayed locked", "see who else writes to it, then publish again")


def latest(repo: Path, path: str = MATRIX_FILE) -> str | None:
    """The document at the head of main; None when there is no such repository, branch or file yet."""
    if not repo.is_dir() or not any(repo.iterdir()):
        return None
    git = _Git(repo)
    git.run("rev-parse", "--git-dir")
    return git.read(git.head(), path)


def editions(repo: Path, limit: int, path: str = MATRIX_FILE) -> list[str]:
    """The document as the last `limit` commits on main that touched it left it, newest first."""
    if latest(repo, path) is None:
        return []
    git = _Git(repo)
    commits = git.run("log", "--format=%H", f"--max-count={limit}", _BRANCH, "--", path).split()
    return [document for commit in commits if (document := git.read(commit, path)) is not None]


def is_repository(folder: Path) -> bool:
    """Whether `folder` itself is a git repository, and not only inside one."""
    return _Git(folder).succeeds("rev-parse", "--git-dir")


def _open(repo: Path) -> _Git:
    make_folder(repo, "COMPAT_DOCS_REPO")
    git = _Git(repo)
    if not git.succeeds("rev-parse", "--git-dir") and {entry.name for entry in repo.iterdir()} <= {".git"}:
        git.run("init", "--quiet", "--template=", "--initial-branch=main")
    git.run("rev-parse", "--git-dir")
    if git.head() is None and git.run("for-each-ref", "--count=1", "refs/heads"):
        raise CompatError(f"{repo} has branches but no main", "name the branch to publish to main")
    return git


class _Git(Git):
    """Git plumbing in one docs repository, with an identity of its own."""

    def __init__(self, repo: Path) -> None:
        # An empty folder inside some other repository must not be taken for that repository.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(repo.resolve().parent)}
        identity = {
            f"GIT_{role}_{field}": value for role in ("AUTHOR", "COMMITTER") for field, value in _IDENTITY.items()
        }
        super().__init__(repo, {**ceiling, **identity})

    def head(self) -> str | None:
        """The commit at main, None before the first one."""
        listed = self.run("for-each-ref", "--format=%(objectname)", _BRANCH).split()
        return listed[0] if listed else None

    def blob(self, commit: str | None, path: str) -> str | None:
        """The id of the file `path` in `commit`."""
        if commit is None:
            return None
        entry = self.run("ls-tree", "-z", commit, "--", path).split("\0")[0].split()
        return entry[2] if entry and entry[1] == "blob" else None

    def read(self, commit: str | None, path: str) -> str | None:
        blob = self.blob(commit, path)
        return None if blob is None else self.run("cat-file", "blob", blob)

    def commit(self, parent: str | None, path: str, blob: str, message: str) -> str:
        """A commit on `parent` that puts `blob` at `path`, made in an index of its own; no branch moves."""
        with tempfile.TemporaryDirectory() as scratch:
            env = {"GIT_INDEX_FILE": f"{scratch}/index"}
            if parent:
                self.run("read-tree", parent, env=env)
            self.run("update-index", "--add", "--cacheinfo", f"{_FILE_MODE},{blob},{path}", env=env)
            tree = self.run("write-tree", env=env).strip()
        parents = ("-p", parent) if parent else ()
        return self.run("commit-tree", tree, *parents, stdin=message.encode()).strip()

    def refuse_unless_only(self, path: str, blob: str, parent: str | None, commit: str) -> None:
        """Read `commit` back; CompatError unless it differs from `parent` in one thing: `path` is now `blob`."""
        fields = self.run("diff-tree", "-r", "--raw", "--no-renames", "-z", *_range(parent, commit)).split("\0")[:-1]
        entries = [entry.split() for entry in fields[::2]]
        touched = fields[1::2]
        if touched != [path] or entries[0][1] != _FILE_MODE or entries[0][3] != blob:
            raise CompatError(f"refused to publish to {self.folder}: the commit would touch {', '.join(touched)}")

    def move(self, old: str | None, new: str, message: str) -> bool:
        """Move main from `old` to `new`; False when main is no longer at `old` or is locked."""
        title = message.partition("\n")[0] or "publish"
        return self.succeeds("update-ref", "-m", title, _BRANCH, new, old or "0" * len(new))

    def diff(self, parent: str | None, commit: str) -> str:
        return self.run("diff-tree", "-r", "-p", "--no-renames", "--no-ext-diff", *_range(parent, commit))

    def holds_foreign_edit(self, path: str, fresh: str) -> bool:
        """Whether the index or the working tree holds a version of `path` that main never had and is not `fresh`.

        Looked at several times: another publisher may be in the middle of writing the file; an edit stays.
        """
        if not self._main_is_checked_out():
            return False
        for look in range(_LOOKS):
            time.sleep(_PAUSE_S * look)
            unknown = self._working_versions(path) - {fresh}
            # Main is asked last: it has whatever others have brought the working tree to.
            if not unknown or unknown <= self._versions_of(path, self.head()):
                return False
        return True

    def refresh_working_tree(self, path: str) -> str:
        """Bring index and file to main's version of `path` unless they hold an edit; says what went wrong, if anything.

        What is behind main (another publisher was faster, or was killed in between) is no edit.
        """
        try:
            for _ in range(_ATTEMPTS):
                head = self.head()
                blob = self.blob(head, path)
                if blob is None or not self._main_is_checked_out() or self._is_current(path, blob):
                    return ""
                if self.holds_foreign_edit(path, blob):
                    return f"the working tree keeps its own {path}"
                if self.succeeds("update-index", "--add", "--cacheinfo", f"{_FILE_MODE},{blob},{path}"):
                    self.succeeds("checkout-index", "-f", "-u", "--", path)
                time.sleep(_PAUSE_S)
        except CompatError as error:
            return str(error)
        return f"{path} in the working tree could not be brought up to date"

    def _main_is_checked_out(self) -> bool:
        if self.run("rev-parse", "--is-inside-work-tree").strip() != "true":
            return False
        return self.spawn(("symbolic-ref", "-q", "HEAD")).stdout.decode().strip() == _BRANCH

    def _is_current(self, path: str, blob: str) -> bool:
        return (self.folder / path).exists() and self._working_versions(path) == {blob} == set(self._staged(path))

    def _working_versions(self, path: str) -> set[str]:
        """Ids of what is staged and what lies in the working tree at `path`; a folder or link there has its own."""
        file = self.folder / path
        found = set(self._staged(path))
        if file.is_symlink() or file.is_dir():
            found.add(f"not a file: {file}")
        elif file.exists():
            found.add(self._hashed(path))
        return found

    def _hashed(self, path: str) -> str:
        """The id of the file at `path`; tried again, because another publisher may be about to replace it."""
        command = ("hash-object", f"--path={path}", "--", str(self.folder / path))
        for look in range(_LOOKS):
            time.sleep(_PAUSE_S * look)
            hashed = self.spawn(command)
            if hashed.returncode == 0:
                return hashed.stdout.decode().strip()
        return self.run(*command).strip()

    def _staged(self, path: str) -> list[str]:
        return [entry.split()[1] for entry in self.run("ls-files", "-s", "-z", "--", path).split("\0")[:-1]]

    def _versions_of(self, path: str, head: str | None) -> set[str]:
        """Ids of every version of `path` in the history of main."""
        if head is None:
            return set()
        log = self.run("log", "--format=", "--raw", "--no-abbrev", "-m", "--full-history", head, "--", path)
        return {blob for line in log.splitlines() if line.startswith(":") for blob in line.split()[2:4]}


def _range(parent: str | None, commit: str) -> tuple[str, ...]:
    return (parent, commit) if parent else ("--root", "--no-commit-id", commit)
