"""Publishing to GitHub's stand-in: one file, one commit, nobody's work lost, and every refusal says why."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.github import App, GithubRefused, GithubSite, Token
from compat_pipeline.publication.github import GithubDocs, editions, latest, publish
from compat_pipeline.publication.outcome import MATRIX_FILE
from compat_pipeline_tests.github.objects import Entry
from compat_pipeline_tests.github.samples import APP, DOCS, TOKEN, document, subjects, touched, writes
from compat_pipeline_tests.github.stand_in import GithubStandIn, somebody_else
from compat_pipeline_tests.github.state import Repository


def test_a_changed_matrix_becomes_one_commit_of_one_file(docs: GithubDocs, repository: Repository) -> None:
    made = publish(docs, document("broken “badly”"), message="second\n\nwith a body")
    assert made.sha == repository.objects.branches["main"]
    assert made.reason == "1 cell changed (vision on azure: pass -> fail)"
    assert '+          "error": "broken “badly”"' in made.diff
    assert made.link.endswith(f"/{DOCS}/commit/{made.sha}")
    assert subjects(repository) == ["second\n\nwith a body", "first"]
    assert touched(repository) == [MATRIX_FILE]
    assert repository.objects.text("main", MATRIX_FILE) == latest(docs) == document("broken “badly”")


def test_a_token_of_the_user_serves_as_well(github: GithubStandIn, docs: GithubDocs, repository: Repository) -> None:
    own = replace(docs, credentials=Token(github.add_token(TOKEN, DOCS)))
    assert publish(own, document("x"), message="m").sha == repository.objects.branches["main"]


def test_the_token_is_for_that_repository_and_for_contents_alone(github: GithubStandIn, docs: GithubDocs) -> None:
    github.add_repository("acme/secret", {"a": "b"}, private=True)
    github.installations[0].repositories.add("acme/secret")
    publish(docs, document("x"), message="m")
    (grant,) = github.tokens.values()
    assert grant.repositories == {DOCS}
    assert grant.permissions == {"metadata": "read", "contents": "write"}


def test_its_editions_are_what_was_published_newest_first(docs: GithubDocs, repository: Repository) -> None:
    for name in ("second", "third"):
        publish(docs, document(name), message=name)
        repository.objects.commit_files("main", {"index.md": name})
    assert editions(docs, 2) == [document("third"), document("second")]
    assert editions(docs, 9) == [document("third"), document("second"), document()]


def test_reading_asks_for_no_right_to_write(github: GithubStandIn, docs: GithubDocs) -> None:
    assert latest(docs) == document()
    assert [dict(grant.permissions) for grant in github.tokens.values()] == [{"metadata": "read", "contents": "read"}]
    assert latest(replace(docs, credentials=None)) == document()


def test_nothing_is_pushed_when_only_the_time_differs(github: GithubStandIn, docs: GithubDocs) -> None:
    made = publish(docs, document(seconds=3600), message="again")
    assert (made.sha, made.reason, made.diff) == (None, "nothing changed but the time", "")
    assert writes(github) == []


def test_the_same_matrix_is_pushed_again_when_the_published_one_is_old(docs: GithubDocs) -> None:
    made = publish(docs, document(seconds=25 * 3600), message="daily")
    assert made.sha
    assert made.reason == "the published document is 25 h old"
    assert publish(docs, document(seconds=26 * 3600), message="m", refresh=timedelta(hours=1)).sha


def test_another_branch_and_a_path_in_a_folder_work(docs: GithubDocs, repository: Repository) -> None:
    path = "static/data/matrix.json"
    repository.objects.commit_files("next", {path: "{}", "static/other.json": "{}"})
    made = publish(replace(docs, branch="next", path=path), document(), message="m", allowed=frozenset({path}))
    assert made.reason == "the published document is blank or damaged"
    assert touched(repository, "next") == [path]
    assert subjects(repository) == ["first"]


def test_a_path_that_is_not_allowed_is_refused_before_anything_is_asked(
    github: GithubStandIn, docs: GithubDocs
) -> None:
    with pytest.raises(CompatError, match=r"only compatibility-matrix\.json may be published"):
        publish(replace(docs, path="index.md"), document("x"), message="m")
    assert not github.calls


def test_a_document_that_is_not_a_matrix_is_refused(github: GithubStandIn, docs: GithubDocs) -> None:
    with pytest.raises(CompatError, match="not a compatibility matrix"):
        publish(docs, "{}", message="m")
    assert writes(github) == []


def test_a_commit_that_would_touch_another_file_is_refused_and_the_branch_stays(
    github: GithubStandIn, docs: GithubDocs, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, objects = repository.objects.put, repository.objects

    def careless(tree: str | None, path: str, entry: Entry) -> str:
        return put(put(tree, path, entry), "evil.txt", Entry("100644", objects.add_blob(b"evil")))

    monkeypatch.setattr(objects, "put", careless)
    with pytest.raises(CompatError, match=r"would touch compatibility-matrix\.json \(modified\), evil\.txt \(added\)"):
        publish(docs, document("x"), message="m")
    assert subjects(repository) == ["first"]
    assert not any("refs" in call for call in writes(github))


def test_a_commit_that_lands_in_between_is_kept(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    github.before("PATCH", "/git/refs/", lambda: repository.objects.commit_files("main", {"page.md": "new"}))
    made = publish(docs, document("x"), message="mine")
    assert subjects(repository) == ["mine", "by an editor", "first"]
    assert made.sha == repository.objects.branches["main"]
    assert repository.objects.text("main", "page.md") == "new"
    assert touched(repository) == [MATRIX_FILE]


def test_the_same_matrix_published_in_between_is_not_committed_twice(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    same = document("x", seconds=60)
    github.before("PATCH", "/git/refs/", lambda: repository.objects.commit_files("main", {MATRIX_FILE: same}))
    assert publish(docs, document("x"), message="mine").sha is None
    assert subjects(repository) == ["by an editor", "first"]


def test_a_branch_that_keeps_moving_is_told_after_a_bounded_number_of_attempts(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    github.trouble(422, method="PATCH", path="/git/refs/", message="Update is not a fast forward", times=1000)
    with pytest.raises(CompatError, match=r"main of acme/docs kept moving"):
        publish(docs, document("x"), message="m")
    assert github.calls[f"PATCH /repos/{DOCS}/git/refs/heads/main"] == 20
    assert subjects(repository) == ["first"]


def test_a_hundred_publishers_at_once_leave_a_line_of_commits_with_the_newest_matrix_on_top(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    own = replace(docs, credentials=Token(github.add_token(TOKEN, DOCS)))
    pages = iter(range(3))

    def edit() -> None:
        repository.objects.commit_files("main", {f"page{next(pages)}.md": "kept"})

    for _ in range(3):
        github.before("PATCH", "/git/refs/", edit)

    def attempt(number: int) -> str | None:
        target = docs if number % 10 == 0 else own
        return publish(target, document(f"error {number}", seconds=number), message=f"{number}").sha

    with ThreadPoolExecutor(100) as pool:
        shas = list(pool.map(attempt, range(1, 101)))
    line = repository.objects.line("main")
    mine = [sha for sha in line if repository.objects.commits[sha].message.isdigit()]
    assert repository.objects.text("main", MATRIX_FILE) == document("error 100", seconds=100)
    assert {sha for sha in shas if sha} == set(mine)
    assert len(line) == len(mine) + 3 + 1
    assert all(len(repository.objects.commits[sha].parents) == 1 for sha in line[:-1])
    numbers = [int(repository.objects.commits[sha].message) for sha in mine]
    assert numbers == sorted(numbers, reverse=True)
    assert {*repository.objects.files(line[0])} == {MATRIX_FILE, "index.md", "page0.md", "page1.md", "page2.md"}


def test_publishers_of_the_same_time_all_land(docs: GithubDocs, repository: Repository) -> None:
    with ThreadPoolExecutor(6) as pool:
        shas = list(pool.map(lambda n: publish(docs, document(f"error {n}"), message=str(n)).sha, range(6)))
    assert set(shas) == set(repository.objects.line("main")[:-1])


@pytest.mark.parametrize("path", [r"/repos/acme/docs$", "/git/ref/", "/git/trees", "/git/commits", "/git/refs/"])
@pytest.mark.parametrize(("status", "late"), [(502, False), (502, True), (409, False)])
def test_a_passing_error_anywhere_costs_another_attempt_and_no_second_commit(
    path: str, status: int, late: bool, github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    github.trouble(status, path=path, late=late)
    made = publish(docs, document("x"), message="mine")
    assert made.sha in repository.objects.line("main")
    assert made.reason == "1 cell changed (vision on azure: pass -> fail)"
    assert subjects(repository) == ["mine", "first"]


def test_a_commit_whose_answer_was_lost_is_found_under_what_came_after_it(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    github.trouble(502, method="PATCH", late=True)
    github.before("GET", "/compare/", lambda: repository.objects.commit_files("main", {"page.md": "new"}))
    made = publish(docs, document("x"), message="mine")
    assert subjects(repository) == ["by an editor", "mine", "first"]
    assert made.sha == repository.objects.line("main")[1]


def test_an_app_token_that_ended_early_is_made_anew(
    github: GithubStandIn, docs: GithubDocs, repository: Repository
) -> None:
    github.before("POST", "/git/trees", github.tokens.clear)
    assert publish(docs, document("x"), message="m").sha == repository.objects.branches["main"]


def test_a_short_secondary_limit_is_waited_for_and_a_long_one_told(github: GithubStandIn, docs: GithubDocs) -> None:
    slow_down = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    github.trouble(403, path="/git/trees", message=slow_down, headers={"retry-after": "0"})
    github.trouble(429, path="/git/commits", message=slow_down, headers={"retry-after": "0"})
    assert publish(docs, document("x"), message="m").sha
    github.trouble(403, path="/git/trees", message=slow_down, headers={"retry-after": "600"})
    with pytest.raises(CompatError, match=r"GitHub's rate limit is used up until \d\d:\d\d UTC"):
        publish(docs, document("y"), message="m")


def refusals() -> list[tuple[str, Callable[[GithubStandIn, GithubDocs], GithubDocs], str]]:
    """(case, what is arranged, what must be said)."""

    def elsewhere(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.installations.clear()
        return docs

    def read_only(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.installations[0].permissions = {"metadata": "read", "contents": "read"}
        return docs

    def revoked(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.trouble(403, path="/git/trees", message="Resource not accessible by integration", times=99)
        return docs

    def suspended(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.trouble(403, path="/access_tokens$", message="This installation has been suspended", times=99)
        return docs

    def other_key(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.apps[APP] = "-----BEGIN PUBLIC KEY-----\nnone\n-----END PUBLIC KEY-----"
        return docs

    def no_file(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.add_repository("acme/empty", {"index.md": "x"})
        github.installations[0].repositories.add("acme/empty")
        return replace(docs, repository="acme/empty")

    def renamed(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.rename(DOCS, "acme/handbook")
        return docs

    def renamed_for_a_token(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        own = github.add_token(TOKEN, DOCS, "acme/handbook")
        github.rename(DOCS, "acme/handbook")
        return replace(docs, credentials=Token(own))

    def slow_clock(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.clock_ahead_s = 1800
        return docs

    def fast_clock(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.clock_ahead_s = -1800
        return docs

    def fast_clock_with_token(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.clock_ahead_s = -1800
        return replace(docs, credentials=Token(github.add_token(TOKEN, DOCS)))

    def protected(github: GithubStandIn, docs: GithubDocs) -> GithubDocs:
        github.repositories[DOCS].protected.add("main")
        return docs

    return [
        ("no credentials", lambda _, docs: replace(docs, credentials=None), "without credentials"),
        ("an unknown token", lambda _, docs: replace(docs, credentials=Token(TOKEN)), r"refused the credentials \(Bad"),
        ("not installed", elsewhere, "App 4711 for acme/docs: it is not installed there"),
        ("read only", read_only, "lacks a permission of contents: write"),
        ("suspended", suspended, "This installation has been suspended"),
        ("revoked", revoked, "do not allow it"),
        ("another key", other_key, r"refused the credentials \(A JSON web token"),
        ("no such file", no_file, r"acme/empty has no file compatibility-matrix\.json on main"),
        ("no such branch", lambda _, docs: replace(docs, branch="gone"), "acme/docs has no branch gone"),
        ("renamed", renamed, "it was renamed to acme/handbook"),
        ("renamed, by token", renamed_for_a_token, "it was renamed to acme/handbook"),
        ("a clock behind", slow_clock, "this machine's clock is 30 min behind GitHub's"),
        ("a clock ahead", fast_clock, "this machine's clock is 30 min ahead of GitHub's"),
        ("a clock ahead, by token", fast_clock_with_token, "this machine's clock is 30 min ahead of GitHub's"),
        ("a protected branch", protected, "Changes must be made through a pull request"),
    ]


@pytest.mark.parametrize(("arrange", "said"), [pytest.param(*rest, id=case) for case, *rest in refusals()])
def test_what_is_wrong_is_told_in_one_message_and_nothing_is_pushed(
    arrange: Callable[[GithubStandIn, GithubDocs], GithubDocs],
    said: str,
    github: GithubStandIn,
    docs: GithubDocs,
    repository: Repository,
) -> None:
    with pytest.raises(CompatError, match=said):
        publish(arrange(github, docs), document("x"), message="m")
    assert subjects(repository) == ["first"]


def test_a_site_that_cannot_be_reached_is_said_to_be_so(docs: GithubDocs) -> None:
    nowhere = replace(docs, site=GithubSite("http://127.0.0.1:9", pause_s=0))
    with pytest.raises(CompatError, match="GitHub cannot be reached"):
        publish(nowhere, document("x"), message="m")


def test_an_answer_that_is_no_json_is_told(github: GithubStandIn, docs: GithubDocs, repository: Repository) -> None:
    github.add_repository("acme/odd", {MATRIX_FILE: document()})
    github.repositories["acme/odd"].full_name = "acme/else"
    with pytest.raises(CompatError):
        publish(replace(docs, repository="acme/odd"), document("x"), message="m")
    assert subjects(repository) == ["first"]


@pytest.mark.parametrize("answer", ["<html>Please log in</html>", "{}", "[1]", '{"id": 1, "repositories": [1]}'])
@pytest.mark.parametrize("signed_in_as", ["app", "token"])
def test_an_answer_that_is_not_github_s_is_told(answer: str, signed_in_as: str, app_pem: str) -> None:
    credentials = App(APP, app_pem) if signed_in_as == "app" else Token(TOKEN)
    with somebody_else(answer) as address:
        docs = GithubDocs(GithubSite(address, pause_s=0.001), DOCS, credentials)
        for use in (lambda: latest(docs), lambda: publish(docs, document(), message="m")):
            with pytest.raises(GithubRefused, match=r"cannot .* acme/docs: GitHub's answer makes no sense"):
                use()


def test_no_credential_is_logged_shown_or_kept(
    github: GithubStandIn, docs: GithubDocs, app_pem: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="github.Requester"):
        made = publish(docs, document("x"), message="m")
        github.trouble(403, path="/git/trees", message=f"no: {app_pem}", times=9)
        with pytest.raises(CompatError) as refused:
            publish(docs, document("y"), message="m")
    said = f"{caplog.text} {made} {docs!r} {refused.value}"
    key_line = app_pem.splitlines()[3]
    assert [one for one in (*github.tokens, key_line) if one in said] == []


def test_the_stand_in_says_that_it_is_one(github: GithubStandIn, docs: GithubDocs) -> None:
    import httpx

    answer = httpx.get(f"{github.url}/repos/{docs.repository}")
    assert answer.headers["server"] == "github-stand-in"
    assert json.loads(answer.text)["full_name"] == DOCS
