"""A stand-in for GitHub's REST API on loopback: the endpoints that are used, with state, credentials and faults.

It is not GitHub: it knows what GitHub documents of these endpoints, and what PyGithub reads of their answers. Ids of
commits, trees and blobs are git's own. Every answer carries the header `server: github-stand-in`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from compat_pipeline_tests.claude.loopback import served
from compat_pipeline_tests.github import answers
from compat_pipeline_tests.github.endpoints import ENDPOINTS, Handler
from compat_pipeline_tests.github.state import Grant, Installation, Refused, Repository, Spoken, Trouble

TOKEN_LIFE_S = 3600


class GithubStandIn:
    """`calls` counts requests by `METHOD /path`; `clock_ahead_s` is how far its clock is ahead of ours.

    `spoken` is what was asked and answered: method, path as the routes write it, both bodies, status.
    """

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        self.apps: dict[str, Any] = {}
        self.installations: list[Installation] = []
        self.tokens: dict[str, Grant] = {}
        self.calls: Counter[str] = Counter()
        self.spoken: list[Spoken] = []
        self.clock_ahead_s = 0.0
        self.remaining = 5000
        self.reset_at = time.time() + 1800
        self._troubles: list[Trouble] = []
        self._before: list[tuple[str, str, Callable[[], object]]] = []
        self.app = Starlette(routes=list(self._routes()))

    # What a test arranges.

    def add_repository(self, full_name: str, files: Mapping[str, str] | None = None, **options: Any) -> Repository:
        repository = Repository(full_name, id=1000 + len(self.repositories), **options)
        self.repositories[full_name.lower()] = repository
        if files is not None:
            repository.objects.commit_files(repository.default_branch, files, "first")
        return repository

    def rename(self, old: str, new: str) -> None:
        repository = self.repositories.pop(old.lower())
        repository.full_name = new
        self.repositories[new.lower()] = repository
        self.renamed[old.lower()] = new
        for installation in self.installations:
            installation.repositories = {new if name == old else name for name in installation.repositories}

    def install(self, app: str, public_key: Any, *repositories: str, **permissions: str) -> Installation:
        """Install the App `app` on `repositories`; it may do `permissions` there, by default write contents."""
        self.apps[app] = public_key
        granted = permissions or {"contents": "write"}
        made = Installation(
            50 + len(self.installations), app, set(repositories), {"metadata": "read", "contents": "read", **granted}
        )
        self.installations.append(made)
        return made

    def add_token(self, value: str, *repositories: str, **permissions: str) -> str:
        self.tokens[value] = Grant(
            frozenset(repositories), {"contents": "write", "metadata": "read", **permissions}, float("inf")
        )
        return value

    def publish_release(self, repository: str, tag: str, **fields: Any) -> None:
        """Put a release on top of the list, as a new one is."""
        releases = self.repositories[repository.lower()].releases
        releases.insert(0, answers.release(self.url, repository, tag, len(releases) + 1, fields))

    def trouble(
        self,
        status: int,
        *,
        method: str = "",
        path: str = "",
        message: str = "Server Error",
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        late: bool = False,
    ) -> None:
        """Answer the next `times` requests to `path` (a pattern) with an error; `late`: after carrying them out."""
        self._troubles.append(
            Trouble(method, path, Refused(status, message, headers or {}).response, times=times, late=late)
        )

    def before(self, method: str, path: str, act: Callable[[], object]) -> None:
        """Do `act` once, right before the first request to `path` (a pattern) is looked at."""
        self._before.append((method, path, act))

    # How requests are answered.

    def _routes(self) -> Iterator[Route]:
        repository = "/repos/{owner}/{name}"
        yield Route(f"{repository}/installation", self._answered(self._installation))
        yield Route(
            "/app/installations/{number:int}/access_tokens", self._answered(self._access_token), methods=["POST"]
        )
        for method, path, handler, needs in ENDPOINTS:
            for place in (repository, "/repositories/{id:int}"):
                yield Route(f"{place}{path}", self._answered(self._on_repository(handler, needs)), methods=[method])

    def _answered(self, handler: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            request.state.body = json.loads(await request.body() or b"null")
            self.calls[f"{request.method} {request.url.path}"] += 1
            response = self._answer(request, handler)
            self.spoken.append(Spoken.of(request, response))
            response.headers["date"] = formatdate(self._now(), usegmt=True)
            response.headers["server"] = "github-stand-in"
            return response

        return endpoint

    def _answer(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        for planned in [one for one in self._before if _matches(request, one[0], one[1])]:
            self._before.remove(planned)
            planned[2]()
        trouble = next((one for one in self._troubles if one.times and _matches(request, one.method, one.path)), None)
        if trouble is not None:
            trouble.times -= 1
            if not trouble.late:
                return trouble.response
        try:
            response = self._within_limit(request, handler)
        except Refused as refused:
            response = refused.response
        return trouble.response if trouble is not None else response

    def _within_limit(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        limits = {
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(max(self.remaining - 1, 0)),
            "x-ratelimit-reset": str(int(self.reset_at)),
        }
        if self.remaining <= 0:
            raise Refused(403, "API rate limit exceeded for installation ID 50.", limits)
        response = handler(request)
        etag = f'W/"{hashlib.sha256(bytes(response.body)).hexdigest()}"'
        if request.method == "GET" and request.headers.get("if-none-match") == etag:
            response = Response(status_code=304)
        else:
            self.remaining -= 1
        response.headers.update({**limits, **({"etag": etag} if request.method == "GET" else {})})
        return response

    def _now(self) -> float:
        return time.time() + self.clock_ahead_s

    # Who asks.

    def _app(self, request: Request) -> str:
        """The App that signed the request; its claims are checked as GitHub documents them."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        try:
            app = str(jwt.decode(token, options={"verify_signature": False})["iss"])
            claims = jwt.decode(
                token, self.apps[app], algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
            )
        except (jwt.PyJWTError, KeyError) as error:
            raise Refused(401, "A JSON web token could not be decoded") from error
        if claims["exp"] > self._now() + 600:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        if claims["exp"] <= self._now():
            raise Refused(401, "'Expiration time' claim ('exp') must be a numeric value in the future")
        if claims["iat"] > self._now():
            raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time of the assertion")
        return app

    def _grant(self, request: Request) -> Grant | None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if not kind:
            return None
        grant = self.tokens.get(value)
        if grant is None or grant.expires_at <= self._now():
            raise Refused(401, "Bad credentials")
        return grant

    def _on_repository(self, handler: Handler, needs: str) -> Callable[[Request], Response]:
        def checked(request: Request) -> Response:
            grant, repository = self._grant(request), self._named(request)
            may_see = not repository.private or (grant and repository.full_name in grant.repositories)
            if not may_see:
                raise Refused(404, "Not Found")
            part, _, level = needs.partition(":")
            if needs and (level == "write" or repository.private):
                own = grant.permissions if grant and repository.full_name in grant.repositories else {}
                if own.get(part) not in {"write", level}:
                    raise Refused(403, "Resource not accessible by integration")
            request.state.grant = grant
            return handler(self.url, request, repository)

        return checked

    def _named(self, request: Request) -> Repository:
        if number := request.path_params.get("id"):
            return next(one for one in self.repositories.values() if one.id == number)
        asked = f"{request.path_params['owner']}/{request.path_params['name']}"
        if repository := self.repositories.get(asked.lower()):
            return repository
        if new := self.renamed.get(asked.lower()):
            below = request.url.path.split("/", 4)[4:]
            where = "/".join(["repositories", str(self.repositories[new.lower()].id), *below])
            raise Refused(301, "Moved Permanently", {"location": f"{self.url}/{where}"})
        raise Refused(404, "Not Found")

    # Apps.

    def _installation(self, request: Request) -> Response:
        app = self._app(request)
        asked = f"{request.path_params['owner']}/{request.path_params['name']}"
        full_name = self.renamed.get(asked.lower(), asked)
        for one in self.installations:
            if one.app == app and full_name.lower() in {name.lower() for name in one.repositories}:
                return JSONResponse(answers.installation(self.url, one.id, app, full_name, one.permissions))
        raise Refused(404, "Not Found")

    def _access_token(self, request: Request) -> Response:
        app, asked = self._app(request), request.state.body or {}
        number = request.path_params["number"]
        found = next((one for one in self.installations if (one.id, one.app) == (number, app)), None)
        if found is None:
            raise Refused(404, "Not Found")
        own = {name.partition("/")[2]: name for name in found.repositories}
        names = asked.get("repositories") or list(own)
        if not set(names) <= set(own):
            raise Refused(
                422, "There is at least one repository that does not exist or is not accessible to the installation."
            )
        permissions = asked.get("permissions") or found.permissions
        for part, level in permissions.items():
            if found.permissions.get(part) not in {level, "write"}:
                raise Refused(422, "The permissions requested are not granted to this installation.")
        value = f"ghs_{hashlib.sha256(f'{number}{len(self.tokens)}'.encode()).hexdigest()[:36]}"
        scope = frozenset(own[name] for name in names)
        self.tokens[value] = Grant(scope, {"metadata": "read", **permissions}, self._now() + TOKEN_LIFE_S)
        listed = [answers.repository(self.url, self.repositories[name.lower()]) for name in sorted(scope)]
        return JSONResponse(answers.access_token(value, self.tokens[value], listed), 201)


def _matches(request: Request, method: str, path: str) -> bool:
    return method in {"", request.method} and re.search(path, request.url.path) is not None


@contextmanager
def github_stand_in() -> Iterator[GithubStandIn]:
    """A stand-in that is up."""
    github = GithubStandIn()
    with served(github.app, own_headers=False) as github.url:
        yield github


@contextmanager
def somebody_else(answer: str) -> Iterator[str]:
    """The address of what is no GitHub, such as the login page of a proxy: it has one `answer` to everything."""

    async def page(_: Request) -> Response:
        return HTMLResponse(answer)

    with served(Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST", "PATCH"])])) as address:
        yield address
