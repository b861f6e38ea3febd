"""Publishing to real git repositories: one file, one commit, nobody's work lost."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.publication.local_git import editions, latest, publish
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline_tests.publication.conftest import ENV, GIT, document, files, git, head


def test_the_first_use_creates_a_repository_with_one_commit_of_one_file(tmp_path: Path) -> None:
    repo = tmp_path / "new" / "docs"
    made = publish(repo, document(), message="Matrix\n\nwith a body")
    assert (made.sha, made.reason) == (head(repo), "first publication")
    assert git(repo, "rev-list", "--count", "--all") == "1"
    assert files(repo) == [MATRIX_FILE]
    assert git(repo, "log", "-1", "--format=%B") == "Matrix\n\nwith a body"
    assert (repo / MATRIX_FILE).read_text(encoding="utf-8") == document()
    assert git(repo, "status", "--porcelain") == ""
    assert git(repo, "symbolic-ref", "HEAD") == "refs/heads/main"


def test_a_changed_matrix_is_committed_on_top_with_its_reason_and_diff(docs: Path) -> None:
    parent = head(docs)
    made = publish(docs, document("broken “badly”"), message="second")
    assert made.reason == "1 cell changed (vision on azure: pass -> fail)"
    assert '+          "error": "broken “badly”"' in made.diff
    assert git(docs, "rev-parse", "main^") == parent
    assert git(docs, "diff-tree", "-r", "--name-only", "main^", "main") == MATRIX_FILE
    assert files(docs) == [MATRIX_FILE, "index.md"]
    assert latest(docs) == (docs / MATRIX_FILE).read_text(encoding="utf-8") == document("broken “badly”")
    assert git(docs, "status", "--porcelain") == ""


def test_nothing_is_committed_when_only_the_time_differs(docs: Path) -> None:
    before = head(docs)
    made = publish(docs, document(hour=13), message="again")
    assert (made.sha, made.diff) == (None, "")
    assert made.reason
    assert head(docs) == before
    assert latest(docs) == document()


def test_its_editions_are_what_was_published_newest_first(docs: Path) -> None:
    for name in ("first", "second"):
        publish(docs, document(name), message=name)
    git(docs, "commit", "--allow-empty", "--message=of something else")
    assert editions(docs, 2) == [document("second"), document("first")]
    assert editions(docs, 9) == [document("second"), document("first"), document()]


def test_a_repository_that_is_not_there_has_no_editions(tmp_path: Path) -> None:
    assert editions(tmp_path / "docs", 9) == []


def test_a_path_that_is_not_allowed_is_refused(docs: Path) -> None:
    before = head(docs)
    for path in ("index.md", "../compatibility-matrix.json", ".git/config"):
        with pytest.raises(CompatError, match=r"only compatibility-matrix\.json may be published"):
            publish(docs, document("x"), message="m", path=path)
    assert head(docs) == before


def test_an_allowed_path_in_a_folder_works(docs: Path) -> None:
    path = "static/data/matrix.json"
    publish(docs, document("x"), message="m", path=path, allowed=frozenset({path}))
    assert git(docs, "diff-tree", "-r", "--name-only", "main^", "main") == path
    assert latest(docs, path) == (docs / path).read_text(encoding="utf-8") == document("x")
    assert git(docs, "status", "--porcelain") == ""


def test_git_itself_refuses_a_path_outside_the_repository(docs: Path) -> None:
    before = head(docs)
    for path in ("../outside.json", ".git/config"):
        with pytest.raises(CompatError):
            publish(docs, document("x"), message="m", path=path, allowed=frozenset({path}))
    assert head(docs) == before
    assert not (docs.parent / "outside.json").exists()


def test_a_document_that_is_not_a_matrix_is_refused(docs: Path) -> None:
    before = head(docs)
    with pytest.raises(CompatError, match="not a compatibility matrix"):
        publish(docs, "{}", message="m")
    assert head(docs) == before


def test_a_commit_that_would_touch_another_file_is_refused_and_main_stays(
    docs: Path, before_git: Callable[[str, str], None]
) -> None:
    before = head(docs)
    before_git(
        "write-tree",
        f"blob=$(echo evil | {GIT} -C {docs} hash-object -w --stdin)\n"
        f"{GIT} -C {docs} update-index --add --cacheinfo 100644,$blob,evil.txt\n",
    )
    with pytest.raises(CompatError, match=r"would touch compatibility-matrix\.json, evil\.txt"):
        publish(docs, document("x"), message="m")
    assert head(docs) == before
    assert (docs / MATRIX_FILE).read_text() == document()


def test_a_commit_that_lands_in_between_is_kept(docs: Path, before_git: Callable[[str, str], None]) -> None:
    before_git(
        "update-ref",
        f"echo new > {docs}/page.md && {GIT} -C {docs} add page.md && {GIT} -C {docs} commit -qm 'in between'\n",
    )
    made = publish(docs, document("x"), message="mine")
    assert git(docs, "log", "--format=%s", "-3", "main").splitlines() == ["mine", "in between", "a page"]
    assert made.sha == head(docs)
    assert files(docs) == [MATRIX_FILE, "index.md", "page.md"]
    assert git(docs, "diff-tree", "-r", "--name-only", "main^", "main") == MATRIX_FILE
    assert git(docs, "status", "--porcelain") == ""


def test_the_same_matrix_published_in_between_is_not_committed_twice(
    docs: Path, before_git: Callable[[str, str], None]
) -> None:
    (docs.parent / "same.json").write_text(document("x", hour=14), encoding="utf-8")
    before_git(
        "update-ref",
        f"cp {docs}/../same.json {docs}/{MATRIX_FILE} && {GIT} -C {docs} commit -qam 'somebody was faster'\n",
    )
    assert publish(docs, document("x"), message="mine").sha is None
    assert git(docs, "log", "-1", "--format=%s", "main") == "somebody was faster"


@pytest.mark.parametrize("bare", [False, True])
def test_publishers_at_once_build_one_line_of_commits_and_lose_none(tmp_path: Path, bare: bool) -> None:
    repo = tmp_path / "docs"
    if bare:
        subprocess.run([GIT, "init", "-q", "--bare", "-b", "main", str(repo)], env=ENV, check=True)
    publish(repo, document(), message="first")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: publish(repo, document(f"error {number}"), message=str(number)), range(8)))
    shas = [publication.sha for publication in made]
    line = git(repo, "rev-list", "--first-parent", "main").splitlines()
    assert None not in shas
    assert set(shas) == set(line[:-1])
    assert len(line) == 9
    assert files(repo) == [MATRIX_FILE]
    if not bare:
        publish(repo, latest(repo) or "", message="nothing")
        assert git(repo, "status", "--porcelain") == ""


def test_a_bare_repository_gets_the_commit(tmp_path: Path) -> None:
    repo = tmp_path / "docs.git"
    subprocess.run([GIT, "init", "-q", "--bare", "-b", "main", str(repo)], env=ENV, check=True)
    assert latest(repo) is None
    assert publish(repo, document(), message="first").reason == "first publication"
    publish(repo, document("x"), message="second")
    assert latest(repo) == document("x")
    assert git(repo, "rev-list", "--count", "main") == "2"
    assert not (repo / MATRIX_FILE).exists()
    assert not (repo / "index").exists()


def test_an_uncommitted_edit_of_the_file_is_never_overwritten(docs: Path) -> None:
    before = head(docs)
    (docs / MATRIX_FILE).write_text("my edit")
    for stage in (False, True):
        if stage:
            git(docs, "add", MATRIX_FILE)
            (docs / MATRIX_FILE).write_text(document())
        with pytest.raises(CompatError, match="edit that was never committed"):
            publish(docs, document("x"), message="m")
    assert git(docs, "show", f":{MATRIX_FILE}") == "my edit"
    assert head(docs) == before


def test_an_edit_is_left_alone_when_nothing_is_due(docs: Path) -> None:
    (docs / MATRIX_FILE).write_text("my edit")
    assert publish(docs, document(), message="m").sha is None
    assert (docs / MATRIX_FILE).read_text() == "my edit"


def test_a_file_of_the_user_in_an_empty_repository_is_not_overwritten(tmp_path: Path) -> None:
    subprocess.run([GIT, "init", "-q", "-b", "main", str(tmp_path)], env=ENV, check=True)
    (tmp_path / MATRIX_FILE).write_text("mine")
    with pytest.raises(CompatError, match="never committed"):
        publish(tmp_path, document(), message="m")
    assert (tmp_path / MATRIX_FILE).read_text() == "mine"


def test_other_work_in_the_index_and_the_working_tree_stays_as_it_is(docs: Path) -> None:
    (docs / "staged.md").write_text("staged")
    git(docs, "add", "staged.md")
    (docs / "index.md").write_text("edited")
    publish(docs, document("x"), message="m")
    assert files(docs) == [MATRIX_FILE, "index.md"]
    assert git(docs, "status", "--porcelain").splitlines() == ["M index.md", "A  staged.md"]
    assert (docs / "index.md").read_text() == "edited"


@pytest.mark.parametrize("checkout", [("-b", "draft"), ("--detach",)])
def test_main_moves_while_something_else_is_checked_out(docs: Path, checkout: tuple[str, ...]) -> None:
    git(docs, "checkout", "-q", *checkout)
    (docs / MATRIX_FILE).write_text("my draft")
    made = publish(docs, document("x"), message="m")
    assert head(docs) == made.sha
    assert latest(docs) == document("x")
    assert (docs / MATRIX_FILE).read_text() == "my draft"
    assert head(docs, "HEAD") == git(docs, "rev-parse", "main^")


def test_a_working_tree_left_behind_by_a_killed_publisher_is_no_edit(docs: Path) -> None:
    publish(docs, document("x"), message="m")
    git(docs, "read-tree", "main^")
    git(docs, "checkout-index", "-f", "--", MATRIX_FILE)
    assert (docs / MATRIX_FILE).read_text() == document()
    assert publish(docs, document("x"), message="again").sha is None
    assert (docs / MATRIX_FILE).read_text() == document("x")
    assert git(docs, "status", "--porcelain") == ""


def test_a_locked_index_delays_nothing_but_the_working_tree(docs: Path) -> None:
    (docs / ".git" / "index.lock").touch()
    made = publish(docs, document("x"), message="m")
    assert made.sha == head(docs)
    assert "working tree" in made.reason
    (docs / ".git" / "index.lock").unlink()
    publish(docs, document("x"), message="m")
    assert (docs / MATRIX_FILE).read_text() == document("x")


def test_a_branch_that_stays_locked_is_told_after_a_while(docs: Path) -> None:
    lock = docs / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    with pytest.raises(CompatError, match="stayed locked"):
        publish(docs, document("x"), message="m")
    assert lock.exists()


def test_a_document_that_was_damaged_by_hand_is_replaced(docs: Path) -> None:
    (docs / MATRIX_FILE).write_bytes(document().encode()[:-20] + b"\xff by hand")
    git(docs, "commit", "-qam", "by hand")
    assert publish(docs, document(), message="m").reason == "the published document is blank or damaged"
    assert latest(docs) == document()


def test_another_document_in_its_place_stays(docs: Path) -> None:
    (docs / MATRIX_FILE).write_text('{"name": "docs"}')
    git(docs, "commit", "-qam", "by hand")
    with pytest.raises(CompatError, match="no matrix of schema 1"):
        publish(docs, document(), message="m")
    assert latest(docs) == '{"name": "docs"}'


def test_a_folder_with_other_things_is_no_repository_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for call in (lambda: publish(tmp_path, document(), message="m"), lambda: latest(tmp_path)):
        with pytest.raises(CompatError, match="not a git repository"):
            call()
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_inside_another_repository_gets_a_repository_of_its_own(docs: Path) -> None:
    before = head(docs)
    inner = docs / "inner"
    inner.mkdir()
    assert latest(inner) is None
    publish(inner, document(), message="m")
    assert head(docs) == before
    assert files(inner) == [MATRIX_FILE]


def test_an_interrupted_creation_is_finished(tmp_path: Path) -> None:
    (tmp_path / "docs" / ".git" / "refs").mkdir(parents=True)
    assert publish(tmp_path / "docs", document(), message="m").sha == head(tmp_path / "docs")


def test_a_repository_with_other_branches_but_no_main_is_refused(tmp_path: Path) -> None:
    subprocess.run([GIT, "init", "-q", "-b", "master", str(tmp_path)], env=ENV, check=True)
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    with pytest.raises(CompatError, match="no main"):
        publish(tmp_path, document(), message="m")
    assert git(tmp_path, "branch", "--list", "main") == ""


def test_hooks_signing_and_the_configuration_of_the_user_change_nothing(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    (tmp_path / ".gitconfig").write_text(
        "[user]\n\tname = Bob\n[commit]\n\tgpgSign = true\n[core]\n\tautocrlf = true\n"
    )
    for name in ("reference-transaction", "pre-commit", "commit-msg", "post-checkout", "post-index-change"):
        hook = docs / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\nexit 1\n")
        hook.chmod(0o755)
    git(docs, "config", "commit.gpgSign", "true")
    made = publish(docs, document("x"), message="m")
    assert git(docs, "log", "-1", "--format=%H %an %cn %G?", "main") == (
        f"{made.sha} Compatibility matrix Compatibility matrix N"
    )
    assert not (tmp_path / "hook-ran").exists()
    assert git(docs, "cat-file", "blob", f"main:{MATRIX_FILE}") + "\n" == document("x")


def test_without_git_one_clear_error_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompatError, match="install git"):
        publish(tmp_path / "docs", document(), message="m")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CompatError, match="file"):
        publish(tmp_path / "file" / "docs", document(), message="m")


def test_a_damaged_repository_is_named_and_left_alone(docs: Path) -> None:
    objects = docs / ".git" / "objects"
    shutil.rmtree(objects)
    objects.write_text("not a folder")
    with pytest.raises(CompatError, match="docs"):
        publish(docs, document("x"), message="m")
    assert objects.read_text() == "not a folder"


def test_nothing_was_ever_published_where_there_is_nothing(tmp_path: Path) -> None:
    assert latest(tmp_path / "missing") is None
    assert latest(tmp_path) is None
