"""What we ask of GitHub, and what its stand-in answers, against GitHub's own OpenAPI description."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from compat_pipeline.claude.npm import Npm
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import make_folder, write_atomically
from compat_pipeline.ground.lock import locked
from compat_pipeline.proxy.github_releases import REPOSITORY, GithubReleases
from compat_pipeline.publication.github import GithubDocs, editions, latest, publish
from compat_pipeline_tests.github.samples import document
from compat_pipeline_tests.github.stand_in import GithubStandIn
from compat_pipeline_tests.github.state import Repository, Spoken

PACKAGE = "@octokit/openapi@23.0.2"
_MEMBER = "package/generated/api.github.com.json"
# What GitHub documents for all of its API at once: conditional requests, credentials and limits.
_ANYWHERE = {304, 401, 403, 429}
# Our routes' names for what the description calls otherwise, or has in one parameter.
_NAMES = (
    (r"\{name\}", "{repo}"),
    (r"/repositories/\{id:int\}", "/repos/{owner}/{repo}"),
    (r"/git/(refs?)/heads/\{branch:path\}", r"/git/\1/{ref}"),
    (r"/git/commits/\{sha\}", "/git/commits/{commit_sha}"),
    (r"/commits/\{sha\}$", "/commits/{ref}"),
    (r"\{path:path\}", "{path}"),
    (r"\{range:path\}", "{basehead}"),
    (r"/pulls/\{number:int\}", "/pulls/{pull_number}"),
    (r"/installations/\{number:int\}", "/installations/{installation_id}"),
)


class Description:
    """GitHub's description of its API (OpenAPI 3.0), as JSON schemas."""

    def __init__(self, text: str) -> None:
        self._document: dict[str, Any] = json.loads(text)

    @cached_property
    def _components(self) -> dict[str, Any]:
        return {"schemas": _json_schema(self._document["components"]["schemas"])}

    def faults(self, one: Spoken) -> Iterator[str]:
        """What of a request and its answer is not as described."""
        operation = self._document["paths"][described(one.route)][one.method.lower()]
        if one.asked is not None:
            yield from self._broken(operation["requestBody"], one.asked)
        answer = operation["responses"].get(str(one.status))
        if answer is None and one.status not in _ANYWHERE:
            yield f"status {one.status} is not described"
        elif answer is not None and one.answered is not None:
            yield from self._broken(answer, one.answered)

    def _broken(self, part: dict[str, Any], value: Any) -> Iterator[str]:
        while "$ref" in part:
            section, name = part["$ref"].split("/")[-2:]
            part = self._document["components"][section][name]
        content = part.get("content", {})
        if "application/json" in content:
            schema = {**_json_schema(content["application/json"]["schema"]), "components": self._components}
            for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
                yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def described(route: str) -> str:
    """The description's name for one of our routes."""
    for ours, theirs in _NAMES:
        route = re.sub(ours, theirs, route)
    return route


def _json_schema(node: Any) -> Any:
    """`node` with OpenAPI's `nullable` as JSON schema says it."""
    if isinstance(node, list):
        return [_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _json_schema(value) for name, value in node.items() if name not in ("nullable", "example")}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


@pytest.fixture(scope="session")
def description(shared_cache: Path) -> Description:
    """GitHub's description, from its npm package; fetched once."""
    file = shared_cache / "github" / f"{PACKAGE.rpartition('@')[2]}.json"
    with locked(file.with_suffix(".lock")):
        if not file.is_file():
            tarball = Npm(shared_cache).pack(PACKAGE, make_folder(file.parent))
            with tarfile.open(tarball) as archive:
                member = archive.extractfile(_MEMBER)
                assert member is not None
                write_atomically(file, member.read())
            tarball.unlink()
    return Description(file.read_text())


def test_everything_we_ask_and_the_stand_in_answers_is_as_github_describes_it(
    github: GithubStandIn, docs: GithubDocs, repository: Repository, description: Description, tmp_path: Path
) -> None:
    github.add_repository(REPOSITORY)
    for day in range(150):
        github.publish_release(REPOSITORY, f"v1.106.{day}")
    for _ in range(2):
        GithubReleases(docs.site, None, tmp_path).pick("latest")
    latest(docs)
    editions(docs, 2)
    github.before("PATCH", "/git/refs/", lambda: repository.objects.commit_files("main", {"page.md": "new"}))
    publish(docs, document("x"), message="pushed")
    proposed = replace(docs, pull_request=True)
    for number, error in enumerate(["y", "z", "x"]):
        publish(proposed, document(error, number), message="proposed")
    for wrong in (replace(docs, branch="gone"), replace(docs, path="gone.json"), replace(docs, repository="acme/no")):
        with pytest.raises(CompatError):
            publish(wrong, document("y"), message="m", allowed=frozenset({wrong.path}))
    github.installations[0].permissions = {}
    with pytest.raises(CompatError):
        publish(docs, document("y"), message="m")
    github.rename(docs.repository, "acme/handbook")
    with pytest.raises(CompatError):
        publish(docs, document("y"), message="m")
    spoken = {(one.method, one.route, one.status): one for one in github.spoken}
    assert len(spoken) >= 22
    assert {place: found for place, one in spoken.items() if (found := list(description.faults(one)))} == {}


def test_what_is_not_as_described_is_noticed(description: Description) -> None:
    route = "/repos/{owner}/{name}/git/refs/heads/{branch:path}"
    answer = {"ref": "refs/heads/main", "node_id": "x", "url": "u", "object": {"type": "commit", "sha": 7, "url": "u"}}
    (found, *_) = description.faults(Spoken("PATCH", route, {"sha": "0" * 40, "force": False}, 200, answer))
    assert found.startswith("object.sha: 7 is not of type 'string'")
    assert list(description.faults(Spoken("PATCH", route, {"force": False}, 418, None))) == [
        ": 'sha' is a required property",
        "status 418 is not described",
    ]
