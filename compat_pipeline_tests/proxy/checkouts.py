"""A git checkout of the real LiteLLM, made from an installed one: its compiled parts are in it, so that it builds."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from compat_pipeline.proxy.venv import ProxyVenv

_BACKEND = '''"""Packs what lies here: LiteLLM's compiled parts cannot be built without its toolchain and crates."""
import pathlib
import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    (info,) = pathlib.Path().glob("litellm-*.dist-info")
    name = f"{info.stem}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        for top in ("litellm", info.name):
            for path in sorted(pathlib.Path(top).rglob("*")):
                if path.is_file() and path.name not in ("RECORD", "WHEEL"):
                    wheel.write(path)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n")
        rows = "".join(f"{path},,\\n" for path in wheel.namelist())
        wheel.writestr(f"{info}/RECORD", f"{rows}{info}/RECORD,,\\n")
    return name
'''
_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def git(folder: Path, *args: str) -> str:
    """Git in `folder`, as nobody in particular."""
    who = {f"GIT_{role}_{part}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who}
    return subprocess.run(["git", "-C", folder, *args], env=env, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> str:
    """Commit everything in `folder`; the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "x")
    return git(folder, "rev-parse", "HEAD").strip()


def checkout_of(venv: ProxyVenv, folder: Path) -> Path:
    """A clean checkout in `folder` of the LiteLLM that is installed in `venv`; edit it, and the edit is what runs."""
    (site,) = venv.python.parents[1].glob("lib/python3*/site-packages")
    noise = shutil.ignore_patterns("__pycache__")
    shutil.copytree(site / "litellm", folder / "litellm", ignore=noise)
    (info,) = site.glob("litellm-*.dist-info")
    shutil.copytree(
        info, folder / info.name, ignore=shutil.ignore_patterns("INSTALLER", "REQUESTED", "direct_url.json")
    )
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (folder / "backend.py").write_text(_BACKEND)
    (folder / ".gitignore").write_text("__pycache__/\n")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder
