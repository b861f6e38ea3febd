"""First stage: which LiteLLM and which Claude Code this matrix is about."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias, TypeVar

import dagster as dg
from pydantic import BaseModel

from compat_pipeline.assets.face import ENGINEERS, SINGLE_RUN
from compat_pipeline.claude.release import ClaudeCodeRelease
from compat_pipeline.domain.staleness import stale
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.timetable import Timetable
from compat_pipeline.proxy.github_releases import REPOSITORY
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.resources.cell_runner import CellRunner
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex

Release = TypeVar("Release", bound=BaseModel)

RunsAssets: TypeAlias = dg.AssetExecutionContext | dg.OpExecutionContext

NOT_STALE = "not_stale"
_STALE_MEANS = "The resolver has not kept finding the same version for COMPAT_STALE_DAYS while newer ones exist."

_RECENT = 20
"""How many materializations to look through for one of the run's own."""


class VersionConfig(dg.Config):
    """Which version to take; empty leaves it to the environment, else to the newest."""

    version: str = ""


@dg.asset(
    group_name="versions",
    owners=ENGINEERS,
    kinds={"python"},
    backfill_policy=SINGLE_RUN,
    check_specs=[dg.AssetCheckSpec(NOT_STALE, asset="litellm_release", description=_STALE_MEANS)],
)
def litellm_release(
    context: dg.AssetExecutionContext, config: VersionConfig, python_index: PythonIndex
) -> dg.MaterializeResult:
    """The LiteLLM under test: the newest final release that installs, a pinned one, or a checkout's own code."""
    release = python_index.resolve(config.version)
    # A checkout cannot be stale, whatever version its code says it is.
    version = release.request if release.source == "path" else release.version
    return dg.MaterializeResult(
        metadata=litellm_metadata(release),
        check_results=[staleness(context, version, python_index.newest)],
    )


@dg.asset(
    group_name="versions",
    owners=ENGINEERS,
    kinds={"npm"},
    backfill_policy=SINGLE_RUN,
    check_specs=[dg.AssetCheckSpec(NOT_STALE, asset="claude_code_release", description=_STALE_MEANS)],
)
def claude_code_release(
    context: dg.AssetExecutionContext, config: VersionConfig, npm: NpmRegistry
) -> dg.MaterializeResult:
    """The Claude Code release under test: npm's `latest`, the newest past its cool-down, or a pinned version."""
    release = npm.resolve(config.version)
    return dg.MaterializeResult(
        metadata=claude_code_metadata(release),
        check_results=[staleness(context, release.version, npm.newest)],
    )


def staleness(context: dg.AssetExecutionContext, version: str, newest: Callable[[], str]) -> dg.AssetCheckResult:
    """Whether the asset found `version` already COMPAT_STALE_DAYS ago, and passes newer ones over."""
    days = Timetable.from_env().stale_days
    before = datetime.now(timezone.utc) - timedelta(days=days)
    try:
        newer = stale(version, _found_before(context, before), newest)
    except CompatError as error:
        return dg.AssetCheckResult(passed=True, check_name=NOT_STALE, metadata={"found": [], "unknown": str(error)})
    return dg.AssetCheckResult(
        passed=not newer,
        check_name=NOT_STALE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": [f"{version}, unchanged for {days:g} days"] if newer else [], "newest": newer or version},
    )


def _found_before(context: dg.AssetExecutionContext, before: datetime) -> str | None:
    """The version that was found last before a moment, None when none was."""
    older = dg.AssetRecordsFilter(context.asset_key, before_timestamp=before.timestamp())
    for record in context.instance.fetch_materializations(older, limit=1).records:
        if record.asset_materialization:
            release: Any = record.asset_materialization.metadata["release"].value
            return str(release["version"])
    return None


def litellm_metadata(release: LitellmRelease) -> Mapping[str, Any]:
    """What a person sees of a LiteLLM release, and the release itself for the stages after it."""
    return {
        "tag": release.tag,
        "source": release.source,
        "policy": release.policy,
        "digest": release.digest,
        "commit": release.commit or "that of the tag",
        "published_at": dg.MetadataValue.timestamp(release.published_at) if release.published_at else "unknown",
        "image_digest": release.image_digest or "unknown",
        "link": dg.MetadataValue.url(litellm_link(release)),
        "release": dg.MetadataValue.json(release.model_dump(mode="json")),
    }


def litellm_link(release: LitellmRelease) -> str:
    """The page of a release; of a checkout, that of the commit it was made from, wherever that is public."""
    page = f"commit/{release.commit.partition('-')[0]}" if release.commit else f"releases/tag/{release.tag}"
    return f"https://github.com/{REPOSITORY}/{page}"


def claude_code_metadata(release: ClaudeCodeRelease) -> Mapping[str, Any]:
    """What a person sees of a Claude Code release, and the release itself for the stages after it."""
    published = release.published_at
    return {
        "version": release.version,
        "policy": release.policy,
        "integrity": release.integrity,
        "published_at": dg.MetadataValue.timestamp(published) if published else "unknown",
        "age_days": (datetime.now(timezone.utc) - published).days if published else "unknown",
        "link": dg.MetadataValue.url("https://github.com/anthropics/claude-code/blob/main/CHANGELOG.md"),
        "release": dg.MetadataValue.json(release.model_dump(mode="json")),
    }


@dataclass(frozen=True)
class Versions:
    """The pair of releases that a matrix is about."""

    litellm: LitellmRelease
    claude_code: ClaudeCodeRelease

    @classmethod
    def of_run(
        cls, context: RunsAssets, cell_runner: CellRunner, litellm: str = "", claude_code: str = ""
    ) -> "Versions":
        """The releases asked for, else those this run resolved, else the last recorded ones, else the newest."""
        known_litellm = None if litellm else recorded(context, litellm_release.key, LitellmRelease)
        known_cli = None if claude_code else recorded(context, claude_code_release.key, ClaudeCodeRelease)
        return cls(
            known_litellm or cell_runner.python_index.resolve(litellm),
            known_cli or cell_runner.npm.resolve(claude_code),
        )


def recorded(context: RunsAssets, asset: dg.AssetKey, model: type[Release], entry: str = "release") -> Release | None:
    """The release this run (or the one it re-executes) resolved, else the last one any run did, else None.

    It is the `entry` of the asset's metadata.

    A run looks for its own first: another run may have resolved another version in the meantime.
    """
    found = context.instance.fetch_materializations(asset, limit=_RECENT).records
    if not found:
        return None
    family = {context.run.run_id, context.run.root_run_id}
    mine = [record for record in found if record.run_id in family]
    materialization = (mine or list(found))[0].asset_materialization
    if materialization is None:
        return None
    return model.model_validate(materialization.metadata[entry].value)
