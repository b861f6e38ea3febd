"""Every setting of the pipeline: its name, its default, and how it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from compat_pipeline.domain.secret_shapes import names_a_credential
from compat_pipeline.proxy.image import IMAGE
from compat_pipeline.resources.alerts import WEBHOOK

Environ = Mapping[str, str]

SETTINGS = {
    "COMPAT_HOME": ".compat",
    "COMPAT_CACHE": "COMPAT_HOME/cache",
    "COMPAT_UPSTREAM": "emulated",
    "COMPAT_BUDGET_USD": "no limit",
    "COMPAT_LITELLM_VERSION": "latest",
    "COMPAT_LITELLM_SOURCE": "index",
    "COMPAT_PROXY": "process",
    "COMPAT_LITELLM_IMAGE": IMAGE,
    "COMPAT_RUNNER": "process",
    "COMPAT_RUNNER_IMAGE": "compat-runner",
    "COMPAT_GITHUB_TOKEN": "none",
    "COMPAT_GITHUB_API": "GitHub's own",
    "COMPAT_CLAUDE_CODE_VERSION": "latest",
    "COMPAT_FEATURES": "v0",
    "COMPAT_EVIDENCE_DAYS": "30",
    "COMPAT_CACHE_DAYS": "30",
    "COMPAT_HISTORY_URL": "COMPAT_HOME/history.db",
    "COMPAT_ACKNOWLEDGED": "the packaged one",
    "COMPAT_MANIFEST": "the packaged one",
    "COMPAT_ENVIRONMENTS": "the packaged ones",
    "COMPAT_ENVIRONMENT_ISSUES": "the packaged ones",
    "COMPAT_DOCS_REPO": "COMPAT_HOME/docs-repo",
    "COMPAT_DOCS_GITHUB": "none",
    "COMPAT_DOCS_BRANCH": "its default branch",
    "COMPAT_DOCS_PATH": "compatibility-matrix.json",
    "COMPAT_DOCS_MODE": "push",
    "COMPAT_DOCS_APP_ID": "none",
    "COMPAT_DOCS_APP_KEY_FILE": "none",
    "COMPAT_DOCS_TOKEN": "none",
    "COMPAT_DOCS_REFRESH_HOURS": "24",
    "COMPAT_PUBLISH": "refused",
    "COMPAT_SCHEDULE_HOUR": "5",
    "COMPAT_TIME_ZONE": "UTC",
    "COMPAT_ALERT_WEBHOOK": "only logged",
    "COMPAT_STALE_DAYS": "7",
    "COMPAT_GATE_CELLS": "the whole matrix",
    "COMPAT_BASELINE": "none: every red counts",
    "COMPAT_DAGSTER_YAML": "dagster.yaml",
}
"""Every setting and its default, as the README lists them."""

_OF_TESTERS = {"COMPAT_PROXY_URL", "COMPAT_PROXY_KEY", "COMPAT_UPSTREAM_URL", "COMPAT_UPSTREAM_TOKEN", "COMPAT_CLAUDE"}
_OF_PROVIDERS = {"COMPAT_LIVE_ANTHROPIC_URL", "COMPAT_LIVE_BEDROCK_URL", "COMPAT_LIVE_VERTEX_URL"}

KNOWN = SETTINGS.keys() | _OF_TESTERS | _OF_PROVIDERS
"""Settings, and what those who write tests or give accounts set."""


@dataclass(frozen=True)
class Setting:
    """What holds, and where it comes from; of a secret only that it is set."""

    name: str
    value: str
    source: Literal["environment", "default"]


def settings(environ: Environ) -> list[Setting]:
    """Every setting as it holds."""
    return [
        Setting(name, _shown(name, environ[name]), "environment")
        if environ.get(name)
        else Setting(name, usual, "default")
        for name, usual in SETTINGS.items()
    ]


def _shown(name: str, value: str) -> str:
    """The value as it may be shown: of a secret that it is set, of an address what stands for nobody."""
    if name == WEBHOOK or names_a_credential(name):
        return "set"
    if "://" not in value:
        return value
    try:
        address = urlsplit(value)
        if value.count("@") > address.netloc.count("@"):  # what stands before it is a password, to some
            return "set"
        return f"{address.scheme}://{address.hostname or ''}{f':{address.port}' if address.port else ''}{address.path}"
    except ValueError:
        return "set"
