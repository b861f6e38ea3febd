"""The docs repository that the environment names, where it is a local one. That on GitHub has tests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_pipeline.ground.errors import WrongUsage
from compat_pipeline.resources.docs_repo import DocsRepo
from compat_pipeline_tests.publication.conftest import document, files


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "docs"
    monkeypatch.setenv("COMPAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COMPAT_DOCS_REPO", str(folder))
    monkeypatch.setenv("COMPAT_PUBLISH", "emulated")
    return folder


def test_a_local_repository_holds_the_document_at_the_path_that_was_asked_for(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPAT_DOCS_PATH", "static/data/matrix.json")
    docs = DocsRepo()
    for error in ("", "broken"):
        assert not docs.publish(document(error), "m").refused
    assert files(repo) == ["static/data/matrix.json"]
    assert docs.published() == document("broken")
    assert docs.editions(9) == [document("broken"), document()]


def test_a_path_that_is_no_json_file_is_refused(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_DOCS_PATH", ".github/workflows/x.json")
    assert "COMPAT_DOCS_PATH may not be" in DocsRepo().publish(document(), "m").reason
    assert not repo.exists()


def test_a_place_that_can_be_no_repository_is_told_with_its_setting(repo: Path) -> None:
    repo.write_text("a file")
    refused = DocsRepo().publish(document(), "m")
    assert refused.refused
    assert refused.reason.endswith(
        f"cannot create {repo}: File exists\n  next: set COMPAT_DOCS_REPO to a folder you may write"
    )


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"COMPAT_DOCS_BRANCH": "gh-pages"}, "COMPAT_DOCS_BRANCH"),
        ({"COMPAT_DOCS_MODE": "pull_request"}, "COMPAT_DOCS_MODE"),
        ({"COMPAT_DOCS_MODE": "force"}, "COMPAT_DOCS_MODE"),
        ({"COMPAT_DOCS_BRANCH": "x", "COMPAT_DOCS_MODE": "push"}, "COMPAT_DOCS_BRANCH and COMPAT_DOCS_MODE"),
    ],
)
def test_what_holds_on_github_only_is_refused_for_a_local_repository(
    repo: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], named: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert f"refused: {named} without COMPAT_DOCS_GITHUB" in DocsRepo().publish(document(), "m").reason
    with pytest.raises(WrongUsage, match=f"^{named} without COMPAT_DOCS_GITHUB"):
        DocsRepo().published()
    assert not repo.exists()
