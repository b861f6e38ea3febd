"""The rendered configuration: what LiteLLM is told, and what it is never told."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.variants import DEFAULT, OTHER_VARIANTS, Variant
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.config import EmbeddedUpstreams, ProxyConfig, render_config
from compat_pipeline_tests.pins import LITELLM

GOLDEN = Path(__file__).parent / "golden" / "config.yaml"


def render(
    port: int = 1, version: str = LITELLM, manifest: Manifest | None = None, variant: Variant = DEFAULT
) -> ProxyConfig:
    upstreams = EmbeddedUpstreams(base_url=f"http://127.0.0.1:{port}", credentials=EmulatorCredentials.generate())
    return render_config(
        manifest or load_manifest({}),
        upstreams,
        litellm_version=version,
        master_key=f"sk-{port}-master",
        variant=variant,
    )


def only(provider: str, **changes: object) -> Manifest:
    """The packaged manifest with one provider, changed."""
    manifest = load_manifest({})
    chosen = next(one for one in manifest.providers if one.id == provider)
    return manifest.model_copy(update={"providers": (chosen.model_copy(update=changes),)})


def test_the_packaged_manifest_renders_to_the_golden_file() -> None:
    assert render().text == GOLDEN.read_text()


def test_the_text_and_its_digest_are_the_same_whatever_the_ports_and_secrets() -> None:
    one, other = render(port=1), render(port=2)
    assert one.environment != other.environment
    assert (one.text, one.digest) == (other.text, other.digest)


def test_no_secret_and_no_address_stands_in_the_text() -> None:
    config = render()
    assert [name for name, value in config.environment.items() if value in config.text] == []


def test_every_reference_is_resolved_by_the_environment_and_nothing_else_is_left_over_than_litellm_s_own() -> None:
    config = render()
    references = {word.removeprefix("os.environ/") for word in config.text.split() if word.startswith("os.environ/")}
    assert set(config.environment) - references == {"BEDROCK_MANTLE_API_BASE"}
    assert references < set(config.environment)


def test_no_provider_has_an_address_elsewhere() -> None:
    addresses = {value for name, value in render(port=7).environment.items() if name.endswith(("_URL", "_BASE"))}
    assert {httpx.URL(address).netloc for address in addresses} == {b"127.0.0.1:7"}


def test_every_name_of_the_manifest_is_served_once() -> None:
    manifest = load_manifest({})
    served = [entry["model_name"] for entry in yaml.safe_load(render(manifest=manifest).text)["model_list"]]
    assert served == manifest.served
    assert set(manifest.targets) < set(served)


def test_an_entry_with_a_bearer_token_has_no_keys_and_one_that_signs_has_no_token() -> None:
    entries = yaml.safe_load(render(manifest=only("bedrock_invoke")).text)["model_list"]
    for entry in entries:
        given = {name for name in entry["litellm_params"] if name in ("api_key", "aws_access_key_id")}
        assert given == {"api_key" if entry["model_name"].endswith("@bearer") else "aws_access_key_id"}
    assert {name for name in render().environment if name.startswith("AWS_")} == set()


@pytest.mark.parametrize("auth", [(), ("signed",)])
def test_bedrock_signs_unless_the_manifest_says_otherwise(auth: tuple[str, ...]) -> None:
    entries = yaml.safe_load(render(manifest=only("bedrock_converse", auth=auth)).text)["model_list"]
    assert [entry["model_name"].partition("/")[0] for entry in entries] == ["bedrock_converse"] * 3
    assert all("aws_secret_access_key" in entry["litellm_params"] for entry in entries)


def test_the_first_authentication_listed_is_the_target_s() -> None:
    entries = yaml.safe_load(render(manifest=only("bedrock_converse", auth=("bearer",))).text)["model_list"]
    assert all("api_key" in entry["litellm_params"] for entry in entries)


def test_an_authentication_that_a_provider_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(CompatError, match="'azure_ai' has no authentication called 'signed'"):
        render(manifest=only("azure", auth=("signed", "bearer")))


@pytest.mark.parametrize(
    ("variant", "section", "setting"),
    [
        ("drop_params", "litellm_settings", "drop_params"),
        ("forward_client_headers", "general_settings", "forward_client_headers_to_llm_api"),
    ],
)
def test_a_variant_is_the_default_and_one_setting(variant: Variant, section: str, setting: str) -> None:
    default, changed = yaml.safe_load(render().text), yaml.safe_load(render(variant=variant).text)
    assert changed[section].pop(setting) is True
    assert changed == default


def test_every_variant_has_a_digest_of_its_own() -> None:
    assert len({render(variant=variant).digest for variant in (DEFAULT, *OTHER_VARIANTS)}) == 3


@pytest.mark.parametrize("setting", ["drop_params", "modify_params", "forward_client_headers_to_llm_api"])
def test_nothing_that_hides_errors_is_set(setting: str) -> None:
    assert setting not in render().text


@pytest.mark.parametrize(
    ("version", "ending"),
    [
        ("1.83.14", "/models/claude-sonnet-4-6:streamRawPredict"),
        ("1.90.0", "/models/claude-sonnet-4-6:streamRawPredict"),
        ("1.91.0", "/models/claude-sonnet-4-6"),
        ("1.92.2", "/models/claude-sonnet-4-6"),
        ("1.93.0", "127.0.0.1:1"),
        (LITELLM, "127.0.0.1:1"),
    ],
)
def test_the_vertex_address_has_the_form_that_the_version_expects(version: str, ending: str) -> None:
    assert render(version=version).environment["UPSTREAM_VERTEX_URL_CLAUDE_SONNET_4_6"].endswith(ending)


def test_a_route_that_no_upstream_speaks_is_refused_by_name() -> None:
    provider = load_manifest({}).providers[0]
    strange = provider.model_copy(update={"id": "mine", "routes": dict.fromkeys(provider.routes, "mistral/large")})
    with pytest.raises(CompatError, match="'mine' is routed to 'mistral/large'"):
        render(manifest=load_manifest({}).model_copy(update={"providers": (strange,)}))
