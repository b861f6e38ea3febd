"""Git's objects in memory, with the ids that git gives them: blobs, trees, commits, branches."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FILE = "100644"
FOLDER = "040000"


@dataclass(frozen=True)
class Entry:
    """What a tree holds under a name."""

    mode: str
    sha: str


@dataclass(frozen=True)
class Commit:
    tree: str
    parents: tuple[str, ...]
    message: str


class Objects:
    """One repository's objects and branches."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, Entry]] = {}
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}

    def add_blob(self, content: bytes) -> str:
        sha = _id("blob", content)
        self.blobs[sha] = content
        return sha

    def add_tree(self, entries: Mapping[str, Entry]) -> str:
        ordered = sorted(entries.items(), key=lambda item: item[0] + ("/" if item[1].mode == FOLDER else ""))
        body = b"".join(
            f"{entry.mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(entry.sha) for name, entry in ordered
        )
        sha = _id("tree", body)
        self.trees[sha] = dict(ordered)
        return sha

    def put(self, tree: str | None, path: str, entry: Entry) -> str:
        """A tree like `tree` in which `path` is `entry`."""
        entries = dict(self.trees[tree]) if tree else {}
        name, _, rest = path.partition("/")
        if rest:
            below = entries.get(name)
            entry = Entry(FOLDER, self.put(below.sha if below and below.mode == FOLDER else None, rest, entry))
        return self.add_tree({**entries, name: entry})

    def add_commit(self, tree: str, parents: Sequence[str], message: str) -> str:
        signature = "The stand-in <stand-in@localhost> 1767225600 +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        body = "\n".join([*lines, f"author {signature}", f"committer {signature}", "", message])
        sha = _id("commit", body.encode())
        self.commits[sha] = Commit(tree, tuple(parents), message)
        return sha

    def files(self, commit: str) -> dict[str, Entry]:
        """Path -> entry of every file in `commit`."""
        return dict(self._walk(self.commits[commit].tree))

    def _walk(self, tree: str, prefix: str = "") -> list[tuple[str, Entry]]:
        found: list[tuple[str, Entry]] = []
        for name, entry in self.trees[tree].items():
            below = f"{prefix}{name}"
            found += self._walk(entry.sha, f"{below}/") if entry.mode == FOLDER else [(below, entry)]
        return found

    def ancestors(self, commit: str) -> set[str]:
        """`commit` and everything it was built on."""
        seen, todo = set[str](), [commit]
        while todo:
            if (one := todo.pop()) not in seen:
                seen.add(one)
                todo += self.commits[one].parents
        return seen

    def line(self, branch: str) -> list[str]:
        """The first parents of a branch, newest first."""
        return self.line_from(self.branches.get(branch))

    def line_from(self, commit: str | None) -> list[str]:
        """A commit and its first parents, newest first."""
        found = list[str]()
        while commit:
            found.append(commit)
            commit = next(iter(self.commits[commit].parents), None)
        return found

    def changed(self, before: str | None, after: str) -> dict[str, tuple[Entry | None, Entry | None]]:
        """Path -> (entry before, entry after) of every file that differs."""
        old, new = self.files(before) if before else {}, self.files(after)
        return {path: (old.get(path), new.get(path)) for path in sorted({*old, *new}) if old.get(path) != new.get(path)}

    def text(self, branch: str, path: str) -> str:
        return self.blobs[self.files(self.branches[branch])[path].sha].decode()

    def commit_files(self, branch: str, files: Mapping[str, str], message: str = "by an editor") -> str:
        """Put `files` on top of `branch`, as somebody who edits the docs would."""
        head = self.branches.get(branch)
        tree = self.commits[head].tree if head else None
        for path, content in files.items():
            tree = self.put(tree, path, Entry(FILE, self.add_blob(content.encode())))
        sha = self.add_commit(tree or self.add_tree({}), [head] if head else [], message)
        self.branches[branch] = sha
        return sha


def _id(kind: str, body: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()
