"""A docs repository, and git as somebody else uses it there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from compat_pipeline.domain.matrix import CompatibilityMatrix, Failing, MatrixRow, Passing, dump_matrix
from compat_pipeline.publication.local_git import publish

GIT = shutil.which("git") or "git"
ENV = {
    "PATH": "/usr/bin:/bin",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def git(repo: Path, *args: str) -> str:
    done = subprocess.run([GIT, "-C", str(repo), *args], env=ENV, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def document(error: str = "", hour: int = 12) -> str:
    """A valid matrix; `error` makes its only cell fail."""
    return dump_matrix(
        CompatibilityMatrix(
            schema_version="1",
            generated_at=datetime(2026, 1, 31, hour, tzinfo=timezone.utc),
            litellm_version="v1.83.0-stable",
            claude_code_version="2.1.120",
            providers=("azure",),
            features=(
                MatrixRow(
                    id="vision", name="Vision", providers={"azure": Failing(error=error) if error else Passing()}
                ),
            ),
        )
    )


def head(repo: Path, ref: str = "main") -> str:
    return git(repo, "rev-parse", ref)


def files(repo: Path, ref: str = "main") -> list[str]:
    return git(repo, "ls-tree", "-r", "--name-only", ref).splitlines()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A docs repository with a page and a published matrix, main checked out."""
    repo = tmp_path / "docs"
    publish(repo, document(), message="first")
    (repo / "index.md").write_text("# Docs\n")
    git(repo, "add", "index.md")
    git(repo, "commit", "-qm", "a page")
    return repo


@pytest.fixture
def before_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Run a shell snippet once, right before the first git call of the named subcommand."""

    def arrange(subcommand: str, snippet: str) -> None:
        folder = tmp_path / "shim"
        folder.mkdir()
        settings = "".join(f"export {name}='{value}'\n" for name, value in ENV.items() if name.startswith("GIT_"))
        (folder / "intruder").write_text(settings + snippet)
        (folder / "git").write_text(
            f'#!/bin/sh\nfor word; do\n  if [ "$word" = {subcommand} ] && mv {folder}/intruder {folder}/done; then\n'
            f'    /bin/sh {folder}/done >&2 || exit 99\n  fi\ndone 2>/dev/null\nexec {GIT} "$@"\n'
        )
        (folder / "git").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return arrange
