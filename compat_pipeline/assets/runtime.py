"""Second stage: the parts that will run. The CLI's binary, and proof that the proxy and its upstreams are up."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.assets.versions import claude_code_release, litellm_release, recorded
from compat_pipeline.claude.binary import verify_cli
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import ROUTE_OK, Runtime
from compat_pipeline.resources.home import Home
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime


@dg.asset(
    group_name="runtime",
    owners=ENGINEERS,
    kinds={"npm"},
    deps=[claude_code_release],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            "binary_integrity",
            asset="claude_cli",
            description="The binary's bytes are those recorded when its package passed npm's integrity hash.",
        )
    ],
)
def claude_cli(context: dg.AssetExecutionContext, npm: NpmRegistry) -> dg.MaterializeResult:
    """That version's native binary, verified, in a cache keyed by digest."""
    release = recorded(context, claude_code_release.key, ClaudeCodeRelease) or npm.resolve("")
    cli = npm.fetch(release)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(cli.path),
            "sha512": cli.sha512,
            "reported_version": cli.reported_version,
        },
        check_results=[dg.AssetCheckResult(passed=verify_cli(cli), check_name="binary_integrity")],
    )


@contextmanager
def _leased(
    context: dg.AssetExecutionContext, home: Home, python_index: PythonIndex, runtime: ProxyRuntime
) -> Iterator[Runtime]:
    """The proxy of the run's release, with its upstreams. A wrong setting of the whole walk ends it here."""
    home.refuse_wrong_settings()
    release = recorded(context, litellm_release.key, LitellmRelease) or python_index.resolve("")
    with runtime.lease(release, python_index.install(release), home.manifest) as up:
        yield up


def _answers(name: str, answers: Mapping[str, str]) -> dg.AssetCheckResult:
    """Whether all answered well; whoever was not even asked did not."""
    broken = {asked: answer for asked, answer in answers.items() if answer != ROUTE_OK}
    return dg.AssetCheckResult(
        passed=bool(answers) and not broken,
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"broken": dg.MetadataValue.json(broken)},
    )


@dg.asset(
    group_name="runtime",
    owners=ENGINEERS,
    kinds={"litellm"},
    deps=[litellm_release],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            "answers_on_every_route",
            asset="litellm_proxy",
            description="One real message came back through the proxy on every provider and model.",
        )
    ],
)
def litellm_proxy(
    context: dg.AssetExecutionContext, home: Home, python_index: PythonIndex, runtime: ProxyRuntime
) -> dg.MaterializeResult:
    """One running proxy, tried with a real message per route. Evidence of which proxy it was, not its owner."""
    with _leased(context, home, python_index, runtime) as up:
        return dg.MaterializeResult(
            metadata={
                "endpoint": up.proxy_url,
                "litellm_version": up.litellm_version,
                **({"image_digest": up.image_digest} if up.image_digest else {"venv_digest": up.venv_digest}),
                "config_digest": up.config_digest,
                "started_at": dg.MetadataValue.timestamp(up.started_at),
                "routes": len(up.routes),
                "upstream": up.upstream,
                "locked_out": dg.MetadataValue.json(up.locked_out),
            },
            check_results=[_answers("answers_on_every_route", up.routes)],
        )


@dg.asset(
    group_name="runtime",
    owners=ENGINEERS,
    kinds={"python"},
    deps=[litellm_proxy],
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            "every_provider_answers",
            asset="provider_upstreams",
            description="Each provider answered a message that the proxy sent it on its start.",
        )
    ],
)
def provider_upstreams(
    context: dg.AssetExecutionContext, home: Home, python_index: PythonIndex, runtime: ProxyRuntime
) -> dg.MaterializeResult:
    """Where the five providers are, the embedded emulator or the real clouds, and how each answered the proxy."""
    with _leased(context, home, python_index, runtime) as up:
        return dg.MaterializeResult(
            metadata={"mode": up.upstream, **up.providers},
            check_results=[_answers("every_provider_answers", up.providers)],
        )
