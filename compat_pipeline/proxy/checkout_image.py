"""LiteLLM from a checkout as a container image: built by the checkout's own Dockerfile, once for the same code."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder
from compat_pipeline.ground.lock import locked
from compat_pipeline.ground.process import spawn
from compat_pipeline.proxy.checkout import BUILD_LIMIT_S, LAST_LINES, Snapshot, checkout_shelf, snapshot
from compat_pipeline.proxy.engine import TREE_LABEL, asked, engine
from compat_pipeline.proxy.image import ENGINE_VARIABLES
from compat_pipeline.proxy.local_image import look_into
from compat_pipeline.proxy.process import Process, last_lines
from compat_pipeline.proxy.release import LitellmRelease

log = logging.getLogger(__name__)

_NAME = "compat-litellm-checkout"
_BUILDER = "DOCKER_BUILDKIT"


def resolve_checkout_image(request: str, home: CompatHome) -> LitellmRelease:
    """The LiteLLM in the git checkout that `request` (`path:FOLDER`) names, as an image on the container engine.

    What is built is a copy, as for `resolve_checkout`. The image is named and labelled by the code's digest, so that
    the same code is built once. Raises WrongUsage where there is no such folder, else CompatError.
    """
    with snapshot(request, home.cache) as code, engine() as client:
        name = f"{_NAME}:{code.tree}"
        with locked(checkout_shelf(home.cache) / f"{code.tree}-image.lock"):
            with asked("cannot use the container engine"):
                known = client.images.list(name)
            if not known:
                _build(code, name, home.logs / "images" / f"{code.tree}.log")
        image, version = look_into(client, name, home)
        return code.release(version, request, digest=image.id, image=image.id)


def _build(code: Snapshot, name: str, build_log: Path) -> None:
    """Docker's own client builds it, because LiteLLM's Dockerfile wants BuildKit, which its library does not speak.

    The Dockerfile is as untrusted as the code: no login, setting or credential of the user's reaches it.
    """
    what = f"cannot build LiteLLM's image from {code.checkout}"
    copy, configuration = code.copied(), make_folder(code.out)
    if (dockerfile := copy / "Dockerfile").is_symlink() or not dockerfile.is_file():
        raise CompatError(f"{what}: it has no Dockerfile", "run it as a process: COMPAT_PROXY=process")
    given = {variable: os.environ[variable] for variable in (*ENGINE_VARIABLES, _BUILDER) if variable in os.environ}
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(configuration), **given}
    argv = ["docker", "--config", str(configuration), "build", "--force-rm", "--tag", name]
    argv += ["--label", f"{TREE_LABEL}={code.tree}", str(copy)]
    log.info("building LiteLLM's image from %s", code.checkout)
    make_folder(build_log.parent)
    try:
        process = spawn(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise CompatError(
            f"{what}: there is no `docker` command", "install Docker's client, or run it as a process"
        ) from None
    build = Process("docker build", process, build_log, Redactor(()))
    try:
        process.wait(timeout=BUILD_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise CompatError(f"{what}: it took over {BUILD_LIMIT_S:.0f} s", f"read {build_log}") from None
    finally:
        build.end()
    if process.returncode:
        said = last_lines(build_log, LAST_LINES)
        raise CompatError(f"{what}:\n{said}", f"try it there: docker build {code.checkout}; its log is {build_log}")
