"""Second stage: the parts that will run. The CLI's binary, the upstreams, and proof that the proxy is up."""

import dagster as dg

from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.assets.versions import claude_code_release, litellm_release, recorded
from compat_pipeline.claude.binary import verify_cli
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.runtime import ROUTE_OK
from compat_pipeline.relay.accounts import accounts_from_env
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


@dg.asset(
    group_name="runtime",
    owners=ENGINEERS,
    kinds={"python"},
    backfill_policy=SINGLE_RUN,
    check_specs=[
        dg.AssetCheckSpec(
            "every_provider_answers",
            asset="provider_upstreams",
            description="A plain message with the provider's own credentials was answered on every wire.",
        )
    ],
)
def provider_upstreams(home: Home) -> dg.MaterializeResult:
    """Where the five providers are: the embedded emulator or the real clouds, tried with one message per provider."""
    # Here, because they take over a second to load, and every process that only looks at the assets would wait for it.
    from compat_pipeline.emulator.app import build_app as build_emulator
    from compat_pipeline.emulator.preflight import OK, preflight
    from compat_pipeline.relay.app import build_app as build_relay

    made_up = EmulatorCredentials.generate()
    if home.paths.upstream == "live":
        accounts = accounts_from_env()
        app, given = build_relay(made_up, accounts), accounts.secrets
    else:
        app, given = build_emulator(made_up), ()
    health = preflight(app, made_up, home.manifest, Redactor((*made_up.secrets, *given)))
    return dg.MaterializeResult(
        metadata={"mode": home.paths.upstream, **health},
        check_results=[
            dg.AssetCheckResult(
                passed=set(health.values()) == {OK},
                check_name="every_provider_answers",
                severity=dg.AssetCheckSeverity.WARN,
            )
        ],
    )


@dg.asset(
    group_name="runtime",
    owners=ENGINEERS,
    kinds={"litellm"},
    deps=[litellm_release, provider_upstreams],
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
    release = recorded(context, litellm_release.key, LitellmRelease) or python_index.resolve("")
    with runtime.lease(release, python_index.install(release), home.manifest) as up:
        broken = {target: answer for target, answer in up.routes.items() if answer != ROUTE_OK}
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
            check_results=[
                dg.AssetCheckResult(
                    passed=bool(up.routes) and not broken,
                    check_name="answers_on_every_route",
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"broken": dg.MetadataValue.json(broken)},
                )
            ],
        )
