"""What the stand-in remembers: repositories, installations, tokens, planned troubles, and what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat_pipeline_tests.github.objects import Objects


class Refused(Exception):
    """An answer that is an error, in GitHub's shape."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = JSONResponse(
            {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)},
            status,
            headers=dict(headers or {}),
        )


@dataclass
class Repository:
    """One repository; `protected` branches are moved by no token."""

    full_name: str
    id: int
    private: bool = False
    default_branch: str = "main"
    objects: Objects = field(default_factory=Objects)
    releases: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    protected: set[str] = field(default_factory=set)


@dataclass
class Installation:
    """Where an App is installed, on what, and what it may do there."""

    id: int
    app: str
    repositories: set[str]
    permissions: dict[str, str]


@dataclass(frozen=True)
class Grant:
    """What a token opens."""

    repositories: frozenset[str]
    permissions: Mapping[str, str]
    expires_at: float


@dataclass
class Trouble:
    """The next `times` requests that match get `response`; `late` ones are carried out first."""

    method: str
    path: str
    response: Response
    times: int = 1
    late: bool = False


@dataclass(frozen=True)
class Spoken:
    """One request and its answer."""

    method: str
    route: str
    asked: Any
    status: int
    answered: Any

    @classmethod
    def of(cls, request: Request, response: Response) -> Spoken:
        body = bytes(response.body)
        return cls(
            request.method,
            request.scope["route"].path,
            request.state.body,
            response.status_code,
            json.loads(body) if body else None,
        )
