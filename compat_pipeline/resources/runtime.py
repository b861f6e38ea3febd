"""The proxy and its upstreams, leased for as long as a step needs them."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.domain.variants import DEFAULT, Variant
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.lease import RuntimeSpec, lease, reap
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import Runtime
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.relay.accounts import accounts_from_env


class ProxyRuntime(dg.ConfigurableResource):
    """Starts nothing by itself: a step leases the proxy, concurrent runs share it, the last one's end takes it down."""

    linger_s: float = 20.0
    """How long an idle proxy waits for the next run of a backfill."""

    @contextmanager
    def lease(
        self,
        release: LitellmRelease,
        installed: ProxyVenv | ProxyImage,
        manifest: Manifest,
        variant: Variant = DEFAULT,
    ) -> Iterator[Runtime]:
        """A running proxy of `release`, a process of its venv or a container of its image, with every route of
        `manifest`, for the length of the block."""
        home = CompatHome.from_env()
        reap(home)
        accounts = accounts_from_env() if home.upstream == "live" else None
        spec = RuntimeSpec(
            release=release,
            installed=installed,
            manifest=manifest,
            variant=variant,
            upstream=home.upstream,
            accounts=accounts.digest if accounts else "",
        )
        with lease(spec, home, linger_s=self.linger_s, accounts=accounts) as runtime:
            yield runtime
