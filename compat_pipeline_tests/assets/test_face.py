"""What a person sees of each asset, and each of its checks that nothing else shows to be able to fail."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from compat_pipeline.assets import matrix
from compat_pipeline.assets.page import matrix_page
from compat_pipeline.assets.publication import published_docs_commit
from compat_pipeline.assets.runtime import claude_cli, litellm_proxy, provider_upstreams
from compat_pipeline.domain.matrix import CompatibilityMatrix
from compat_pipeline.domain.observation import Fail
from compat_pipeline.resources.home import Home
from compat_pipeline_tests.assets.conftest import RED, ScriptedRunner
from compat_pipeline_tests.assets.scripted_runtime import LocalIndex, LocalNpm, ScriptedProxy
from compat_pipeline_tests.assets.test_cells import PLANNED, Resources, evaluation, walk

GREEN = "vision|azure/claude-sonnet-4-6"
SEEN = {
    "litellm_release": ("tag", "published_at", "policy", "link", "source", "digest"),
    "claude_code_release": ("version", "age_days", "policy", "link", "integrity"),
    "claude_cli": ("path", "sha512", "reported_version"),
    "provider_upstreams": ("mode", "anthropic", "bedrock_invoke", "bedrock_converse", "vertex_ai", "azure"),
    "litellm_proxy": ("endpoint", "venv_digest", "config_digest", "started_at"),
    "cell_results": ("status", "cause", "explanation", "attempts", "duration_s", "input_tokens", "output_tokens",
                     "evidence"),
    "compatibility_matrix": ("matrix", "pass", "fail", "not_tested", "changes", "path"),
    "published_docs_commit": ("sha", "link", "diff", "reason"),
    "matrix_page": ("path", "link", "size_kb", "badges", "feed"),
}  # fmt: skip
"""The metadata that people are promised of every asset."""


@pytest.fixture
def local(resources: Resources) -> Resources:
    """The resources of a whole walk in which nothing is fetched or started."""
    home, index, npm, runtime = Home(), LocalIndex(), LocalNpm(), ScriptedProxy()
    runner = ScriptedRunner(home=home, python_index=index, npm=npm, runtime=runtime)
    return resources | {"home": home, "python_index": index, "npm": npm, "runtime": runtime, "cell_runner": runner}


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Asset -> what is seen of it; of cells, the red one's."""
    return {
        event.asset_key.to_user_string(): {name: one.value for name, one in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.partition in (None, RED)
    }


def test_every_asset_shows_what_is_promised_of_it(instance: dg.DagsterInstance, local: Resources) -> None:
    stages = [claude_cli, provider_upstreams, litellm_proxy, published_docs_commit, matrix_page]
    seen = metadata(walk(instance, local, also=stages))
    assert seen.keys() == SEEN.keys()
    missing = {asset: set(names) - seen[asset].keys() for asset, names in SEEN.items()}
    assert not any(missing.values()), missing
    empty = [(asset, name) for asset, names in SEEN.items() for name in names if seen[asset][name] in ("", None)]
    assert empty == []
    assert (seen["cell_results"]["status"], seen["cell_results"]["explanation"]) == ("fail", "the tool input was lost")
    assert seen["provider_upstreams"]["mode"] == "emulated"
    assert str(seen["published_docs_commit"]["diff"]).startswith("```diff\n")


def test_a_binary_that_is_no_longer_what_was_verified_is_seen(
    instance: dg.DagsterInstance, local: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> bool:
        result = dg.materialize([claude_cli], instance=instance, resources=local)
        return evaluation(result, "binary_integrity").passed

    assert check()
    monkeypatch.setattr(LocalNpm, "bytes_there", b"something else")
    assert not check()


def test_a_route_without_an_answer_is_named(
    instance: dg.DagsterInstance, local: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> dg.AssetCheckEvaluation:
        result = dg.materialize([litellm_proxy], instance=instance, resources=local)
        return evaluation(result, "answers_on_every_route")

    assert check().passed
    monkeypatch.setattr(ScriptedProxy, "answers", {"azure/claude-haiku-4-5": "404: no such deployment"})
    broken = check()
    assert not broken.passed
    assert broken.metadata["broken"].value == {"azure/claude-haiku-4-5": "404: no such deployment"}


def test_a_provider_without_an_answer_is_named(
    instance: dg.DagsterInstance, local: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> dg.AssetCheckEvaluation:
        result = dg.materialize([provider_upstreams], instance=instance, resources=local)
        return evaluation(result, "every_provider_answers")

    assert check().passed
    monkeypatch.setattr(ScriptedProxy, "answers", {"azure": "401: invalid key"})
    broken = check()
    assert not broken.passed
    assert broken.metadata["broken"].value == {"azure": "401: invalid key"}


def test_a_matrix_that_is_not_of_the_schema_fails_its_check_and_is_not_published(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_its_version(document: CompatibilityMatrix) -> str:
        return document.model_dump_json(exclude={"schema_version"})

    monkeypatch.setattr(matrix, "dump_matrix", without_its_version)
    result = walk(instance, resources, also=[published_docs_commit], raise_on_error=False)
    check = evaluation(result, "schema_is_valid")
    assert not check.passed
    assert "schema_version" in str(check.metadata["error"].value)
    others = ("no_infrastructure_anomaly", "no_regression", "acknowledgements_hold")
    assert [evaluation(result, name).passed for name in others] == [False] * len(others)
    assert not (tmp_path / "docs-repo").exists()


def test_an_acknowledgement_that_claims_no_red_cell_is_told_of(
    instance: dg.DagsterInstance, resources: Resources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(cell: str) -> list[str]:
        entry = {"owner": "team-gateway", "issue": "https://example.org/1", "expires": "2999-01-01", "reason": "Lost."}
        lines = "\n".join(f"  {name}: {value}" for name, value in entry.items())
        (tmp_path / "known.yaml").write_text(f"- cell: {cell}\n{lines}\n")
        monkeypatch.setenv("COMPAT_ACKNOWLEDGED", str(tmp_path / "known.yaml"))
        check = evaluation(walk(instance, resources), "acknowledgements_hold")
        told = check.metadata["found"].value
        assert isinstance(told, list)
        assert check.passed == (not told)
        return told

    assert found(RED) == []
    (told,) = found(GREEN)
    assert GREEN in told


def test_a_whole_row_that_turns_red_at_once_is_told_of_and_kept_back(
    instance: dg.DagsterInstance, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedRunner, "outcomes", {})
    assert evaluation(walk(instance, resources, also=[published_docs_commit]), "no_infrastructure_anomaly").passed
    row = {cell.key: Fail(error="refused") for cell in PLANNED.cells if cell.feature == "vision"}
    monkeypatch.setattr(ScriptedRunner, "outcomes", row)
    result = walk(instance, resources, also=[published_docs_commit])
    check = evaluation(result, "no_infrastructure_anomaly")
    assert not check.passed
    assert "vision" in str(check.metadata["found"].value)
    withheld = metadata(result)["published_docs_commit"]["withheld"]
    assert isinstance(withheld, dict)
    assert list(withheld) == [f"vision on {provider.id}" for provider in PLANNED.providers]
