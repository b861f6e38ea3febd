"""Which LiteLLM and Claude Code versions may be tested: tag schemes, deny-list, age. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

DENIED_LITELLM: Mapping[str, str] = MappingProxyType(
    {
        "1.82.7": "withdrawn from the package index: compromised",
        "1.82.8": "withdrawn from the package index: compromised",
        "1.107.*": "withdrawn from the package index",
    }
)
"""LiteLLM version (`*` for any patch) -> why it must never be installed, whatever an index or mirror still offers."""

COOLDOWN_DAYS = 3
"""How long a Claude Code version must have been public before policy `cooldown` takes it."""

STABLE = "-stable"
"""What LiteLLM's tags of releases end in until mid-2026; later ones are plain."""

# `-nightly`, `-rc.N` and `.devN` stand beside both.
_FINAL_TAG = re.compile(r"v?(\d+\.\d+\.\d+)(?:-stable)?")
_MINOR = re.compile(r"v?(\d+\.\d+)")
_FINAL_SEMVER = re.compile(r"\d+\.\d+\.\d+")
EXACT_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?")
"""A Claude Code version, pre-releases too."""


class NoSuchVersion(ValueError):
    """No version satisfies the request; the message names it."""


def parse_litellm_tag(tag: str) -> Version:
    """The version of a final LiteLLM tag, `vX.Y.Z-stable` or `vX.Y.Z`; ValueError names any other tag."""
    if not (match := _FINAL_TAG.fullmatch(tag)):
        raise ValueError(f"'{tag}' is not a final LiteLLM release tag: expected vX.Y.Z or vX.Y.Z-stable")
    return Version(match[1])


def is_final_tag(tag: str) -> bool:
    """True for a release, False for a nightly, candidate, development build or anything else."""
    return _FINAL_TAG.fullmatch(tag) is not None


def litellm_tag(request: str) -> str:
    """The full tag of a final version or tag; one that is called stable stays so. ValueError for anything else."""
    return f"v{parse_litellm_tag(request)}{STABLE if request.endswith(STABLE) else ''}"


def litellm_minor(request: str) -> str | None:
    """`X.Y` of a request for the newest patch of a minor, such as `1.98` or `v1.98`; None for any other request."""
    return match[1] if (match := _MINOR.fullmatch(request)) else None


def newest_litellm(tags: Iterable[str], minor: str | None = None) -> str:
    """The highest version (`X.Y.Z`) among the final `tags` (or plain versions) of `minor`, denied ones left out.

    Ordered by version, never by date: several minors get patches at once. Raises NoSuchVersion when none is left.
    """
    versions = {parse_litellm_tag(tag) for tag in tags if is_final_tag(tag)}
    allowed = [
        version
        for version in versions
        if not is_denied_litellm(str(version)) and minor in (None, f"{version.major}.{version.minor}")
    ]
    if not allowed:
        raise NoSuchVersion(f"no final LiteLLM release {f'of {minor} ' if minor else ''}to choose from")
    return str(max(allowed))


def is_denied_litellm(version: str) -> bool:
    """Whether `version` is on the deny-list."""
    return any(SpecifierSet(f"=={denied}").contains(version, prereleases=True) for denied in DENIED_LITELLM)


def denied_litellm_constraints() -> list[str]:
    """The deny-list as pip requirement lines, so that a resolver never picks a denied version either."""
    return [f"litellm!={denied}" for denied in DENIED_LITELLM]


def claude_code_candidates(document: Mapping[str, Any]) -> list[str]:
    """The versions of an npm registry document fit to be tested, in semver order.

    `document` has `versions` (version -> its manifest, with `deprecated` where it is), and for the policies below
    `time` and `dist-tags`. Pre-releases and deprecated versions are left out; an unpublished version still has its
    `time` but is no longer in `versions`.
    """
    final = [
        version
        for version, manifest in document["versions"].items()
        if _FINAL_SEMVER.fullmatch(version) and not manifest.get("deprecated")
    ]
    return sorted(final, key=Version)


def pick_claude_code(document: Mapping[str, Any], policy: str, now: datetime) -> str:
    """The version that `policy` means: a dist-tag such as `latest`, `cooldown`, or an exact version, which must exist.

    A dist-tag is the version the publisher gave it or, where that is not fit to be tested, the newest candidate below
    it: what the publisher has not promoted yet is not picked. `cooldown` is the newest candidate at least
    COOLDOWN_DAYS old; `time` serves only as that age test, because a caching mirror may report its own times.
    Raises NoSuchVersion.
    """
    candidates = claude_code_candidates(document)
    if policy == "latest" or policy in document.get("dist-tags", {}):
        promoted = _promoted(document, policy)
        allowed = [version for version in candidates if promoted is None or Version(version) <= promoted]
    elif policy == "cooldown":
        allowed = [version for version in candidates if _age(document, version, now) >= timedelta(days=COOLDOWN_DAYS)]
    elif policy in document["versions"]:
        return policy
    else:
        newest = f"; the newest is {candidates[-1]}" if candidates else ""
        raise NoSuchVersion(f"there is no Claude Code '{policy}'{newest}")
    if not allowed:
        raise NoSuchVersion(f"no Claude Code version satisfies '{policy}'")
    return allowed[-1]


def published_at(document: Mapping[str, Any], version: str) -> datetime | None:
    """When `version` was published according to the registry document; None when it tells no time."""
    try:
        told = datetime.fromisoformat(str(document.get("time", {}).get(version)).replace("Z", "+00:00"))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=timezone.utc)


def _promoted(document: Mapping[str, Any], tag: str) -> Version | None:
    named = document.get("dist-tags", {}).get(tag)
    try:
        return Version(named) if named else None
    except InvalidVersion as error:
        raise NoSuchVersion(f"the registry's '{tag}' tag names '{named}', which is not a version") from error


def _age(document: Mapping[str, Any], version: str, now: datetime) -> timedelta:
    since = published_at(document, version)
    return now - since if since else timedelta(0)
