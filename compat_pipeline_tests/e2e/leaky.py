"""A proxy and a CLI that tell whatever they know, in every spelling: `python leaky.py proxy|cli SEEDS.json [ARG ...]`.

SEEDS.json holds texts that give a secret away by their shape. What the two were given in their environment is known
to us, and told in more ways.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

NOT_SECRET = {"PATH", "HOME", "TMPDIR", "LANG", "TERM", "CLAUDE_CONFIG_DIR"}
DIES = "dies"
"""As a further argument: the proxy ends as soon as it has told everything."""


def spellings(secret: str) -> list[str]:
    """Every way in which a known secret may turn up."""
    raw, escaped = secret.encode(), json.dumps(secret)[1:-1]
    return [
        secret,
        quote(secret, safe=""),
        escaped,
        json.dumps(escaped)[1:-1],
        repr(raw),
        raw.hex(),
        *(base64.b64encode(b"user:"[:before] + raw + b"!").decode() for before in (3, 4, 5)),
        base64.urlsafe_b64encode(escaped.encode()).decode(),
    ]


def everything_known(seeds: Path) -> list[str]:
    """All seeds and all of the environment, in every spelling."""
    given = [value for name, value in sorted(os.environ.items()) if name not in NOT_SECRET]
    return [*told_by_shape(seeds), *(spelled for value in given for spelled in spellings(value))]


def told_by_shape(seeds: Path) -> list[str]:
    return [spelled for text in json.loads(seeds.read_text()) for spelled in (text, json.dumps(text))]


class LeakyProxy(BaseHTTPRequestHandler):
    """Alive; passes what it is sent on to the Anthropic upstream, with all it knows, and refuses with all it knows."""

    words: list[str]

    def do_GET(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print("refused:", *self.words[:20], file=sys.stderr, flush=True)
        if "stream" in request:
            self._pass_on(request | {"model": "claude-haiku-4-5", "system": "\n".join(self.words)})
        self._answer(401, {"type": "error", "error": {"type": "api_error", "message": "\n".join(self.words)}})

    def _pass_on(self, request: dict[str, Any]) -> None:
        headers = {"anthropic-version": "2023-06-01", "content-type": "application/json"}
        post(
            os.environ["UPSTREAM_ANTHROPIC_URL"], request, headers | {"x-api-key": os.environ["UPSTREAM_ANTHROPIC_KEY"]}
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def post(base_url: str, message: dict[str, Any], headers: dict[str, str]) -> str:
    """The body of the answer, whatever its status."""
    request = urllib.request.Request(f"{base_url}/v1/messages", json.dumps(message).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return str(answer.read().decode())
    except HTTPError as refusal:
        return refusal.read().decode()


def serve(arguments: list[str], words: list[str]) -> None:
    print("starting with", *words, sep="\n", flush=True)
    if DIES in arguments:
        sys.exit("cannot start with " + " ".join(words))
    LeakyProxy.words = words
    port = int(arguments[arguments.index("--port") + 1])
    ThreadingHTTPServer(("127.0.0.1", port), LeakyProxy).serve_forever()


def converse(arguments: list[str], words: list[str]) -> None:
    """As Claude Code does in a turn that the proxy refuses."""
    message = {"model": arguments[arguments.index("--model") + 1], "max_tokens": 64, "stream": True}
    turn = {"messages": [{"role": "user", "content": arguments[-1]}]}
    token = os.environ["ANTHROPIC_AUTH_TOKEN"]
    headers = {
        "authorization": f"Bearer {token}",
        "x-note": " ".join(word for word in words if "\n" not in word)[:9000],
    }
    refusal = post(os.environ["ANTHROPIC_BASE_URL"], message | turn, headers)
    for line in _events("\n".join(words), f"API Error: 401 {refusal}"):
        print(json.dumps(line), flush=True)
    print("not JSON:", *words, flush=True)
    sys.exit("\n".join(words))


def _events(words: str, refusal: str) -> Iterator[dict[str, Any]]:
    yield {"type": "system", "subtype": "init", "model": "made-up", "tools": [], "note": words}
    yield {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": words}]}}
    yield {"type": "result", "subtype": "success", "is_error": True, "api_error_status": 401, "result": refusal}


def environment_of(role: str, seeds: Path) -> Path:
    """Where the proxy or the CLI leaves the names of what it was given."""
    return seeds.with_name(f"environment-of-{role}.json")


if __name__ == "__main__":
    environment_of(sys.argv[1], Path(sys.argv[2])).write_text(json.dumps(sorted(os.environ)))
    known = everything_known(Path(sys.argv[2]))
    {"proxy": serve, "cli": converse}[sys.argv[1]](sys.argv[3:], known)
