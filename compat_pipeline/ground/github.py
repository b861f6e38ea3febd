"""GitHub as this product reaches it: who we are there, how patient we are, and what its refusals mean to a person."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError, WrongUsage

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from github import Github, GithubException

T = TypeVar("T")

GITHUB_API = "https://api.github.com"

_SECONDARY_WAIT_S = 60.0
"""GitHub asks for a minute after a secondary limit that names no time."""
_CLOCK_TOLERANCE_S = 30.0
_PER_PAGE = 100
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RuntimeError)
"""What reading an answer ends in that is not GitHub's, such as the login page of a proxy."""
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class GithubSite:
    """Where GitHub's API is. `pause_s` lies between two writes, and grows between attempts, as GitHub asks for."""

    api: str = GITHUB_API
    pause_s: float = 1.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> GithubSite:
        """`COMPAT_GITHUB_API`, by default GitHub's own; raises WrongUsage where it is no address, or would have a
        credential go unencrypted."""
        api = (environ.get("COMPAT_GITHUB_API") or GITHUB_API).rstrip("/")
        if not _fit_for_credentials(api):
            raise WrongUsage("COMPAT_GITHUB_API is not the https address of a GitHub API", f"such as {GITHUB_API}")
        return cls(api)


@dataclass(frozen=True)
class Token:
    """A token that somebody made, as narrow as they made it."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", self.value):
            raise CompatError("the GitHub token is malformed: it has blanks or letters that no token has")

    @property
    def secret(self) -> str:
        return self.value


@dataclass(frozen=True)
class App:
    """A GitHub App: its id (or client id) and private key (PEM). Its tokens are made when needed and kept nowhere."""

    id: str
    private_key: str = field(repr=False)
    _key: RSAPrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.]+", self.id):
            raise CompatError("the id of the GitHub App is malformed", "it is the App ID or client ID on its page")
        # Read once: the checks of a key take far longer than a signature.
        object.__setattr__(self, "_key", _rsa_key(self.private_key))

    def sign(self, claims: dict[str, Any]) -> str:
        """A JSON Web Token of `claims`, signed as GitHub asks for."""
        import jwt

        return jwt.encode(claims, self._key, algorithm="RS256")

    @property
    def secret(self) -> str:
        return self.private_key


class GithubRefused(CompatError):
    """GitHub said no; `status` is its HTTP status, 0 where the no is ours."""

    def __init__(self, message: str, next_step: str = "", status: int = 0) -> None:
        super().__init__(message, next_step)
        self.status = status


class GithubBusy(GithubRefused):
    """Not now: worth another attempt, after `wait_s` seconds at the least."""

    def __init__(self, message: str, next_step: str = "", status: int = 0, wait_s: float = 0.0) -> None:
        super().__init__(message, next_step, status)
        self.wait_s = wait_s


def repository_name(value: str, variable: str) -> str:
    """`value` if it reads `owner/name`; WrongUsage names the `variable` that holds it."""
    if not _REPOSITORY.fullmatch(value):
        # Not quoted: an address that was pasted here can hold a token.
        raise WrongUsage(f"{variable} does not name a repository", "write it as owner/name, without an address")
    return value


def patiently(site: GithubSite, action: Callable[[], T], *, attempts: int, patience_s: float) -> T:
    """What `action` returns; it is done again while it raises GithubBusy, with growing pauses, `attempts` times in all.

    The last GithubBusy is raised, and at once the one that asks for a wait of more than `patience_s`.
    """
    for attempt in range(1, attempts):
        try:
            return action()
        except GithubBusy as busy:
            if busy.wait_s > patience_s:
                raise
            # Publishers that met once must not meet again; GitHub's own reads can lag behind its writes for seconds.
            time.sleep(max(busy.wait_s, site.pause_s * attempt * SystemRandom().uniform(0.5, 1.5)))
    return action()


@contextmanager
def signed_in(
    site: GithubSite, credentials: App | Token | None, repository: str, permissions: Mapping[str, str], doing: str
) -> Iterator[Github]:
    """A client that may do `permissions` on `repository`; as an App, with a new token for exactly that.

    The token lives in memory, for an hour at the most. What GitHub (or the way to it) refuses within the block is
    raised as GithubRefused or GithubBusy; `doing` completes "cannot ...".
    """
    import github

    token = _token(site, credentials, repository, permissions)
    auth = github.Auth.Token(token) if token else None
    with github.Github(auth=auth, **_options(site)) as client:
        try:
            with _understood(doing, credentials):
                yield client
        except GithubRefused as refused:
            if refused.status != 401 or not isinstance(credentials, App):
                raise
            raise GithubBusy(f"cannot {doing}: the App's token ended before its time", status=401) from refused


@contextmanager
def _understood(doing: str, credentials: App | Token | None) -> Iterator[None]:
    from github import BadAttributeException, GithubException
    from requests import RequestException

    clean = Redactor([credentials.secret] if credentials else [])
    try:
        yield
    except GithubException as error:
        raise _meaning(doing, error, clean, anonymous=credentials is None) from error
    except RequestException as error:
        raise GithubBusy(
            f"cannot {doing}: GitHub cannot be reached ({type(error).__name__})", "check the network"
        ) from error
    except (BadAttributeException, *_MISSHAPEN) as error:
        raise GithubRefused(
            f"cannot {doing}: GitHub's answer makes no sense", "check COMPAT_GITHUB_API and the proxies on the way"
        ) from error


def _fit_for_credentials(api: str) -> bool:
    try:
        parts = urlsplit(api)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and port != 0 and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _token(site: GithubSite, credentials: App | Token | None, repository: str, permissions: Mapping[str, str]) -> str:
    if isinstance(credentials, App):
        return _app_token(site, credentials, repository, permissions)
    return credentials.value if credentials else ""


def clock_trouble(headers: Mapping[str, Any], *, tolerance_s: float) -> str:
    """How far this machine's clock is from the one that answered with `headers`; empty within the tolerance."""
    try:
        theirs = parsedate_to_datetime(str(headers["date"])).replace(tzinfo=timezone.utc)
    except (KeyError, ValueError):
        return ""
    ahead_s = time.time() - theirs.timestamp()
    if abs(ahead_s) <= tolerance_s:
        return ""
    return f"this machine's clock is {abs(ahead_s) / 60:.0f} min {'ahead of' if ahead_s > 0 else 'behind'} GitHub's"


