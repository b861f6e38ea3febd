"""What a runtime is: which proxy is wanted (`RuntimeSpec`), and how to reach one that is up (`Runtime`)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import write_atomically
from compat_pipeline.ground.revision import code_revision
from compat_pipeline.proxy.folder import here
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.venv import ProxyVenv

ROUTE_OK = "ok"


class RuntimeSpec(BaseModel):
    """One LiteLLM release in its venv or its image, configured as `variant`, serving a manifest from emulated or real
    providers.

    `accounts` is the digest of those at the real ones, empty otherwise: none of their credentials is in here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: LitellmRelease
    installed: ProxyVenv | ProxyImage
    manifest: Manifest
    variant: Variant = DEFAULT
    upstream: UpstreamMode = "emulated"
    accounts: str = ""

    @property
    def key(self) -> str:
        """Equal for specs that may share one proxy; changes with what runs, where, routes, accounts and our code."""
        routes = self.manifest.model_dump_json(include={"providers", "models"})
        code = code_revision("domain", "emulator", "ground", "proxy", "relay", "wire")
        parts = (self.installed.digest, routes, self.variant, self.upstream, self.accounts, code)
        digest = hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]
        return f"litellm-{self.release.version}-{digest}{here()}"


class Runtime(BaseModel):
    """A proxy that is up. `routes`: each name it serves -> `ok`, or how the proxy answered its trial message.
    `providers`: each provider -> `ok`, or how it answered what the proxy made of those messages.

    `ledger` is where it writes what it recorded of each call. `secrets` is all that must be kept: its own key, what the
    upstreams accept, the user's credentials. `locked_out`: a name of which the user's account at the real provider was
    refused -> how; no cell of it can be judged. Of the two digests one is set: a proxy runs in a venv or a container.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    proxy_url: str
    api_key: str
    control_url: str
    control_token: str
    ledger: Path
    secrets: tuple[str, ...] = Field(repr=False)
    upstream: UpstreamMode = "emulated"
    variant: Variant = DEFAULT
    litellm_version: str
    venv_digest: str | None = None
    image_digest: str | None = None
    config_digest: str
    started_at: datetime
    supervisor_pid: int
    routes: dict[str, str]
    providers: dict[str, str]
    locked_out: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path) -> Runtime:
        """Read a descriptor; raises CompatError when there is none or it is not one."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CompatError(f"cannot read {path}: {error.strerror}", "start a proxy first") from error
        except ValidationError:  # without its values: they are credentials
            raise CompatError(f"{path} is not the description of a running proxy", "start a proxy first") from None

    def save(self, path: Path) -> None:
        """Write the descriptor, readable by its owner only: it holds credentials."""
        write_atomically(path, self.model_dump_json(indent=2), mode=0o600)
