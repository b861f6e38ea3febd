"""Where the suite finds its parts: the proxy, the upstreams' side door, the CLI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.domain.consumption import TokenPrices
from compat_pipeline.domain.reproduce import UNKNOWN
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime

SETTINGS_VARIABLE = "COMPAT_SUITE"
"""Names the settings file; `COMPAT_PROXY_URL` and its companions take precedence over it."""

STREAM_VARIABLE = "COMPAT_RESULTS_STREAM"
"""Names the file to which each finished cell is appended as a line of JSON."""

EVIDENCE_VARIABLE = "COMPAT_EVIDENCE_STREAM"
"""Names the file to which each bundle of evidence is appended as a line; without it, `COMPAT_HOME` keeps them."""

HALT_VARIABLE = "COMPAT_HALT"
"""Names a file; once it is there, no further test is started."""

RESULTS_VARIABLE = "COMPAT_RESULTS"
"""Names the artifact that is left at the end, none where it is empty; without it, that of `COMPAT_HOME`."""

TRIALS_VARIABLE = "COMPAT_TRIALS"
"""Names a file with one trial's key per line; without it every cell of the collected files runs."""

_VARIABLES = {
    "proxy_url": "COMPAT_PROXY_URL",
    "proxy_key": "COMPAT_PROXY_KEY",
    "control_url": "COMPAT_UPSTREAM_URL",
    "control_token": "COMPAT_UPSTREAM_TOKEN",
    "claude": "COMPAT_CLAUDE",
}


class SuiteSettings(BaseModel):
    """What every compatibility test needs, and under what it runs, for the evidence.

    `door` is the Unix socket by which proxy and upstreams are reached, None where their addresses are enough.
    `ledger` is None where the proxy is not ours and keeps none; `prices` are those of LiteLLM's own table. Holds the
    proxy's key: kept in a file of mode 0600, never in argv.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    proxy_url: str
    proxy_key: str = Field(repr=False)
    control_url: str
    control_token: str = Field(repr=False)
    claude: Path
    scratch: Path
    door: Path | None = None
    ledger: Path | None = None
    upstream_secrets: tuple[str, ...] = Field(default=(), repr=False)
    litellm_version: str = UNKNOWN
    litellm_request: str = UNKNOWN
    claude_code_version: str = UNKNOWN
    suite_revision: str = UNKNOWN
    config_digest: str = UNKNOWN
    variant: str = "default"
    upstream: UpstreamMode = "emulated"
    prices: dict[str, dict[str, TokenPrices]] = {}

    @classmethod
    def for_runtime(
        cls,
        runtime: Runtime,
        release: LitellmRelease,
        cli: ClaudeCli,
        scratch: Path,
        suite_revision: str,
        prices: dict[str, dict[str, TokenPrices]],
    ) -> SuiteSettings:
        """The settings that lead to a running proxy of `release` and its upstreams."""
        return cls(
            proxy_url=runtime.proxy_url,
            proxy_key=runtime.api_key,
            control_url=runtime.control_url,
            control_token=runtime.control_token,
            claude=cli.path,
            scratch=scratch,
            ledger=runtime.ledger,
            upstream_secrets=runtime.secrets,
            litellm_version=runtime.litellm_version,
            litellm_request=release.request,
            claude_code_version=cli.version,
            suite_revision=suite_revision,
            config_digest=runtime.config_digest,
            variant=runtime.variant,
            upstream=runtime.upstream,
            prices=prices,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in anything that is kept."""
        return self.proxy_key, self.control_token, *self.upstream_secrets

    def save(self, path: Path) -> None:
        write_atomically(path, self.model_dump_json(), mode=0o600)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> SuiteSettings:
        """From the `COMPAT_*` addresses, else from the settings file; CompatError says how to get a proxy up."""
        home = CompatHome.from_env(environ)
        if "COMPAT_PROXY_URL" in environ:
            return cls._from_addresses(environ, home)
        path = Path(environ.get(SETTINGS_VARIABLE) or home.suite_settings)
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError as error:
            raise CompatError(
                f"no proxy to test against: {path} does not exist",
                "start one with `make proxy` in another terminal, or set COMPAT_PROXY_URL",
            ) from error
        except (OSError, ValidationError) as error:
            raise CompatError(f"cannot use the suite's settings {path}: {error}", "restart `make proxy`") from error

    @classmethod
    def _from_addresses(cls, environ: Mapping[str, str], home: CompatHome) -> SuiteSettings:
        if missing := [variable for variable in _VARIABLES.values() if not environ.get(variable)]:
            raise CompatError(f"COMPAT_PROXY_URL is set, but not {', '.join(missing)}", "set all of them or none")
        return cls.model_validate(
            {"scratch": home.scratch} | {field: environ[variable] for field, variable in _VARIABLES.items()}
        )
