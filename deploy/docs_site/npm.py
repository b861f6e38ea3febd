"""npm in this folder, with the pipeline's own Node.js: `python deploy/docs_site/npm.py run build`.

What package-lock.json names is installed first, where it is not yet; without arguments, that is all.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from compat_pipeline.claude.npm import npm_command
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder
from compat_pipeline.ground.lock import locked
from compat_pipeline.ground.process import bare_environment, client_environment, end_group, spawn

SITE = Path(__file__).resolve().parent


def main(arguments: Sequence[str]) -> int:
    """Run `npm ARGUMENTS` and return its exit code; raises CompatError where the packages cannot be installed."""
    home = CompatHome.from_env()
    with locked(SITE / ".installing"):
        _install(home.cache / "npm")
    return _npm(arguments, _environment(home)) if arguments else 0


def _environment(home: CompatHome) -> dict[str, str]:
    """What the packages' own programs get: the newest matrix, if there is one, and nothing of the user's."""
    node = npm_command()[0]
    return {
        **bare_environment(make_folder(home.cache / "docs-site")),
        "PATH": f"{node.parent}{os.pathsep}{os.defpath}",
        **({"COMPAT_MATRIX": str(home.matrix)} if home.matrix.exists() else {}),
        "NO_UPDATE_NOTIFIER": "1",
        "BROWSERSLIST_IGNORE_OLD_DATA": "true",
    }


def _install(cache: Path) -> None:
    """No package's own program runs here (.npmrc ignores install scripts), so npm may know the user's registries."""
    wanted = hashlib.sha256((SITE / "package-lock.json").read_bytes()).hexdigest()
    installed = SITE / "node_modules" / ".installed"
    if installed.exists() and installed.read_text() == wanted:
        return
    if _npm(["ci", "--loglevel=error", "--prefer-offline", "--cache", str(cache)], client_environment(clients=["npm"])):
        raise CompatError("npm cannot install the docs site's packages", "see above; `npm config get registry`")
    installed.write_text(wanted)


def _npm(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    npm = spawn([*npm_command(), *arguments], env=environment, cwd=SITE, stdout=None, stderr=None)
    try:
        return npm.wait()
    finally:
        end_group(npm)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CompatError as error:
        sys.exit(str(error))
