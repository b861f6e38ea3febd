"""What `compat doctor` looks at: settings, accounts, money, folders, programs. Nothing is fetched, nothing written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import uv
from pydantic import ValidationError

from compat_pipeline.claude.binary import fetched_versions
from compat_pipeline.claude.npm import npm_command
from compat_pipeline.command.instance import NEEDED_BYTES
from compat_pipeline.command.settings import KNOWN, SETTINGS, Environ
from compat_pipeline.domain.cell import Cell
from compat_pipeline.domain.consumption import Spending
from compat_pipeline.domain.details import CompatibilityDetails
from compat_pipeline.domain.versions import EXACT_VERSION, litellm_minor
from compat_pipeline.ground.acknowledged_file import load_acknowledged
from compat_pipeline.ground.amount import budget_usd
from compat_pipeline.ground.environment_files import load_environment_issues, load_environments
from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.github import App
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import feature_set, load_manifest, planned_rows
from compat_pipeline.ground.process import client_environment
from compat_pipeline.ground.shelf import cache_days
from compat_pipeline.ground.timetable import Timetable
from compat_pipeline.history.store import history_engine
from compat_pipeline.proxy.checkout import PATH_REQUEST, checkout_folder
from compat_pipeline.proxy.release import LATEST, pinned_version
from compat_pipeline.proxy.venv import installed_versions
from compat_pipeline.publication.local_git import is_repository
from compat_pipeline.relay.accounts import accounts_from_env
from compat_pipeline.relay.clouds import HOLDERS
from compat_pipeline.resources.alerts import WEBHOOK
from compat_pipeline.resources.docs_repo import DOCS_REPO, docs_credentials, github_docs, refresh_age
from compat_pipeline.resources.registries import (
    CLAUDE_CODE_VARIABLE,
    LITELLM_VARIABLE,
    litellm_releases,
    proxy_kind,
    runner_kind,
    suite_image,
)
from compat_pipeline.suite.runner import has_test
from compat_pipeline.wire.evidence import days_kept

Level = Literal["ok", "note", "problem"]

_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_DOWNLOADS_BYTES = 1 << 30
_SOON = timedelta(days=14)


@dataclass(frozen=True)
class Finding:
    """What was seen `about` something; a `problem` keeps a run from doing what is asked of it."""

    about: str
    level: Level
    told: str
    next_step: str = ""


def findings(environ: Environ) -> list[Finding]:
    """What every check has to say, in the order in which a run would meet it."""
    found: list[Finding] = []
    for about, check in _CHECKS.items():
        try:
            for told in check(environ):
                found.append(Finding(about, *told))
        except CompatError as error:
            found.append(Finding(about, "problem", error.message, error.next_step))
        except OSError as error:
            what = f"cannot use {error.filename or 'a file'}: {error.strerror}"
            found.append(
                Finding(about, "problem", what, "correct the setting that names it, or see to whom it belongs")
            )
    once: dict[str, Finding] = {}  # a setting that makes no sense comes up in many checks
    for one in found:
        once.setdefault(one.told, one)
    return list(once.values())


Told = tuple[Level, str] | tuple[Level, str, str]


def _settings(environ: Environ) -> Iterator[Told]:
    home = CompatHome.from_env(environ)
    readers: list[Callable[[], object]] = [
        lambda: feature_set(environ),
        lambda: _history(environ),
        lambda: days_kept(environ),
        lambda: cache_days(environ),
        lambda: budget_usd(environ),
        lambda: Timetable.from_env(environ),
        lambda: litellm_releases(environ, home.cache),
        lambda: proxy_kind(environ),
        lambda: runner_kind(environ),
        lambda: refresh_age(environ),
        lambda: _gate_cells(environ),
    ]
    for read in readers:
        try:
            read()
        except CompatError as error:
            yield "problem", error.message, error.next_step
    for name in ("COMPAT_DAGSTER_YAML", "COMPAT_BASELINE"):
        named = environ.get(name) or ""
        if named and named != DOCS_REPO and "://" not in named and not Path(named).is_file():
            yield "problem", f"{name} names no file: {named}", "correct it, or unset it"
    for name in sorted(name for name in environ if name.startswith("COMPAT_") and name not in KNOWN):
        near = get_close_matches(name, KNOWN, 1)
        yield "note", f"{name} is no setting", f"did you mean {near[0]}?" if near else "unset it"
    given = sum(1 for name in SETTINGS if environ.get(name))
    yield "ok", f"{given} of {len(SETTINGS)} come from the environment"


def _history(environ: Environ) -> None:
    """Looks at the address and, where that names a file, at its folder; a server is not asked."""
    if not (named := environ.get("COMPAT_HISTORY_URL")):
        return
    url = history_engine(named).url
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return
    file = Path(str(url.database))
    if file.is_dir() or not _may_be_written(file.parent) or (file.exists() and not os.access(file, os.W_OK)):
        raise WrongUsage(
            f"the history {file} cannot be written", "set COMPAT_HISTORY_URL to a file in a folder you may write"
        )


def _gate_cells(environ: Environ) -> None:
    from compat_pipeline.automation.gate import gate_cells  # reads the manifest when it is imported

    gate_cells([], environ)


def _cells(environ: Environ) -> Iterator[Told]:
    manifest = planned_rows(load_manifest(environ), environ)
    sizes = f"{len(manifest.features)} features x {len(manifest.providers)} providers x {len(manifest.models)} models"
    yield "ok", f"{len(manifest.cells)} are planned: {sizes}"
    if without := [cell.key for cell in manifest.cells if not has_test(cell)]:
        yield "note", f"{len(without)} have no test: {', '.join(without[:3])}{', ...' if len(without) > 3 else ''}"


def _known_reds(environ: Environ) -> Iterator[Told]:
    entries, today = load_acknowledged(environ), datetime.now(timezone.utc).date()
    for entry in entries:
        if entry.expires - today <= _SOON:
            when = "expired" if entry.expires < today else "expires"
            yield (
                "note",
                f"'{entry.cell}' ({entry.owner}) {when} on {entry.expires}",
                f"renew or remove it: {entry.issue}",
            )
    yield "ok", f"{len(entries)} acknowledged" + _next_expiry([entry.expires for entry in entries], today)


def _environments(environ: Environ) -> Iterator[Told]:
    cells, issues = load_environments(environ).cells, load_environment_issues(environ)
    yield "ok", f"{len(cells)} are planned, {len(issues)} issues are known"


def _next_expiry(days: list[date], today: date) -> str:
    ahead = sorted(day for day in days if day >= today)
    return f", the next expires on {ahead[0]}" if ahead else ""


def _accounts(environ: Environ) -> Iterator[Told]:
    if CompatHome.from_env(environ).upstream == "emulated":
        yield "ok", "emulated on loopback: no account is needed"
        return
    missing = _without_account(environ)
    for provider in HOLDERS:
        if provider in missing:
            yield "note", f"{provider}: {missing[provider]}", "set what is missing, or its cells stay open"
        else:
            yield "ok", f"{provider}: an account is given; nothing was asked of it"
    if HOLDERS.keys() <= missing.keys():
        yield "problem", "live, but there is no account at all", "set one, or COMPAT_UPSTREAM=emulated"


def _cost(environ: Environ) -> Iterator[Told]:
    home = CompatHome.from_env(environ)
    if home.upstream == "emulated":
        yield "ok", "nothing: emulated providers are free"
        return
    missing = _without_account(environ)
    manifest = planned_rows(load_manifest(environ), environ)
    payable = [cell for cell in manifest.cells if has_test(cell) and cell.provider not in missing]
    start = "start small: compat run --cells 'basic_messaging_streaming|anthropic/claude-haiku-4-5'"
    if (last := _last_run(home)) is None:
        yield "note", f"{len(payable)} cells would ask providers; there is no earlier run to estimate from", start
        return
    entries = {Cell(one.feature, one.provider, one.model): one.consumption for one in last.cells}
    expected = Spending()
    for cell in payable:
        expected.add(entries.get(cell))
    budget = budget_usd(environ)
    limit = f"; the run ends at a budget of {budget:g} USD" if budget is not None else ""
    yield "note", f"as in the last run: {expected}{limit}", start


def _without_account(environ: Environ) -> dict[str, str]:
    """Provider -> why it cannot be asked."""
    missing = accounts_from_env(environ).missing
    return {provider: missing[holder] for provider, holder in HOLDERS.items() if holder in missing}


def _last_run(home: CompatHome) -> CompatibilityDetails | None:
    """The details of the last live run, else of the last emulated one."""
    for place in (home, CompatHome(home.root, home.cache)):
        try:
            return CompatibilityDetails.model_validate_json(place.details.read_bytes())
        except (OSError, ValidationError):
            continue
    return None


def _docs(environ: Environ) -> Iterator[Told]:
    home, docs = CompatHome.from_env(environ), github_docs(environ)
    own = environ.get("COMPAT_DOCS_REPO")
    if docs:
        who = f"as App {docs.credentials.id}" if isinstance(docs.credentials, App) else "by a token"
        how = "by pull request" if docs.pull_request else "by push"
        yield "ok", f"{docs.repository} on GitHub, {docs.path}, {how}; nothing was asked of it"
        if docs.credentials:
            yield "ok", f"the credentials are set: {who}"
        else:
            yield (
                "problem",
                f"no credentials for {docs.repository}",
                "set COMPAT_DOCS_APP_ID and its key file, or a token",
            )
    elif docs_credentials(environ):
        yield "note", "credentials are set, but no repository on GitHub", "set COMPAT_DOCS_GITHUB"
    if not docs:
        folder = Path(own) if own else home.docs_repo
        if own and not _may_be_written(folder):
            yield "problem", f"{folder} cannot be written", "set COMPAT_DOCS_REPO to a folder you may write"
        elif folder.is_dir() and any(folder.iterdir()) and not is_repository(folder):
            yield "problem", f"{folder} is no git repository", "set COMPAT_DOCS_REPO to one, or to a new folder"
        else:
            yield "ok", f"the local git repository {folder}" + ("" if folder.is_dir() else ", made on first use")
    if (own or docs) and home.upstream == "emulated" and environ.get("COMPAT_PUBLISH") != "emulated":
        yield (
            "note",
            "a matrix of emulated providers is not published there",
            "set COMPAT_PUBLISH=emulated if it shall be",
        )


def _folders(environ: Environ) -> Iterator[Told]:
    home = CompatHome.from_env(environ)
    for name, folder, needed in (
        ("COMPAT_HOME", home.root, NEEDED_BYTES),
        ("COMPAT_CACHE", home.cache, _DOWNLOADS_BYTES),
    ):
        free = shutil.disk_usage(_nearest(folder)).free
        if not _may_be_written(folder):
            yield "problem", f"{folder} cannot be written", f"set {name} to a folder you may write"
        elif free < needed:
            level: Level = "problem" if folder == home.root else "note"
            yield (
                level,
                f"only {free >> 20} MB are free for {folder}, {needed >> 20} MB may be needed",
                f"free some, or set {name}",
            )
        else:
            yield "ok", f"{folder}: {free >> 20} MB free"


def _nearest(folder: Path) -> Path:
    """What is there already of `folder`: itself, or where it would be made."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _may_be_written(folder: Path) -> bool:
    there = _nearest(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _programs(environ: Environ) -> Iterator[Told]:
    path = environ.get("PATH", os.defpath)
    git = shutil.which("git", path=path)
    yield ("ok", f"git: {git}") if git else ("problem", "git is not found", "install it")
    setup = "set the pipeline up anew: make setup"
    try:
        yield "ok", f"uv: {uv.find_uv_bin()}"
    except FileNotFoundError:
        yield "problem", "uv is not found", setup
    node, *_ = npm_command()
    yield ("ok", f"Node.js: {node}") if node.is_file() else ("problem", "Node.js is not found", setup)
    if suite_image(environ):
        yield "ok", "the image of the suite's container is there"
    if "container" in (proxy_kind(environ), runner_kind(environ)):
        from compat_pipeline.proxy.engine import asked, engine  # few have an engine's client to load

        with engine() as client, asked("cannot use the container engine"):
            yield "ok", f"the container engine {client.version()['Version']}"
    if environ.get(LITELLM_VARIABLE, "").startswith(PATH_REQUEST):
        builder, whose = ("docker", "Docker's client") if proxy_kind(environ) == "container" else ("cargo", "Rust")
        if not shutil.which(builder, path=path):
            yield "note", f"{builder} is not found: a checkout of LiteLLM may not be built", f"install {whose}"


def _network(environ: Environ) -> Iterator[Told]:
    for name in _CERTIFICATES:
        if environ.get(name) and not Path(environ[name]).is_file():
            yield "problem", f"{name} names no file: {environ[name]}", "correct it, or unset it"
    trusted = "UV_SYSTEM_CERTS" in client_environment(environ)
    yield ("ok", "the certificates that this machine trusts") if trusted else (
        "note", "this machine has no trust store: uv and npm know only their own certificates",
        "install the package ca-certificates",
    )  # fmt: skip
    if named := [name for name in _PROXIES if environ.get(name) or environ.get(name.lower())]:
        yield "ok", f"by way of a proxy: {', '.join(named)} set"


def _downloads(environ: Environ) -> Iterator[Told]:
    cache = CompatHome.from_env(environ).cache
    try:
        yield _litellm(environ, cache)
    except CompatError as error:
        yield "problem", error.message, f"correct {LITELLM_VARIABLE}"
    asked = environ.get(CLAUDE_CODE_VARIABLE) or LATEST
    pinned = asked if EXACT_VERSION.fullmatch(asked) else None
    yield _download(f"Claude Code {asked}", pinned, fetched_versions(cache), "about 100 MB")


def _litellm(environ: Environ, cache: Path) -> Told:
    asked = environ.get(LITELLM_VARIABLE) or LATEST
    if asked.startswith(PATH_REQUEST):
        return "ok", f"LiteLLM from {checkout_folder(asked)}, built when its code changed"
    pinned = None if asked == LATEST or litellm_minor(asked) else pinned_version(asked)
    if proxy_kind(environ) == "container":
        return "ok", f"LiteLLM {asked} as its image, pulled unless the container engine has it"
    return _download(f"LiteLLM {asked}", pinned, installed_versions(cache), "some hundred MB")


def _download(what: str, pinned: str | None, kept: list[str], size: str) -> Told:
    """What is to be fetched of `what`, which means the version `pinned`, or one that only a registry tells."""
    kept_says = f"in the cache: {', '.join(kept)}" if kept else "the cache has none"
    if pinned in kept:
        return "ok", f"{what} is in the cache"
    if kept and pinned is None:
        return "ok", f"{what} is asked for on each full run; {kept_says}"
    return "note", f"{what} is to be downloaded ({size}); {kept_says}", ""


def _alerts(environ: Environ) -> Iterator[Told]:
    told = "incidents are posted to the webhook" if environ.get(WEBHOOK) else "incidents are only logged"
    yield "ok", told


_CHECKS: Mapping[str, Callable[[Environ], Iterator[Told]]] = {
    "settings": _settings,
    "cells": _cells,
    "known reds": _known_reds,
    "environments": _environments,
    "providers": _accounts,
    "cost": _cost,
    "docs repository": _docs,
    "folders": _folders,
    "programs": _programs,
    "network": _network,
    "downloads": _downloads,
    "alerts": _alerts,
}
