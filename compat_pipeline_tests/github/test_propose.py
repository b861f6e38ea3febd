"""Publishing by pull request: there is one, it is brought up to date, and the branch is left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.publication.github import ROLLING_BRANCH, GithubDocs, publish
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline_tests.github.samples import document, subjects, touched, writes
from compat_pipeline_tests.github.stand_in import GithubStandIn
from compat_pipeline_tests.github.state import Repository


@pytest.fixture
def proposed(docs: GithubDocs) -> GithubDocs:
    """The same place, by pull request."""
    return replace(docs, pull_request=True)


def test_the_matrix_is_proposed_and_the_branch_left_alone(proposed: GithubDocs, repository: Repository) -> None:
    made = publish(proposed, document("x"), message="Matrix\n\nbody")
    (pull,) = repository.pulls
    assert (pull["title"], pull["head"]["ref"], pull["base"]["ref"]) == ("Matrix", ROLLING_BRANCH, "main")
    assert "1 cell changed" in pull["body"]
    assert made.link == pull["html_url"]
    assert made.reason.endswith("pull request #1")
    assert subjects(repository) == ["first"]
    assert repository.objects.branches[ROLLING_BRANCH] == made.sha
    assert touched(repository, ROLLING_BRANCH) == [MATRIX_FILE]


def test_there_is_one_that_is_brought_up_to_date(proposed: GithubDocs, repository: Repository) -> None:
    publish(proposed, document("x"), message="one")
    repository.objects.commit_files("main", {"page.md": "new"})
    second = publish(proposed, document("y", 60), message="two")
    (pull,) = repository.pulls
    assert pull["title"] == "two"
    tip = repository.objects.branches[ROLLING_BRANCH]
    assert tip == second.sha
    assert repository.objects.text(ROLLING_BRANCH, MATRIX_FILE) == document("y", 60)
    assert list(repository.objects.changed(repository.objects.branches["main"], tip)) == [MATRIX_FILE]


def test_what_is_proposed_already_is_not_proposed_again(github: GithubStandIn, proposed: GithubDocs) -> None:
    publish(proposed, document("x"), message="one")
    github.calls.clear()
    again = publish(proposed, document("x", 60), message="two")
    assert again.sha is None
    assert again.reason == "pull request #1: nothing changed but the time"
    assert writes(github) == []


def test_after_a_merge_a_new_one_is_opened(proposed: GithubDocs, repository: Repository) -> None:
    publish(proposed, document("x"), message="one")
    repository.objects.commit_files("main", {MATRIX_FILE: document("x")}, "squashed")
    repository.pulls[0]["state"] = "closed"
    assert publish(proposed, document("x", 60), message="m").sha is None
    publish(proposed, document("y", 120), message="two")
    assert [pull["state"] for pull in repository.pulls] == ["closed", "open"]
    tip = repository.objects.branches[ROLLING_BRANCH]
    assert list(repository.objects.changed(repository.objects.branches["main"], tip)) == [MATRIX_FILE]


def test_one_that_has_nothing_to_say_any_more_is_closed(proposed: GithubDocs, repository: Repository) -> None:
    publish(proposed, document("x"), message="one")
    made = publish(proposed, document(seconds=60), message="two")
    assert made.reason == "nothing changed but the time; closed pull request #1"
    assert repository.pulls[0]["state"] == "closed"


@pytest.mark.parametrize("path", ["/git/refs$", "/pulls$"])
@pytest.mark.parametrize("late", [False, True])
def test_a_server_error_leaves_one_commit_and_one_pull_request(
    path: str, late: bool, github: GithubStandIn, proposed: GithubDocs, repository: Repository
) -> None:
    github.trouble(502, method="POST", path=path, late=late)
    made = publish(proposed, document("x"), message="one")
    assert len(repository.pulls) == 1
    assert len(repository.objects.ancestors(repository.objects.branches[ROLLING_BRANCH])) == 2
    assert made.link == repository.pulls[0]["html_url"]


def test_publishers_at_once_share_one_and_the_newest_wins(proposed: GithubDocs, repository: Repository) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: publish(proposed, document(f"{n}", n), message=str(n)), range(1, 9)))
    assert [pull["state"] for pull in repository.pulls] == ["open"]
    assert repository.objects.text(ROLLING_BRANCH, MATRIX_FILE) == document("8", 8)


def test_an_app_that_may_not_open_one_pushes_nothing(
    github: GithubStandIn, proposed: GithubDocs, repository: Repository
) -> None:
    github.installations[0].permissions = {"metadata": "read", "contents": "write"}
    with pytest.raises(CompatError, match="lacks a permission of contents: write, pull_requests: write"):
        publish(proposed, document("x"), message="m")
    assert ROLLING_BRANCH not in repository.objects.branches