def _rsa_key(pem: str) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise CompatError(
            "the private key of the GitHub App is no RSA key in PEM form", "download it anew from its page"
        )
    return key


def _options(site: GithubSite) -> dict[str, Any]:
    # At DEBUG the library logs whole answers, tokens too.
    logging.getLogger("github.Requester").setLevel(logging.INFO)
    return {
        "base_url": site.api,
        "per_page": _PER_PAGE,
        "retry": None,
        "seconds_between_requests": None,
        "seconds_between_writes": site.pause_s,
        "user_agent": "compat-pipeline",
    }


def _app_token(site: GithubSite, app: App, repository: str, permissions: Mapping[str, str]) -> str:
    import github

    owner, name = repository.split("/")
    doing = f"sign in to GitHub as App {app.id} for {repository}"
    with (
        github.GithubIntegration(auth=github.Auth.AppAuth(app.id, sign_func=app.sign), **_options(site)) as integration,
        _understood(doing, app),
    ):
        try:
            number = integration.get_repo_installation(owner, name).id
            _, answer = integration.requester.requestJsonAndCheck(
                "POST",
                f"/app/installations/{number}/access_tokens",
                input={"repositories": [name], "permissions": dict(permissions)},
            )
        except github.GithubException as error:
            raise _sign_in_refusal(site, doing, repository, permissions, error) from error
        opened = [one["full_name"] for one in answer.get("repositories", [])]
        if [one.lower() for one in opened] != [repository.lower()]:
            raise GithubRefused(f"cannot {doing}: the token would open {', '.join(opened) or 'other repositories'}")
        return str(answer["token"])


