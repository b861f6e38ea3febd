"""LiteLLM's configuration, rendered from the manifest. Pure; no secret and no address stands in its text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from compat_pipeline.domain.manifest import AuthMode, Manifest
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.proxy.ledger import CALLBACK


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
    manifest: Manifest,
    upstreams: EmbeddedUpstreams,
    *,
    litellm_version: str,
    master_key: str,
    variant: Variant = DEFAULT,
) -> ProxyConfig:
    """One entry per name that the manifest serves, the ledger, and LiteLLM's defaults but for what `variant` sets.

    Retries and cooldowns are off, because they hide an error or carry it into the next cell. Raises CompatError for a
    route or a way of authentication that no embedded upstream speaks.
    """
    entries: list[dict[str, Any]] = []
    environment = {"LITELLM_MASTER_KEY": master_key, _MANTLE_URL: upstreams.base_url}
    for provider in manifest.providers:
        for model in manifest.models:
            route = provider.routes[model.id]
            for name, auth in provider.served_as(model.id).items():
                values = _upstream_of(provider.id, route, auth)(upstreams, route, litellm_version)
                environment.update(values.values())
                params = {parameter: f"os.environ/{variable}" for parameter, (variable, _) in values.items()}
                entries.append({"model_name": name, "litellm_params": {"model": route, **params}})
    section, settings = _VARIANTS[variant]
    document: dict[str, Any] = {
        "model_list": entries,
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {"num_retries": 0, "success_callback": [CALLBACK]},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    document[section].update(settings)
    return ProxyConfig(text=yaml.safe_dump(document, sort_keys=False, width=120), environment=environment)


# One setting each, so that a difference has one cause. `drop_params` is what LiteLLM's documentation offers against
# parameters that a provider refuses, and what its own published matrix was made with; `modify_params` is another
# setting with other effects (LiteLLM #40363: max_tokens cut on Vertex). Both hide the 400s that users report.
_VARIANTS: Mapping[Variant, tuple[str, Mapping[str, bool]]] = {
    "default": ("litellm_settings", {}),
    "drop_params": ("litellm_settings", {"drop_params": True}),
    "forward_client_headers": ("general_settings", {"forward_client_headers_to_llm_api": True}),
    "fast_litellm": ("litellm_settings", {}),
}
"""Variant -> the section of the configuration and what is set in it."""


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


def _bedrock_signed(upstreams: EmbeddedUpstreams, _route: str, _version: str) -> _Values:
    credentials = upstreams.credentials
    return {
        "aws_bedrock_runtime_endpoint": ("UPSTREAM_BEDROCK_URL", upstreams.base_url),
        "aws_access_key_id": ("UPSTREAM_BEDROCK_KEY_ID", credentials.aws_access_key_id),
        "aws_secret_access_key": ("UPSTREAM_BEDROCK_SECRET", credentials.aws_secret_access_key),
        "aws_region_name": ("UPSTREAM_BEDROCK_REGION", credentials.aws_region),
    }


def _bedrock_bearer(upstreams: EmbeddedUpstreams, _route: str, _version: str) -> _Values:
    """As `api_key`, not as AWS_BEARER_TOKEN_BEDROCK: that one counts for every entry, and before its keys."""
    return {
        "aws_bedrock_runtime_endpoint": ("UPSTREAM_BEDROCK_URL", upstreams.base_url),
        "api_key": ("UPSTREAM_BEDROCK_TOKEN", upstreams.credentials.aws_bearer_token),
        "aws_region_name": ("UPSTREAM_BEDROCK_REGION", upstreams.credentials.aws_region),
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


_UPSTREAMS: Mapping[tuple[str, AuthMode | None], Callable[[EmbeddedUpstreams, str, str], _Values]] = {
    ("anthropic", None): _anthropic,
    ("azure_ai", None): _azure,
    ("bedrock", None): _bedrock_signed,
    ("bedrock", "signed"): _bedrock_signed,
    ("bedrock", "bearer"): _bedrock_bearer,
    ("vertex_ai", None): _vertex,
}
"""LiteLLM's own name for a provider, the first part of a route, and the way of authentication (None: the usual one)
-> how the upstream is addressed."""


def _upstream_of(provider: str, route: str, auth: AuthMode | None) -> Callable[[EmbeddedUpstreams, str, str], _Values]:
    prefix = route.partition("/")[0]
    known = dict.fromkeys(name for name, _ in _UPSTREAMS)
    if prefix not in known:
        raise CompatError(
            f"provider '{provider}' is routed to '{route}', and no embedded upstream speaks '{prefix}'",
            f"start the route with one of: {', '.join(known)}",
        )
    if (prefix, auth) not in _UPSTREAMS:
        raise CompatError(
            f"provider '{provider}' is routed to '{route}', and '{prefix}' has no authentication called '{auth}'",
            "leave `auth` out of the provider's entry in the manifest",
        )
    return _UPSTREAMS[prefix, auth]
