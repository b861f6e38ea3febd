"""LiteLLM from a checkout in a container, with a tiny one in its place: its own Dockerfile is what is built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import docker
import pytest

from compat_pipeline.ground.errors import CompatError, WrongUsage
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.checkout_image import resolve_checkout_image
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.image import ProxyImage
from compat_pipeline.proxy.lease import RuntimeSpec, lease
from compat_pipeline.proxy.local_image import ensure_image
from compat_pipeline.proxy.venv import ensure_venv
from compat_pipeline.resources.registries import PythonIndex
from compat_pipeline_tests.container.images import SERVES, VERSION, stand_in_image
from compat_pipeline_tests.proxy.checkouts import commit, git
from compat_pipeline_tests.proxy.leased import eventually

BASE = "compat-tests-litellm-base"
KEY = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz"
PLAIN = f"FROM {BASE}\nCOPY litellm /bin/litellm\n"


@pytest.fixture(scope="module", autouse=True)
def base(client: docker.DockerClient) -> None:
    client.images.get(stand_in_image(client)).tag(BASE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean checkout of code like no other, whose Dockerfile puts the script `litellm` over the base image's."""
    folder = tmp_path / "litellm checkout"
    folder.mkdir()
    (folder / "Dockerfile").write_text(PLAIN)
    (folder / "litellm").write_text(f"#!/bin/sh\necho as committed\n{SERVES}")
    (folder / "litellm").chmod(0o755)
    (folder / "mine").write_text(str(tmp_path))
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> CompatHome:
    return CompatHome(tmp_path / "home", tmp_path / "cache")


def build_logs(home: CompatHome) -> list[Path]:
    return list((home.logs / "images").iterdir())


def said_by(image: ProxyImage, client: docker.DockerClient) -> str:
    """What its `litellm` says first."""
    script: bytes = client.containers.run(image.id, ["head", "-n", "2", "/bin/litellm"], remove=True)
    return script.decode().splitlines()[1].removeprefix("echo ")


def test_the_code_is_built_by_its_dockerfile_named_by_its_commit_and_leased(
    checkout: Path, home: CompatHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"COMPAT_HOME": home.root, "COMPAT_CACHE": home.cache, "COMPAT_PROXY": "container"}.items():
        monkeypatch.setenv(name, str(value))
    release = PythonIndex().resolve(f"path:{checkout}")
    head = git(checkout, "rev-parse", "HEAD").strip()
    assert (release.source, release.version, release.commit) == ("path", VERSION, head)
    assert release.tag == f"v{VERSION}+{head[:12]}"
    manifest = load_manifest({})
    manifest = manifest.model_copy(update={"providers": manifest.providers[:1]})
    spec = RuntimeSpec(release=release, installed=PythonIndex().install(release), manifest=manifest)
    with lease(spec, home, linger_s=0) as up:
        assert (set(up.routes.values()), up.image_digest) == ({"ok"}, release.image_digest)
        assert "as committed" in (RuntimeFolder.of(home, up.key).logs / "proxy.log").read_text()


def test_edits_are_another_image_and_the_same_code_is_built_once(
    checkout: Path, home: CompatHome, client: docker.DockerClient
) -> None:
    clean = resolve_checkout_image(f"path:{checkout}", home)
    (checkout / "litellm").write_text(f"#!/bin/sh\necho as edited\n{SERVES}")
    dirty = resolve_checkout_image(f"path:{checkout}", home)
    assert dirty.tag.startswith(f"{clean.tag}.dirty.")
    installed = [said_by(ensure_image(release, "no matter", home), client) for release in (clean, dirty)]
    assert installed == ["as committed", "as edited"]
    labels = client.images.get(str(dirty.image_digest)).labels
    assert labels["compat_pipeline.tree"].startswith(dirty.tag.rpartition(".")[2])
    for build_log in build_logs(home):
        build_log.unlink()
    commit(checkout)
    again = resolve_checkout_image(f"path:{checkout}", home)
    assert build_logs(home) == []
    assert (again.image_digest, "dirty" in again.tag) == (dirty.image_digest, False)