def _sign_in_refusal(
    site: GithubSite, doing: str, repository: str, permissions: Mapping[str, str], error: GithubException
) -> GithubRefused | GithubException:
    """What is known of a refused sign-in beyond GitHub's general refusals."""
    if error.status == 404:
        return GithubRefused(
            f"cannot {doing}: it is not installed there", "install the App on that repository alone", 404
        )
    if error.status == 422 and "permissions" in str(error.message):
        wanted = ", ".join(f"{part}: {level}" for part, level in permissions.items())
        return GithubRefused(
            f"cannot {doing}: the App lacks a permission of {wanted}",
            "grant it, and accept it for the installation",
            422,
        )
    if error.status == 422:
        return GithubRefused(
            f"cannot {doing}: {_new_name(site, repository) or 'it is not installed there'}",
            "name the repository as it is called now, and install the App on it",
            422,
        )
    return error


def _new_name(site: GithubSite, repository: str) -> str:
    """Says so where everybody can see that `repository` was renamed."""
    import github

    try:
        with github.Github(**_options(site)) as anybody:
            return renamed(repository, anybody.get_repo(repository).full_name)
    except github.GithubException:
        return ""


def renamed(asked: str, found: str) -> str:
    """Says so when `found`, where GitHub led to, is not the repository that was `asked` for."""
    return "" if asked.lower() == found.lower() else f"it was renamed to {found}"


def _meaning(doing: str, error: GithubException, clean: Redactor, anonymous: bool) -> GithubRefused:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    data = error.data if isinstance(error.data, dict) else {}
    words = " ".join(clean.text(str(data.get("message") or "")).split()) or f"status {error.status}"
    if (wait_s := _limited(error.status, headers, words)) is not None:
        until = datetime.fromtimestamp(time.time() + wait_s, timezone.utc)
        return GithubBusy(
            f"cannot {doing}: GitHub's rate limit is used up until {until:%H:%M} UTC",
            "wait, or set COMPAT_GITHUB_TOKEN: who gives none has 60 requests an hour" if anonymous else "wait",
            error.status,
            wait_s,
        )
    if error.status >= 500 or error.status in (0, 409):
        return GithubBusy(f"cannot {doing}: GitHub is in trouble ({error.status}: {words})", "", error.status)
    if error.status == 401:
        clock = clock_trouble(headers, tolerance_s=_CLOCK_TOLERANCE_S)
        return GithubRefused(
            f"cannot {doing}: GitHub refused the credentials{f', because {clock}' if clock else f' ({words})'}",
            "set the clock" if clock else "check that they are whole, valid and not expired",
            401,
        )
    if error.status == 403:
        return GithubRefused(f"cannot {doing}: the credentials do not allow it ({words})", "grant what is missing", 403)
    if error.status == 404:
        return GithubRefused(f"cannot {doing}: it does not exist, or the credentials cannot see it", "", 404)
    return GithubRefused(f"cannot {doing}: {error.status}: {words}", "", error.status)


def _limited(status: int, headers: Mapping[str, Any], words: str) -> float | None:
    """For how many seconds GitHub wants no more requests; None when this is no rate limit."""
    spent = headers.get("x-ratelimit-remaining") == "0"
    if status != 429 and not (status == 403 and (spent or "retry-after" in headers or "rate limit" in words.lower())):
        return None
    if str(after := headers.get("retry-after", "")).isdigit():
        return float(after)
    if spent and str(reset := headers.get("x-ratelimit-reset", "")).isdigit():
        return max(0.0, float(reset) - time.time()) + 1
    return _SECONDARY_WAIT_S
