"""LiteLLM from a checkout, with a tiny package of that name in its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, write_atomically
from compat_pipeline.proxy.checkout import resolve_checkout, snapshot
from compat_pipeline.proxy.release import locked_version, resolve_litellm
from compat_pipeline.proxy.venv import ProxyVenv, ensure_venv
from compat_pipeline_tests.pins import LITELLM
from compat_pipeline_tests.processes import gone
from compat_pipeline_tests.proxy.checkouts import checkout_of, commit, git
from compat_pipeline_tests.proxy.leased import eventually

PYTHON = Path(sys.executable)
# A build backend of its own, as simple as can be: it needs no package, and leaves a note of what it was given.
BACKEND = """
import hashlib, base64, os, pathlib, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    pathlib.Path(os.environ["HOME"], "seen-by-the-build").write_text("\\n".join(os.environ))
    name, info = pathlib.Path("NAME").read_text().strip(), "dist-info"
    version = pathlib.Path("VERSION").read_text().strip()
    stem = f"{name}-{version}"
    files = {
        f"{name}/__init__.py": pathlib.Path("litellm.py").read_text(),
        f"{stem}.{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        "Provides-Extra: proxy\\n",
        f"{stem}.{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{stem}.{info}/entry_points.txt": f"[console_scripts]\\nlitellm = {name}:main\\n",
    }
    rows = "".join(f"{path},,\\n" for path in [*files, f"{stem}.{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(directory, f"{stem}-py3-none-any.whl"), "w") as wheel:
        for path, text in {**files, f"{stem}.{info}/RECORD": rows}.items():
            wheel.writestr(path, text)
    return f"{stem}-py3-none-any.whl"
"""
FILES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
    "NAME": "litellm",
    "VERSION": "1.107.3",
    "litellm.py": "def main():\n    print('as committed')\n",
    ".gitignore": "*.log\ntracked.log\n",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout; HOME is a folder of this test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "litellm checkout"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def answer(checkout: Path, cache: Path) -> str:
    """What the `litellm` of the checkout's venv says."""
    venv = ensure_venv(resolve_checkout(f"path:{checkout}", cache, PYTHON), cache, PYTHON)
    return subprocess.run([venv.litellm], capture_output=True, text=True, check=True).stdout.strip()


def test_the_code_is_installed_into_a_venv_of_its_own_and_named_by_its_commit(checkout: Path, tmp_path: Path) -> None:
    release = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    head = git(checkout, "rev-parse", "HEAD").strip()
    assert (release.source, release.version, release.commit) == ("path", "1.107.3", head)
    assert release.tag == f"v1.107.3+{head[:12]}"
    assert "google-auth==" in release.verified_lock().read_text()
    assert answer(checkout, tmp_path / "cache") == "as committed"


def test_edits_and_new_files_are_built_and_named_and_the_checkout_stays_as_it_is(
    checkout: Path, tmp_path: Path
) -> None:
    clean = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    (checkout / "litellm.py").write_text("def main():\n    print('as edited')\n")
    (checkout / "new.py").write_text("new = True\n")
    before = git(checkout, "status", "--porcelain", "--ignored"), git(checkout, "count-objects")
    dirty = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    assert dirty.commit == f"{clean.commit}-dirty"
    assert dirty.tag.startswith(f"{clean.tag}.dirty.")
    assert dirty.digest != clean.digest
    assert answer(checkout, tmp_path / "cache") == "as edited"
    assert (git(checkout, "status", "--porcelain", "--ignored"), git(checkout, "count-objects")) == before


def test_what_git_ignores_is_no_edit_but_what_it_tracks_nevertheless_is_kept(checkout: Path, tmp_path: Path) -> None:
    (checkout / "litellm.log").write_text("noise")
    assert "dirty" not in resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON).tag
    (checkout / "tracked.log").write_text("kept")
    git(checkout, "add", "--force", "tracked.log")
    commit(checkout)
    assert "dirty" not in resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON).tag


def test_a_home_inside_the_checkout_is_no_part_of_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPAT_HOME", str(checkout / ".compat"))
    monkeypatch.setenv("COMPAT_CACHE", str(checkout / "downloads"))
    home = CompatHome.from_env()
    write_atomically(home.runtimes / "a-runtime" / "accounts.json", "{}")
    with snapshot(f"path:{checkout}", home.cache) as first:
        write_atomically(home.evidence / "of-the-first-run", "{}")
    with snapshot(f"path:{checkout}", home.cache) as second:
        assert (first.dirty, second.dirty) == (False, False)
    assert first.tree == second.tree


