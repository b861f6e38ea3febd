"""Images for the tests: a stand-in for LiteLLM in a few scripts for busybox, and the real one with nothing copied."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker

from compat_pipeline.proxy.prices import TABLE
from compat_pipeline.proxy.venv import ProxyVenv

VERSION = "1.2.3"

PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6}

_ANSWER = r"""#!/bin/sh
length=0
while read -r line; do
  line=$(printf %s "$line" | tr -d '\r')
  case "$line" in "") break;; [Cc]ontent-[Ll]ength:*) length=${line#*: };; esac
done
head -c "$length" >/dev/null
body='{"role":"assistant","content":[{"type":"text","text":"yes"}]}'
printf 'HTTP/1.1 200 OK\r\ncontent-length: %s\r\nconnection: close\r\n\r\n%s' "${#body}" "$body"
"""
SERVES = 'echo "my key is $LITELLM_MASTER_KEY"\nexec nc -ll -p 4000 -e /bin/answer\n'
"""What `litellm` does; a test may have it do something else."""


def stand_in_image(
    client: docker.DockerClient, litellm: str = SERVES, *, version: str = VERSION, python: str = ""
) -> str:
    """The id of an image in which `litellm` is that shell script, and Python (or `python`) knows it as `version`."""
    knows = f"echo '{json.dumps({'version': version, 'folder': '/litellm'})}'"
    files = {
        "bin/litellm": f"#!/bin/sh\n{litellm}",
        "bin/python3": f"#!/bin/sh\n{python or knows}\n",
        "bin/answer": _ANSWER,
        f"litellm/{TABLE}": json.dumps({"claude-haiku-4-5": PRICES}),
    }
    return _imported(client, files, ["ENV PATH=/bin"])


def litellm_image(client: docker.DockerClient, venv: ProxyVenv) -> str:
    """The id of an image of the LiteLLM in `venv`."""
    return borrowing_image(client, venv.python)


def borrowing_image(client: docker.DockerClient, python: Path) -> str:
    """The id of an image that borrows this machine's `python` and what is installed for it; see `borrowing.py`."""
    base = python.resolve().parents[1]
    libraries = [path for path in map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64")) if path.is_dir()]
    links = {str(path)[1:]: str(path.readlink()) for path in libraries if path.is_symlink()}
    borrowed = {*(path for path in libraries if not path.is_symlink()), base, python.parents[1]}
    scripts = {"bin/python3": f'#!/bin/sh\nexec {python} "$@"\n', "borrowed": "\n".join(map(str, borrowed))}
    return _imported(client, scripts, [f"ENV PATH={python.parent}:/bin"], links, programs=("bash",))


def _imported(
    client: docker.DockerClient,
    files: Mapping[str, str],
    changes: Sequence[str],
    links: Mapping[str, str] | None = None,
    programs: Sequence[str] = (),
) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("busybox", *programs):
            archive.add(Path(str(shutil.which(name))).resolve(), f"bin/{name}")
        for applet in ("sh", "nc", "head", "tr", "sleep", "grep"):
            _link(archive, f"bin/{applet}", "busybox")
        for name, target in (links or {}).items():
            _link(archive, name, target)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    told = client.api.import_image_from_data(packed.getvalue(), changes=list(changes))
    return str(json.loads(told.splitlines()[-1])["status"])


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    archive.addfile(member)
