"""Reading the environment matrix's manifest and known issues from disk: the packaged ones, or those settings name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from compat_pipeline.domain.environment import EnvironmentManifest, parse_environment
from compat_pipeline.domain.environment_issues import KnownEnvironmentIssue, parse_environment_issues
from compat_pipeline.ground.manifest_file import PACKAGED, load_from


def load_environments(environ: Mapping[str, str] = os.environ) -> EnvironmentManifest:
    """The manifest of the environment matrix that is in force; CompatError as for the other."""
    packaged = PACKAGED.with_name("environment.yaml")
    return load_from(environ.get("COMPAT_ENVIRONMENTS") or packaged, parse_environment, "the manifest")


def load_environment_issues(environ: Mapping[str, str] = os.environ) -> tuple[KnownEnvironmentIssue, ...]:
    """The known issues of the environment matrix that are in force; CompatError as for the manifests."""
    packaged = PACKAGED.with_name("known_environment_issues.yaml")
    return load_from(environ.get("COMPAT_ENVIRONMENT_ISSUES") or packaged, parse_environment_issues, "the known issues")
