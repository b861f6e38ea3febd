"""A binary and a running proxy for the assets of the second stage, without fetching or starting either."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

from blake3 import blake3

from compat_pipeline.claude.binary import ClaudeCli
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import ROUTE_OK, Runtime
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline_tests.assets.conftest import PinnedIndex, PinnedNpm

VERIFIED = b"what npm's integrity hash was of"


class LocalNpm(PinnedNpm):
    """`bytes_there`: what the cache holds by now of the binary that was verified."""

    bytes_there: ClassVar[bytes] = VERIFIED

    def fetch(self, release: ClaudeCodeRelease) -> ClaudeCli:
        path = CompatHome.from_env().root / "claude"
        path.write_bytes(self.bytes_there)
        sha512, quick = hashlib.sha512(VERIFIED).hexdigest(), blake3(VERIFIED).hexdigest()
        return ClaudeCli(path, release.version, sha512, quick, f"{release.version} (Claude Code)")


class LocalIndex(PinnedIndex):
    """Installs nothing: the scripted proxy needs no venv."""

    def install(self, release: LitellmRelease) -> ProxyVenv:  # noqa: ARG002
        return None  # type: ignore[return-value]


class ScriptedProxy(ProxyRuntime):
    """Up at once. `answers`: how its routes and providers answered; the ones not named are sound."""

    answers: ClassVar[dict[str, str]] = {}

    @contextmanager
    def lease(
        self,
        release: LitellmRelease,
        installed: ProxyVenv | ProxyImage,  # noqa: ARG002
        manifest: Manifest,
        variant: Variant = DEFAULT,
    ) -> Iterator[Runtime]:
        yield Runtime(
            key="scripted",
            proxy_url="http://127.0.0.1:4000",
            api_key="key",
            control_url="http://127.0.0.1:4001",
            control_token="token",
            ledger=Path("/nowhere"),
            secrets=(),
            variant=variant,
            litellm_version=release.version,
            venv_digest="1" * 64,
            config_digest="2" * 64,
            started_at=datetime.now(timezone.utc),
            supervisor_pid=1,
            routes={name: self.answers.get(name, ROUTE_OK) for name in manifest.served},
            providers={one.id: self.answers.get(one.id, ROUTE_OK) for one in manifest.providers},
        )