def test_the_build_sees_no_credential_of_ours_and_its_log_keeps_none(
    checkout: Path, home: CompatHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMPAT_DOCS_TOKEN", "ANTHROPIC_API_KEY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "https://s3cret-value")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    (tmp_path / ".docker").mkdir()
    proxies = {"proxies": {"default": {"httpProxy": "http://s3cret-value@proxy:3128"}}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(proxies))
    (checkout / "Dockerfile").write_text(f"{PLAIN}RUN busybox env && echo the key {KEY}\n")
    resolve_checkout_image(f"path:{checkout}", home)
    (build_log,) = build_logs(home)
    told = build_log.read_text()
    assert "PATH=/bin" in told
    assert "the key [redacted" in told
    assert [secret for secret in ("s3cret-value", KEY) if secret in told] == []


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [
        (f"{PLAIN}RUN echo half a merge && exit 3\n", r"cannot build LiteLLM's image from .*\n(.|\n)*half a merge"),
        (f"{PLAIN}RUN rm -r /nowhere\n", r"cannot build LiteLLM's image from .*\n(.|\n)*docker build /.* checkout"),
        (None, "cannot build LiteLLM's image from .*: it has no Dockerfile\n.*COMPAT_PROXY=process"),
        (f"{PLAIN}RUN busybox rm /bin/python3\n", "cannot look into the image compat-litellm-checkout:"),
    ],
)
def test_a_checkout_that_does_not_build_into_litellm_tells_why(
    checkout: Path, home: CompatHome, dockerfile: str | None, told: str
) -> None:
    if dockerfile is None:
        (checkout / "Dockerfile").unlink()
    else:
        (checkout / "Dockerfile").write_text(dockerfile)
    with pytest.raises(CompatError, match=told):
        resolve_checkout_image(f"path:{checkout}", home)


def test_a_dockerfile_that_leads_out_of_the_checkout_is_none(checkout: Path, home: CompatHome, tmp_path: Path) -> None:
    (checkout / "Dockerfile").rename(tmp_path / "Dockerfile")
    (checkout / "Dockerfile").symlink_to(tmp_path / "Dockerfile")
    with pytest.raises(CompatError, match="it has no Dockerfile"):
        resolve_checkout_image(f"path:{checkout}", home)


def test_where_nothing_builds_images_that_is_said(
    checkout: Path, home: CompatHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(CompatError, match="there is no `docker` command"):
        resolve_checkout_image(f"path:{checkout}", home)
    with pytest.raises(WrongUsage, match="there is no folder"):
        resolve_checkout_image(f"path:{tmp_path}/gone", home)


def test_an_image_and_a_venv_of_a_checkout_do_not_stand_for_each_other(checkout: Path, home: CompatHome) -> None:
    image = resolve_checkout_image(f"path:{checkout}", home)
    with pytest.raises(CompatError, match=r"was built as an image alone\n.*path:"):
        ensure_venv(image, home.cache, Path(sys.executable))
    with pytest.raises(CompatError, match=r"was built for a process alone\n.*path:"):
        ensure_image(image.model_copy(update={"image_digest": None}), "no matter", home)


def test_a_build_whose_owner_is_killed_leaves_no_container(
    checkout: Path, home: CompatHome, client: docker.DockerClient
) -> None:
    (checkout / "Dockerfile").write_text(f"{PLAIN}RUN : {home.root} && sleep 600\n")

    def steps() -> list[str]:
        every = client.containers.list(all=True, ignore_removed=True)
        return [one.name for one in every if any(str(home.root) in word for word in one.attrs["Config"]["Cmd"])]

    ask = (
        "import sys; from pathlib import Path; from compat_pipeline.ground.home import CompatHome;"
        "from compat_pipeline.proxy.checkout_image import resolve_checkout_image as resolve;"
        "resolve(sys.argv[1], CompatHome(*map(Path, sys.argv[2:])))"
    )
    argv = [sys.executable, "-c", ask, f"path:{checkout}", str(home.root), str(home.cache)]
    with subprocess.Popen(argv, env=dict(os.environ)) as owner:
        begun = eventually(lambda: steps() != [])
        owner.kill()
    assert begun
    assert eventually(lambda: steps() == [])
