"""The stand-in's endpoints of one repository: git's data, contents, comparisons and pull requests."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from compat_pipeline_tests.github import answers
from compat_pipeline_tests.github.objects import Entry
from compat_pipeline_tests.github.state import Refused, Repository

Handler = Callable[[str, Request, Repository], Response]


def _repository(url: str, _: Request, repository: Repository) -> Response:
    return JSONResponse(answers.repository(url, repository))


def _releases(url: str, request: Request, repository: Repository) -> Response:
    grant = request.state.grant
    own = grant is not None and grant.permissions.get("contents") == "write"
    seen = [one for one in repository.releases if own or not one["draft"]]
    page, size = int(request.query_params.get("page", 1)), int(request.query_params.get("per_page", 30))
    here = [
        {**one, "url": f"{url}/repos/{repository.full_name}/releases/{one['id']}"}
        for one in seen[(page - 1) * size : page * size]
    ]
    last = max(1, -(-len(seen) // size))
    pages = f"{url}{request.url.path}?per_page={size}&page="
    link = f'<{pages}{page + 1}>; rel="next", <{pages}{last}>; rel="last"' if page < last else ""
    return JSONResponse(here, headers={"link": link} if link else {})


def _ref(url: str, request: Request, repository: Repository) -> Response:
    branch = request.path_params["branch"]
    if branch not in repository.objects.branches:
        raise Refused(404, "Not Found")
    return JSONResponse(answers.ref(url, repository, branch))


def _move(url: str, request: Request, repository: Repository) -> Response:
    branch, asked, objects = request.path_params["branch"], request.state.body, repository.objects
    if branch not in objects.branches:
        raise Refused(422, "Reference does not exist")
    if asked["sha"] not in objects.commits:
        raise Refused(422, "Object does not exist")
    if branch in repository.protected:
        raise Refused(422, "Repository rule violations found\n\nChanges must be made through a pull request.")
    if not asked.get("force") and objects.branches[branch] not in objects.ancestors(asked["sha"]):
        raise Refused(422, "Update is not a fast forward")
    objects.branches[branch] = asked["sha"]
    return JSONResponse(answers.ref(url, repository, branch))


def _make_ref(url: str, request: Request, repository: Repository) -> Response:
    branch = request.state.body["ref"].removeprefix("refs/heads/")
    if branch in repository.objects.branches:
        raise Refused(422, "Reference already exists")
    repository.objects.branches[branch] = request.state.body["sha"]
    return JSONResponse(answers.ref(url, repository, branch), 201)


def _git_commit(url: str, request: Request, repository: Repository) -> Response:
    return JSONResponse(answers.git_commit(url, repository, _known(request, repository)))


def _make_commit(url: str, request: Request, repository: Repository) -> Response:
    asked = request.state.body
    sha = repository.objects.add_commit(asked["tree"], asked["parents"], asked["message"])
    return JSONResponse(answers.git_commit(url, repository, sha), 201)


def _make_tree(url: str, request: Request, repository: Repository) -> Response:
    objects, tree = repository.objects, request.state.body.get("base_tree")
    for item in request.state.body["tree"]:
        sha = item.get("sha") or objects.add_blob(item["content"].encode())
        tree = objects.put(tree, item["path"], Entry(item["mode"], sha))
    return JSONResponse(answers.tree(url, repository, tree), 201)


def _contents(url: str, request: Request, repository: Repository) -> Response:
    path, objects = request.path_params["path"], repository.objects
    asked = request.query_params.get("ref", repository.default_branch)
    commit = objects.branches.get(asked, asked)
    files = objects.files(commit) if commit in objects.commits else {}
    if path in files:
        return JSONResponse(answers.content(url, repository, path, files[path], commit))
    below = [name for name in files if name.startswith(f"{path}/")]
    if not below:
        raise Refused(404, "Not Found")
    return JSONResponse([answers.content(url, repository, name, files[name], commit) for name in below])


def _commits(url: str, request: Request, repository: Repository) -> Response:
    asked, objects, path = request.query_params, repository.objects, request.query_params["path"]
    line = objects.line_from(asked["sha"])
    steps = zip([*line[1:], None], line, strict=True)
    touching = [after for before, after in steps if path in objects.changed(before, after)]
    size, page = int(asked.get("per_page", "30")), int(asked.get("page", "1"))
    return JSONResponse([answers.listed_commit(url, repository, one) for one in touching[(page - 1) * size :][:size]])


def _commit(url: str, request: Request, repository: Repository) -> Response:
    return JSONResponse(answers.commit(url, repository, _known(request, repository)))


def _known(request: Request, repository: Repository) -> str:
    sha = str(request.path_params["sha"])
    if sha not in repository.objects.commits:
        raise Refused(404, "Not Found")
    return sha


def _compare(url: str, request: Request, repository: Repository) -> Response:
    base, _, head = request.path_params["range"].partition("...")
    branches, known = repository.objects.branches, repository.objects.commits
    base, head = branches.get(base, base), branches.get(head, head)
    if base not in known or head not in known:
        raise Refused(404, "Not Found")
    return JSONResponse(answers.comparison(url, repository, base, head))


def _pulls(_: str, request: Request, repository: Repository) -> Response:
    wanted = {"state": request.query_params.get("state", "open")}
    head = request.query_params.get("head", "").partition(":")[2]
    found = [
        one for one in repository.pulls if one["state"] == wanted["state"] and (not head or one["head"]["ref"] == head)
    ]
    return JSONResponse(found)


def _make_pull(url: str, request: Request, repository: Repository) -> Response:
    asked = request.state.body
    if any(one["state"] == "open" and one["head"]["ref"] == asked["head"] for one in repository.pulls):
        raise Refused(422, "Validation Failed")
    repository.pulls.append(answers.pull(url, repository, len(repository.pulls) + 1, asked))
    return JSONResponse(repository.pulls[-1], 201)


def _edit_pull(_: str, request: Request, repository: Repository) -> Response:
    found = repository.pulls[request.path_params["number"] - 1]
    found.update({name: value for name, value in request.state.body.items() if name in {"title", "body", "state"}})
    return JSONResponse(found)


ENDPOINTS: tuple[tuple[str, str, Handler, str], ...] = (
    ("GET", "", _repository, ""),
    ("GET", "/releases", _releases, "contents:read"),
    ("GET", "/git/ref/heads/{branch:path}", _ref, "contents:read"),
    ("PATCH", "/git/refs/heads/{branch:path}", _move, "contents:write"),
    ("POST", "/git/refs", _make_ref, "contents:write"),
    ("GET", "/git/commits/{sha}", _git_commit, "contents:read"),
    ("POST", "/git/commits", _make_commit, "contents:write"),
    ("POST", "/git/trees", _make_tree, "contents:write"),
    ("GET", "/contents/{path:path}", _contents, "contents:read"),
    ("GET", "/commits", _commits, "contents:read"),
    ("GET", "/commits/{sha}", _commit, "contents:read"),
    ("GET", "/compare/{range:path}", _compare, "contents:read"),
    ("GET", "/pulls", _pulls, "pull_requests:read"),
    ("POST", "/pulls", _make_pull, "pull_requests:write"),
    ("PATCH", "/pulls/{number:int}", _edit_pull, "pull_requests:write"),
)
"""Method, path below the repository, handler (given the stand-in's address), and the permission it needs."""
