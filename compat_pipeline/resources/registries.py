"""The package registries: the Python index for LiteLLM, npm for Claude Code. Reached through their own clients."""

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg

from compat_pipeline.claude.binary import ClaudeCli, ensure_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import ClaudeCodeRelease, newest_claude_code, resolve_claude_code
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.listed import newest_listed
from compat_pipeline.proxy.release import LitellmRelease, resolve_litellm
from compat_pipeline.proxy.venv import ProxyVenv, ensure_venv

LITELLM_VARIABLE = "COMPAT_LITELLM_VERSION"
CLAUDE_CODE_VARIABLE = "COMPAT_CLAUDE_CODE_VERSION"


class PythonIndex(dg.ConfigurableResource):
    """The package index as uv is configured to see it."""

    def resolve(self, request: str) -> LitellmRelease:
        """`request`: `latest` or a version or tag; empty takes COMPAT_LITELLM_VERSION, else `latest`."""
        wanted = request or os.environ.get(LITELLM_VARIABLE) or "latest"
        return resolve_litellm(wanted, CompatHome.from_env().cache, Path(sys.executable))

    def newest(self) -> str:
        """The newest version that is listed, which need not be one that installs here."""
        return newest_listed(CompatHome.from_env().cache, Path(sys.executable))

    def install(self, release: LitellmRelease) -> ProxyVenv:
        """A venv that holds exactly the release's lock; built once."""
        return ensure_venv(release, CompatHome.from_env().cache, Path(sys.executable))


class NpmRegistry(dg.ConfigurableResource):
    """The npm registry as npm is configured to see it."""

    def resolve(self, request: str) -> ClaudeCodeRelease:
        """`request`: `latest`, `cooldown` or a version; empty takes COMPAT_CLAUDE_CODE_VERSION, else `latest`."""
        wanted = request or os.environ.get(CLAUDE_CODE_VARIABLE) or "latest"
        return resolve_claude_code(wanted, self._npm(), datetime.now(timezone.utc))

    def newest(self) -> str:
        """The newest version that is listed, whatever is promoted or old enough."""
        return newest_claude_code(self._npm())

    def fetch(self, release: ClaudeCodeRelease) -> ClaudeCli:
        """The release's native binary, verified, from the cache where it is there."""
        return ensure_cli(release, CompatHome.from_env().cache, self._npm())

    def _npm(self) -> Npm:
        return Npm(CompatHome.from_env().cache)
