"""The newest LiteLLM that the package index lists with a wheel, whatever it needs beside itself to install here."""

from __future__ import annotations

import tempfile
from pathlib import Path

from compat_pipeline.domain.versions import denied_litellm_constraints
from compat_pipeline.ground.home import make_folder
from compat_pipeline.proxy.client import run_uv
from compat_pipeline.proxy.release import locked_version

# What a release needs beside itself, and an interpreter too old for it, must not hide it here.
_OPTIONS = (
    *("--no-deps", "--python-version", "3.14", "--prerelease", "disallow", "--only-binary", ":all:"),
    *("--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
)


def newest_listed(cache: Path, python: Path) -> str:
    """The newest final version, denied ones left out. Raises CompatError when the index cannot tell."""
    folder = make_folder(cache / "litellm")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".listed-") as scratch:
        wanted, denied = Path(scratch, "wanted.in"), Path(scratch, "denied.txt")
        wanted.write_text("litellm\n")
        denied.write_text("\n".join(denied_litellm_constraints()))
        told = run_uv(
            ("pip", "compile", *_OPTIONS, "--python", python, "--constraint", denied, wanted),
            what="cannot tell the newest LiteLLM",
            cwd=folder,
            next_step="check the package index that uv is configured with",
        )
    return locked_version(told, "litellm")
