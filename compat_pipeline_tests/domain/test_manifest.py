"""The manifest: what it plans and which mistakes it names."""

from __future__ import annotations

import pytest

from compat_pipeline.domain.manifest import ManifestError, parse_manifest

GOOD = """
features: [{id: vision, name: Vision}, {id: tool_use, name: Tool use}]
providers:
  - {id: anthropic, name: Anthropic, routes: {haiku: anthropic/haiku, opus: anthropic/opus}}
  - {id: azure, name: Azure, routes: {haiku: azure_ai/haiku, opus: azure_ai/opus}}
models: [{id: haiku, name: Haiku}, {id: opus, name: Opus}]
"""


def test_cells_come_by_feature_then_provider_then_model() -> None:
    assert [cell.key for cell in parse_manifest(GOOD).cells][:3] == [
        "vision|anthropic/haiku",
        "vision|anthropic/opus",
        "vision|azure/haiku",
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("id: vision", "id: Vi sion", "features.0.id"),
        ("id: tool_use, name: Tool use", "id: vision, name: Tool use", "feature 'vision' is listed twice"),
        ("haiku: azure_ai/haiku, ", "", "provider 'azure' has no route for haiku"),
        ("opus: azure_ai/opus", "opus: azure_ai/opus, sonnet: x", "routes models that are not listed: sonnet"),
        ("name: Azure, ", "name: Azure, auth: [bearer, bearer], ", "'azure' lists a way of authentication twice"),
        ("name: Azure, ", "name: Azure, auth: [password], ", "providers.1.auth.0"),
        ("id: vision, name: Vision", "id: vision, name: Vision, set: all", "features of set v0 come first"),
        ("id: vision, name: Vision", "id: vision, name: Vision, set: v1", "features.0.set"),
        ("models:", "modles:", "models: Field required"),
        ("features: [", "features: ]", "is not YAML"),
        ("name: Vision", "name: !!int x", "is not YAML"),
        ("name: Vision", "name: !!bool x", "is not YAML"),
        ("name: Vision", "name: 2027-02-30", "day is out of range for month"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_place(wrong: str, right: str, complaint: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(GOOD.replace(wrong, right), "my.yaml")
    assert "my.yaml" in str(caught.value)
    assert complaint in str(caught.value)


def test_a_further_authentication_is_served_under_a_name_of_its_own() -> None:
    manifest = parse_manifest(GOOD.replace("name: Azure, ", "name: Azure, auth: [signed, bearer], "))
    assert manifest.served == [
        *("anthropic/haiku", "anthropic/opus"),
        *("azure/haiku", "azure/haiku@bearer", "azure/opus", "azure/opus@bearer"),
    ]
    assert manifest.targets == [name for name in manifest.served if "@" not in name]
    assert manifest.providers[1].served_as("opus") == {"azure/opus": "signed", "azure/opus@bearer": "bearer"}


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ManifestError, match=r"not a valid manifest"):
        parse_manifest("", "my.yaml")


def test_a_set_has_its_own_rows_and_the_set_all_has_every_row() -> None:
    manifest = parse_manifest(GOOD.replace("name: Tool use", "name: Tool use, set: all"))
    assert [feature.id for feature in manifest.of_set("v0").features] == ["vision"]
    assert [feature.id for feature in manifest.of_set("all").features] == ["vision", "tool_use"]
