"""The stand-in's answers in the shapes that GitHub's OpenAPI description gives them."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from compat_pipeline_tests.github.objects import FOLDER, Entry

if TYPE_CHECKING:
    from compat_pipeline_tests.github.state import Grant, Repository

_THEN = "2026-01-01T00:00:00Z"
_REPOSITORY_LINKS = (
    *("archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents"),
    *("contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags", "hooks"),
    *("issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones"),
    *("notifications", "pulls", "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams"),
    *("trees", "clone", "git", "ssh", "svn"),
)
_USER_LINKS = (
    *("followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events"),
    *("received_events", "html", "avatar"),
)
_COUNTS = (
    *("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers", "watchers_count"),
    *("network_count", "subscribers_count", "size"),
)
_FEATURES = ("has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions", "has_downloads")
_PULL_LINKS = ("comments", "commits", "diff", "html", "issue", "patch", "review_comment", "review_comments", "statuses")


def user(url: str, login: str) -> dict[str, Any]:
    links = {f"{name}_url": f"{url}/users/{login}/{name}" for name in _USER_LINKS}
    own = {"login": login, "id": 1, "node_id": "U_1", "gravatar_id": None, "type": "Organization", "site_admin": False}
    return {**links, **own, "url": f"{url}/users/{login}"}


def repository(url: str, one: Repository) -> dict[str, Any]:
    owner, name = one.full_name.split("/")
    here = f"{url}/repos/{one.full_name}"
    return {
        **{f"{link}_url": f"{here}/{link}" for link in _REPOSITORY_LINKS},
        **dict.fromkeys(_COUNTS, 0),
        **dict.fromkeys(_FEATURES, False),
        **dict.fromkeys(("description", "homepage", "language", "mirror_url", "license")),
        **dict.fromkeys(("pushed_at", "created_at", "updated_at"), _THEN),
        **dict.fromkeys(("fork", "archived", "disabled"), False),
        "id": one.id,
        "node_id": f"R_{one.id}",
        "name": name,
        "full_name": one.full_name,
        "owner": user(url, owner),
        "private": one.private,
        "default_branch": one.default_branch,
        "url": here,
        "html_url": f"{url}/{one.full_name}",
    }


def release(url: str, full_name: str, tag: str, number: int, fields: Mapping[str, Any]) -> dict[str, Any]:
    here = f"{url}/repos/{full_name}/releases/{number}"
    links = {f"{name}_url": f"{here}/{name}" for name in ("assets", "upload", "tarball", "zipball", "html")}
    return {
        **links,
        "url": here,
        "id": number,
        "node_id": f"RE_{number}",
        "tag_name": tag,
        "target_commitish": "main",
        "name": tag,
        "body": "",
        "draft": False,
        "prerelease": False,
        "created_at": _THEN,
        "published_at": _THEN,
        "author": user(url, full_name.split("/")[0]),
        "assets": [],
        **fields,
    }


def installation(url: str, number: int, app: str, full_name: str, permissions: Mapping[str, str]) -> dict[str, Any]:
    owner = full_name.split("/")[0]
    return {
        "id": number,
        "account": user(url, owner),
        "app_id": int(app) if app.isdigit() else 1,
        "app_slug": "matrix",
        "target_id": 1,
        "target_type": "Organization",
        "single_file_name": None,
        "repository_selection": "selected",
        "access_tokens_url": f"{url}/app/installations/{number}/access_tokens",
        "html_url": f"{url}/organizations/{owner}/settings/installations/{number}",
        "repositories_url": f"{url}/installation/repositories",
        "events": [],
        "permissions": dict(permissions),
        "created_at": _THEN,
        "updated_at": _THEN,
        "suspended_by": None,
        "suspended_at": None,
    }


def access_token(value: str, grant: Grant, repositories: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "token": value,
        "expires_at": datetime.fromtimestamp(grant.expires_at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": dict(grant.permissions),
        "repository_selection": "selected",
        "repositories": repositories,
    }


def ref(url: str, one: Repository, branch: str) -> dict[str, Any]:
    here, sha = f"{url}/repos/{one.full_name}/git", one.objects.branches[branch]
    return {
        "ref": f"refs/heads/{branch}",
        "node_id": "REF_1",
        "url": f"{here}/refs/heads/{branch}",
        "object": {"type": "commit", "sha": sha, "url": f"{here}/commits/{sha}"},
    }


def git_commit(url: str, one: Repository, sha: str) -> dict[str, Any]:
    here, made = f"{url}/repos/{one.full_name}/git", one.objects.commits[sha]
    return {
        **_git_commit(here, one, sha),
        "sha": sha,
        "node_id": "C_1",
        "url": f"{here}/commits/{sha}",
        "html_url": f"{url}/{one.full_name}/commit/{sha}",
        "parents": [
            {
                "sha": parent,
                "url": f"{here}/commits/{parent}",
                "html_url": f"{url}/{one.full_name}/commit/{parent}",
            }
            for parent in made.parents
        ],
    }


def _git_commit(here: str, one: Repository, sha: str) -> dict[str, Any]:
    made = one.objects.commits[sha]
    somebody = {"name": "The stand-in", "email": "stand-in@localhost", "date": _THEN}
    return {
        "author": somebody,
        "committer": somebody,
        "message": made.message,
        "tree": {"sha": made.tree, "url": f"{here}/trees/{made.tree}"},
        "verification": {
            "verified": False,
            "reason": "unsigned",
            "signature": None,
            "payload": None,
            "verified_at": None,
        },
    }


def tree(url: str, one: Repository, sha: str) -> dict[str, Any]:
    here = f"{url}/repos/{one.full_name}/git"
    entries = [
        {
            "path": name,
            "mode": entry.mode,
            "type": "tree" if entry.mode == FOLDER else "blob",
            "sha": entry.sha,
            "url": f"{here}/{'trees' if entry.mode == FOLDER else 'blobs'}/{entry.sha}",
        }
        for name, entry in one.objects.trees[sha].items()
    ]
    return {"sha": sha, "url": f"{here}/trees/{sha}", "tree": entries, "truncated": False}


def content(url: str, one: Repository, path: str, entry: Entry, commit: str) -> dict[str, Any]:
    here, raw = f"{url}/repos/{one.full_name}", one.objects.blobs[entry.sha]
    links = {
        "git": f"{here}/git/blobs/{entry.sha}",
        "html": f"{url}/{one.full_name}/blob/{commit}/{path}",
        "self": f"{here}/contents/{path}?ref={commit}",
    }
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(raw),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.encodebytes(raw).decode(),
        "sha": entry.sha,
        "url": links["self"],
        "git_url": links["git"],
        "html_url": links["html"],
        "download_url": f"{url}/raw/{one.full_name}/{commit}/{path}",
        "_links": links,
    }


def commit(url: str, one: Repository, sha: str) -> dict[str, Any]:
    parents = one.objects.commits[sha].parents
    changed = _files(url, one, parents[0] if parents else None, sha)
    return {**listed_commit(url, one, sha), "files": changed, "stats": {"additions": 0, "deletions": 0, "total": 0}}


def listed_commit(url: str, one: Repository, sha: str) -> dict[str, Any]:
    here, made = f"{url}/repos/{one.full_name}", one.objects.commits[sha]
    return {
        "url": f"{here}/commits/{sha}",
        "sha": sha,
        "node_id": "C_1",
        "html_url": f"{url}/{one.full_name}/commit/{sha}",
        "comments_url": f"{here}/commits/{sha}/comments",
        "commit": {**_git_commit(f"{here}/git", one, sha), "url": f"{here}/git/commits/{sha}", "comment_count": 0},
        "author": None,
        "committer": None,
        "parents": [{"sha": parent, "url": f"{here}/commits/{parent}"} for parent in made.parents],
    }


def _files(url: str, one: Repository, before: str | None, after: str) -> list[dict[str, Any]]:
    here = f"{url}/repos/{one.full_name}"
    found = []
    for path, (old, new) in one.objects.changed(before, after).items():
        was, now = (one.objects.blobs[side.sha].decode().splitlines() if side else [] for side in (old, new))
        patch = [line for line in difflib.ndiff(was, now) if line[0] in "+-"]
        found.append(
            {
                "sha": new.sha if new else None,
                "filename": path,
                "status": "removed" if new is None else "added" if old is None else "modified",
                "additions": sum(line[0] == "+" for line in patch),
                "deletions": sum(line[0] == "-" for line in patch),
                "changes": len(patch),
                "blob_url": f"{url}/{one.full_name}/blob/{after}/{path}",
                "raw_url": f"{url}/{one.full_name}/raw/{after}/{path}",
                "contents_url": f"{here}/contents/{path}?ref={after}",
                "patch": "\n".join(patch),
            }
        )
    return found


def comparison(url: str, one: Repository, base: str, head: str) -> dict[str, Any]:
    objects, here = one.objects, f"{url}/repos/{one.full_name}/compare/{base}...{head}"
    above, below = objects.ancestors(head), objects.ancestors(base)
    ahead, behind = above - below, below - above
    fork = next(sha for sha in _walk_back(one, base) if sha in above)
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    return {
        "url": here,
        **{f"{name}_url": f"{here}/{name}" for name in ("html", "permalink", "diff", "patch")},
        "base_commit": listed_commit(url, one, base),
        "merge_base_commit": listed_commit(url, one, fork),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [listed_commit(url, one, sha) for sha in sorted(ahead)],
        "files": _files(url, one, fork, head),
    }


def _walk_back(one: Repository, sha: str) -> list[str]:
    found, todo = list[str](), [sha]
    while todo:
        if (next_one := todo.pop(0)) not in found:
            found.append(next_one)
            todo += one.objects.commits[next_one].parents
    return found


def pull(url: str, one: Repository, number: int, asked: Mapping[str, str]) -> dict[str, Any]:
    here, owner = f"{url}/repos/{one.full_name}/pulls/{number}", one.full_name.split("/")[0]
    links = {f"{name}_url": f"{here}/{name}" for name in _PULL_LINKS}

    def side(branch: str) -> dict[str, Any]:
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": one.objects.branches[branch],
            "repo": repository(url, one),
            "user": user(url, owner),
        }

    return {
        **links,
        "_links": {
            name: {"href": f"{here}/{name}"}
            for name in (
                "comments",
                "commits",
                "statuses",
                "html",
                "issue",
                "review_comments",
                "review_comment",
                "self",
            )
        },
        **dict.fromkeys(("assignee", "closed_at", "merge_commit_sha", "merged_at", "milestone", "auto_merge")),
        **dict.fromkeys(("mergeable", "merged_by")),
        **dict.fromkeys(("additions", "deletions", "changed_files", "comments", "commits", "review_comments"), 1),
        **dict.fromkeys(("merged", "locked", "maintainer_can_modify"), False),
        "mergeable_state": "unknown",
        "author_association": "MEMBER",
        "labels": [],
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "url": here,
        "html_url": f"{url}/{one.full_name}/pull/{number}",
        "id": number,
        "node_id": f"PR_{number}",
        "number": number,
        "state": "open",
        "title": asked["title"],
        "body": asked.get("body"),
        "created_at": _THEN,
        "updated_at": _THEN,
        "user": user(url, owner),
        "base": side(asked["base"]),
        "head": side(asked["head"]),
    }
