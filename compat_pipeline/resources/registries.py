"""Where releases come from: GitHub, the Python index or a checkout for LiteLLM, npm for Claude Code."""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import dagster as dg

from compat_pipeline.claude.binary import ClaudeCli, ensure_cli
from compat_pipeline.claude.npm import Npm
from compat_pipeline.claude.release import ClaudeCodeRelease, newest_claude_code, resolve_claude_code
from compat_pipeline.domain.environment_cell import ACCELERATOR
from compat_pipeline.environment.resolving import released_accelerator
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.github import GithubSite, Token
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.checkout import PATH_REQUEST, resolve_checkout
from compat_pipeline.proxy.github_releases import GithubReleases
from compat_pipeline.proxy.image import IMAGE, ImageUnknown, ProxyImage, image_digest, is_pinned
from compat_pipeline.proxy.listed import newest_listed
from compat_pipeline.proxy.release import LitellmRelease, resolve_litellm, with_accelerator
from compat_pipeline.proxy.venv import ProxyVenv, ensure_venv

log = logging.getLogger(__name__)

LITELLM_VARIABLE = "COMPAT_LITELLM_VERSION"
LITELLM_SOURCE_VARIABLE = "COMPAT_LITELLM_SOURCE"
LITELLM_IMAGE_VARIABLE = "COMPAT_LITELLM_IMAGE"
PROXY_VARIABLE = "COMPAT_PROXY"
RUNNER_VARIABLE = "COMPAT_RUNNER"
RUNNER_IMAGE_VARIABLE = "COMPAT_RUNNER_IMAGE"
CLAUDE_CODE_VARIABLE = "COMPAT_CLAUDE_CODE_VERSION"

Kind = Literal["process", "container"]


class PythonIndex(dg.ConfigurableResource):
    """The package index as uv is configured to see it; it installs what it, GitHub or a checkout names."""

    def resolve(self, request: str) -> LitellmRelease:
        """`request`: `latest`, a minor, a version, a tag or `path:CHECKOUT`; empty takes COMPAT_LITELLM_VERSION,
        else `latest`. COMPAT_LITELLM_SOURCE says who knows which releases there are: `index` (default) or `github`."""
        wanted = request or os.environ.get(LITELLM_VARIABLE) or "latest"
        home, python = CompatHome.from_env(), Path(sys.executable)
        if not wanted.startswith(PATH_REQUEST):
            releases = litellm_releases(os.environ, home.cache)
            return _with_image(resolve_litellm(wanted, home.cache, python, releases), os.environ)
        if proxy_kind(os.environ) == "process":
            return resolve_checkout(wanted, home.cache, python)
        from compat_pipeline.proxy.checkout_image import resolve_checkout_image  # few have an engine's client to load

        return resolve_checkout_image(wanted, home)

    def newest(self) -> str:
        """The newest version that the index lists, whatever installs here and whatever GitHub calls a release."""
        return newest_listed(CompatHome.from_env().cache, Path(sys.executable))

    def newest_accelerator(self) -> str:
        """The newest version of the accelerator that the index lists."""
        return released_accelerator(Path(sys.executable), CompatHome.from_env().cache / "litellm")[0]

    def install(self, release: LitellmRelease) -> ProxyVenv | ProxyImage:
        """A venv that holds exactly the release's lock; built once. With COMPAT_PROXY=container the release's image,
        COMPAT_LITELLM_IMAGE or what a checkout was built into, on the container engine."""
        home = CompatHome.from_env()
        if proxy_kind(os.environ) == "process":
            return ensure_venv(release, home.cache, Path(sys.executable))
        from compat_pipeline.proxy.local_image import ensure_image  # few have an engine's client to load

        return ensure_image(release, os.environ.get(LITELLM_IMAGE_VARIABLE) or IMAGE, home)

    def install_accelerated(self, release: LitellmRelease) -> ProxyVenv:
        """A venv that holds the release together with the newest accelerator, which its proxy loads."""
        if proxy_kind(os.environ) == "container":
            raise CompatError("no release's image holds the accelerator", f"unset {PROXY_VARIABLE}")
        pinned = f"{ACCELERATOR}=={self.newest_accelerator()}"
        cache = CompatHome.from_env().cache
        both = with_accelerator(release, pinned, cache, Path(sys.executable))
        return ensure_venv(both, cache, Path(sys.executable)).model_copy(update={"accelerated": True})


class NpmRegistry(dg.ConfigurableResource):
    """The npm registry as npm is configured to see it."""

    def resolve(self, request: str) -> ClaudeCodeRelease:
        """`request`: a dist-tag, `cooldown` or a version; empty takes COMPAT_CLAUDE_CODE_VERSION, else `latest`."""
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


def _with_image(release: LitellmRelease, environ: Mapping[str, str]) -> LitellmRelease:
    """A release of GitHub's with the digest of its image, from the image's registry where its notes name none.

    A registry that does not tell it is said in the log: it is needed only where the image is what runs.
    """
    if release.source != "github" or release.image_digest:
        return release
    image = environ.get(LITELLM_IMAGE_VARIABLE) or IMAGE
    if is_pinned(image):
        return release
    try:
        return release.model_copy(update={"image_digest": image_digest(image, release.tag)})
    except ImageUnknown as unknown:
        log.warning("The digest of the image of LiteLLM %s is unknown: %s", release.tag, unknown)
        return release


def proxy_kind(environ: Mapping[str, str]) -> Kind:
    """As what the proxy runs: COMPAT_PROXY, by default a process; raises WrongUsage for anything else."""
    return _kind(PROXY_VARIABLE, environ)


def runner_kind(environ: Mapping[str, str]) -> Kind:
    """The same of the suite: COMPAT_RUNNER."""
    return _kind(RUNNER_VARIABLE, environ)


def suite_image(environ: Mapping[str, str]) -> str | None:
    """The id of the image in whose container the suite runs, COMPAT_RUNNER_IMAGE; None where it runs as processes.

    Raises CompatError where the engine has no such image.
    """
    if runner_kind(environ) == "process":
        return None
    from compat_pipeline.suite.container import IMAGE, runner_image  # few have an engine's client to load

    return runner_image(environ.get(RUNNER_IMAGE_VARIABLE) or IMAGE)


def _kind(variable: str, environ: Mapping[str, str]) -> Kind:
    """As what something runs, by default a process; raises WrongUsage where `variable` says anything else."""
    match environ.get(variable) or "process":
        case "process":
            return "process"
        case "container":
            return "container"
        case other:
            raise WrongUsage(f"{variable} cannot be {other!r}", "set it to one of: process, container")


def litellm_releases(environ: Mapping[str, str], cache: Path) -> GithubReleases | None:
    """GitHub's list of LiteLLM releases, read with COMPAT_GITHUB_TOKEN if it is set; None where the index decides."""
    source = environ.get(LITELLM_SOURCE_VARIABLE) or "index"
    if source not in ("index", "github"):
        raise WrongUsage(f"{LITELLM_SOURCE_VARIABLE} cannot be {source!r}", "set it to one of: index, github")
    if source == "index":
        return None
    token = environ.get("COMPAT_GITHUB_TOKEN", "").strip()
    return GithubReleases(GithubSite.from_env(environ), Token(token) if token else None, cache)