@pytest.mark.parametrize(
    ("below", "home"), [("s[1]", ".compat"), (" vendor ", ".compat"), ("", "home "), ("", "a [b] ")]
)
def test_a_home_inside_is_no_part_of_it_whatever_the_folders_are_called(
    below: str, home: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(checkout / below / "code.py", "code = True\n")
    commit(checkout)
    monkeypatch.setenv("COMPAT_HOME", str(checkout / below / home))
    write_atomically(CompatHome.from_env().runtimes / "a-runtime" / "accounts.json", "{}")
    with snapshot(f"path:{checkout / below}", checkout.parent / "cache") as code:
        assert not code.dirty
        assert (code.copied() / "code.py").is_file()


@pytest.mark.parametrize("name", ["co:lon", 'quo"te', "back\\slash", "blank "])
def test_a_checkout_may_have_any_name(name: str, checkout: Path, tmp_path: Path) -> None:
    named = checkout.rename(tmp_path / name)
    with snapshot(f"path:{named}", tmp_path / "cache") as code:
        assert {path.name for path in code.copied().iterdir()} == FILES.keys()


def test_the_same_code_is_built_once(checkout: Path, tmp_path: Path) -> None:
    first = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    (tmp_path / "seen-by-the-build").unlink()
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "the same code")
    second = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    assert not (tmp_path / "seen-by-the-build").exists()
    assert (second.digest, second.lock) == (first.digest, first.lock)
    assert second.tag != first.tag


def test_a_checkout_below_the_top_of_its_repository_is_taken_alone(checkout: Path, tmp_path: Path) -> None:
    below = tmp_path / "repository" / "vendor" / "litellm"
    below.parent.mkdir(parents=True)
    git(tmp_path / "repository", "init", "--quiet")
    checkout.rename(below)
    subprocess.run(["rm", "-rf", below / ".git"], check=True)
    commit(tmp_path / "repository")
    (tmp_path / "repository" / "elsewhere.py").write_text("an edit that is no part of it")
    assert "dirty" not in resolve_checkout(f"path:{below}", tmp_path / "cache", PYTHON).tag
    assert answer(below, tmp_path / "cache") == "as committed"


def test_the_build_sees_no_credential_of_ours(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("COMPAT_DOCS_TOKEN", "COMPAT_DOCS_APP_ID", "COMPAT_DOCS_APP_KEY_FILE", "COMPAT_GITHUB_TOKEN")
    others = ("GITHUB_TOKEN", "ANTHROPIC_API_KEY", "CARGO_REGISTRY_TOKEN", "NODE_AUTH_TOKEN", "npm_config__auth")
    for name in (*secrets, *others):
        monkeypatch.setenv(name, "s3cret-value")
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    seen = (tmp_path / "seen-by-the-build").read_text().splitlines()
    named = ("COMPAT_", "GITHUB_", "ANTHROPIC_", "CARGO_", "NODE_", "npm_")
    assert {name for name in seen if name.startswith(named)} == {"CARGO_HOME", "CARGO_TARGET_DIR"}


def test_a_build_ends_with_a_run_that_is_killed(checkout: Path, tmp_path: Path) -> None:
    note = tmp_path / "build"
    sleeps = f"import os, pathlib, time\npathlib.Path({str(note)!r}).write_text(str(os.getpid()))\ntime.sleep(600)\n"
    (checkout / "backend.py").write_text(sleeps)
    resolves = (
        "import sys; from pathlib import Path; from compat_pipeline.proxy.checkout import resolve_checkout;"
        f"resolve_checkout({f'path:{checkout}'!r}, Path({str(tmp_path / 'cache')!r}), Path(sys.executable))"
    )
    with subprocess.Popen([sys.executable, "-c", resolves]) as run:
        assert eventually(lambda: note.exists() and note.read_text() != "")
        run.kill()
    assert gone(int(note.read_text()))


def test_a_checkout_that_does_not_build_tells_why_and_leaves_nothing_that_looks_built(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "backend.py").write_text("raise RuntimeError('the build is broken')\n")
    with pytest.raises(CompatError, match=r"cannot build LiteLLM from .*\n(.|\n)*the build is broken"):
        resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    assert list(tmp_path.rglob("*.whl")) == []


def test_what_is_no_checkout_of_litellm_is_refused(checkout: Path, tmp_path: Path) -> None:
    (checkout / "NAME").write_text("something")
    with pytest.raises(CompatError, match=r"is no checkout of LiteLLM: its build gives something-1\.107\.3"):
        resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    with pytest.raises(CompatError, match="there is no folder"):
        resolve_checkout(f"path:{tmp_path}/gone", tmp_path / "cache", PYTHON)
    (tmp_path / "plain").mkdir()
    with pytest.raises(CompatError, match="is no git checkout with a commit"):
        resolve_checkout(f"path:{tmp_path}/plain", tmp_path / "cache", PYTHON)


def test_the_real_litellm_is_built_and_locked_as_its_release_is(
    proxy_venv: ProxyVenv, shared_cache: Path, tmp_path: Path
) -> None:
    checkout = checkout_of(proxy_venv, tmp_path / "litellm")
    built = resolve_checkout(f"path:{checkout}", tmp_path / "cache", PYTHON)
    assert (built.version, built.tag) == (LITELLM, f"v{LITELLM}+{(built.commit or '')[:12]}")
    released = resolve_litellm(LITELLM, shared_cache, PYTHON).verified_lock().read_text()
    assert locked_version(built.verified_lock().read_text(), "openai") == locked_version(released, "openai")
