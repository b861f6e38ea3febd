"""The page, the badges and the feed: made of the documents on disk and of what was published, by the real Node.js."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest

from compat_pipeline.assets.page import matrix_page
from compat_pipeline.assets.publication import published_docs_commit
from compat_pipeline.domain.observation import Fail
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.publication import page
from compat_pipeline_tests.assets.conftest import ScriptedRunner
from compat_pipeline_tests.assets.test_cells import Resources, walk

STAGES = [published_docs_commit, matrix_page]
BROKEN = Fail(error="<script>the tool input</script> was lost")


@pytest.fixture
def _one_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedRunner, "outcomes", {"vision|azure/claude-haiku-4-5": BROKEN})


def seen(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """What a person sees of the page in the UI."""
    (event,) = (one for one in result.get_asset_materialization_events() if one.asset_key == matrix_page.key)
    return {name: one.value for name, one in event.materialization.metadata.items()}


@pytest.mark.usefixtures("_one_is_red")
def test_the_page_holds_the_whole_matrix_without_any_script(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    walk(instance, resources, also=STAGES)
    matrix = json.loads((tmp_path / "compatibility-matrix.json").read_text())
    text = (tmp_path / "matrix.html").read_text()
    table = text[text.index("<table") : text.index("</table>")]
    assert [row["name"] for row in matrix["features"] if row["name"] not in table] == []
    assert table.count("<td") == len(matrix["features"]) * len(matrix["providers"])
    assert "<script>the tool input" not in text


def test_each_provider_has_a_badge_that_the_page_links_to(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path
) -> None:
    walk(instance, resources, also=STAGES)
    providers = json.loads((tmp_path / "compatibility-matrix.json").read_text())["providers"]
    assert sorted(path.stem for path in (tmp_path / "badges").iterdir()) == sorted(providers)
    page_text = (tmp_path / "matrix.html").read_text()
    assert all(f"badges/{provider}.svg" in page_text for provider in providers)


def test_the_feed_tells_of_each_published_change(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(instance, resources, also=STAGES)
    assert "<entry>" not in (tmp_path / "changes.atom").read_text()
    monkeypatch.setattr(ScriptedRunner, "outcomes", {"vision|azure/claude-haiku-4-5": BROKEN})
    walk(instance, resources, also=STAGES)
    assert "Vision on azure: pass → fail" in (tmp_path / "changes.atom").read_text()


def test_a_docs_repository_out_of_reach_costs_the_feed_alone(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("COMPAT_DOCS_REPO", str(tmp_path / "a-file"))
    result = walk(instance, resources, also=STAGES)
    assert str(seen(result)["feed"]).startswith("none: ")
    assert (tmp_path / "matrix.html").exists()


def test_a_renderer_that_breaks_is_told_with_its_reason_and_the_old_page_stays(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matrix.html").write_text("old")
    (tmp_path / "broken.mjs").write_text('throw new Error("no such component")')
    monkeypatch.setattr(page, "_RENDERER", tmp_path / "broken.mjs")
    with pytest.raises(CompatError, match="no such component"):
        walk(instance, resources, also=STAGES)
    assert (tmp_path / "matrix.html").read_text() == "old"
