"""LiteLLM's configuration, rendered from the manifest. Pure; no secret and no address stands in its text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError


class EmbeddedUpstreams(BaseModel):
    """The five providers on loopback: where they listen (`http://host:port`) and what they accept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    credentials: EmulatorCredentials


class ProxyConfig(BaseModel):
    """`text` is the YAML; it names every address and secret as `os.environ/NAME`, and `environment` holds them, with
    what LiteLLM takes from nowhere else.

    So `digest` (sha256 of `text`, hex) depends on what is tested and on nothing that changes from start to start.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    environment: dict[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def render_config(
    manifest: Manifest, upstreams: EmbeddedUpstreams, *, litellm_version: str, master_key: str
) -> ProxyConfig:
    """The `default` lane: one entry per provider and model, under the name `provider/model`, and LiteLLM's defaults.

    Retries and cooldowns are off, because they hide an error or carry it into the next cell. Raises CompatError for a
    route whose prefix no embedded upstream speaks.
    """
    entries: list[dict[str, Any]] = []
    environment = {"LITELLM_MASTER_KEY": master_key, _MANTLE_URL: upstreams.base_url}
    for provider in manifest.providers:
        for model in manifest.models:
            route = provider.routes[model.id]
            values = _upstream_of(provider.id, route)(upstreams, route, litellm_version)
            environment.update(values.values())
            params = {parameter: f"os.environ/{name}" for parameter, (name, _) in values.items()}
            entries.append({"model_name": f"{provider.id}/{model.id}", "litellm_params": {"model": route, **params}})
    document = {
        "model_list": entries,
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    return ProxyConfig(text=yaml.safe_dump(document, sort_keys=False, width=120), environment=environment)


# Read by LiteLLM itself, not from its configuration: where it has tokens counted for models that Bedrock's runtime does
# not count for (`build_mantle_messages_url` in 1.106.2); without it, that is AWS's own host.
_MANTLE_URL = "BEDROCK_MANTLE_API_BASE"

_Values = dict[str, tuple[str, str]]
"""LiteLLM parameter -> name of the environment variable, its value."""


def _anthropic(upstreams: EmbeddedUpstreams, _route: str, _version: str) -> _Values:
    return {
        "api_base": ("UPSTREAM_ANTHROPIC_URL", upstreams.base_url),
        "api_key": ("UPSTREAM_ANTHROPIC_KEY", upstreams.credentials.anthropic_api_key),
    }


def _azure(upstreams: EmbeddedUpstreams, _route: str, _version: str) -> _Values:
    return {
        "api_base": ("UPSTREAM_AZURE_URL", f"{upstreams.base_url}/azure/anthropic"),
        "api_key": ("UPSTREAM_AZURE_KEY", upstreams.credentials.azure_api_key),
    }


def _bedrock(upstreams: EmbeddedUpstreams, _route: str, _version: str) -> _Values:
    credentials = upstreams.credentials
    return {
        "aws_bedrock_runtime_endpoint": ("UPSTREAM_BEDROCK_URL", upstreams.base_url),
        "aws_access_key_id": ("UPSTREAM_BEDROCK_KEY_ID", credentials.aws_access_key_id),
        "aws_secret_access_key": ("UPSTREAM_BEDROCK_SECRET", credentials.aws_secret_access_key),
        "aws_region_name": ("UPSTREAM_BEDROCK_REGION", credentials.aws_region),
    }


# Read in the source of 1.83.14 to 1.109.1 (`get_complete_vertex_url`, `_check_custom_proxy` and their callers): until
# 1.90 the address is used as it stands; since 1.91 `:operation` is appended to it; since 1.93 the whole path is, if the
# address has none of its own. A count of tokens appends the whole path always: before 1.93 it reaches no upstream.
_VERTEX_APPENDS_OPERATION = Version("1.91.0")
_VERTEX_APPENDS_PATH = Version("1.93.0")


def _vertex_address(upstreams: EmbeddedUpstreams, model: str, version: Version) -> str:
    if version >= _VERTEX_APPENDS_PATH:
        return upstreams.base_url
    credentials = upstreams.credentials
    address = (
        f"{upstreams.base_url}/v1/projects/{credentials.vertex_project}/locations/{credentials.vertex_location}"
        f"/publishers/anthropic/models/{model}"
    )
    return address if version >= _VERTEX_APPENDS_OPERATION else f"{address}:streamRawPredict"


def _vertex(upstreams: EmbeddedUpstreams, route: str, version: str) -> _Values:
    credentials = upstreams.credentials
    model = route.partition("/")[2]
    name = "".join(letter if letter.isalnum() else "_" for letter in model).upper()
    return {
        "api_base": (f"UPSTREAM_VERTEX_URL_{name}", _vertex_address(upstreams, model, Version(version))),
        "vertex_project": ("UPSTREAM_VERTEX_PROJECT", credentials.vertex_project),
        "vertex_location": ("UPSTREAM_VERTEX_LOCATION", credentials.vertex_location),
        "vertex_credentials": (
            "UPSTREAM_VERTEX_CREDENTIALS",
            credentials.service_account_json(upstreams.base_url),
        ),
    }


_UPSTREAMS: Mapping[str, Callable[[EmbeddedUpstreams, str, str], _Values]] = {
    "anthropic": _anthropic,
    "azure_ai": _azure,
    "bedrock": _bedrock,
    "vertex_ai": _vertex,
}
"""LiteLLM's own name for a provider, the first part of a route -> how the upstream is addressed."""


def _upstream_of(provider: str, route: str) -> Callable[[EmbeddedUpstreams, str, str], _Values]:
    prefix = route.partition("/")[0]
    if prefix not in _UPSTREAMS:
        raise CompatError(
            f"provider '{provider}' is routed to '{route}', and no embedded upstream speaks '{prefix}'",
            f"start the route with one of: {', '.join(_UPSTREAMS)}",
        )
    return _UPSTREAMS[prefix]
