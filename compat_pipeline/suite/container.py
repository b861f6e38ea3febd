"""The suite, and every CLI it starts, in a container that has no network: all it can reach is behind one door.

The container holds the key of that door and no other credential. What it reports comes back in two files of ours, the
one thing that it may write to beside memory.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from docker.errors import ImageNotFound
from docker.types import LogConfig, Mount, Ulimit

from compat_pipeline.domain.observation import Observation
from compat_pipeline.domain.redaction import Redactor
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.scratch import HELD
from compat_pipeline.proxy.container import Container, reap_containers
from compat_pipeline.proxy.engine import CONFIG_LABEL, asked, confined, container_user, engine, labelled
from compat_pipeline.proxy.folder import POLL_S
from compat_pipeline.suite.job import Job
from compat_pipeline.suite.reports import Reports, write_results
from compat_pipeline.suite.settings import EVIDENCE_VARIABLE, RESULTS_VARIABLE, SuiteSettings
from compat_pipeline.wire.door import Way, opened
from compat_pipeline.wire.evidence import EvidenceStore

IMAGE = "compat-runner"

_MANIFEST_VARIABLE = "COMPAT_MANIFEST"
_URL = "http://door"
_MESSAGES = frozenset({("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens")})
_RECORD = frozenset({("GET", "/_compat/exchanges"), ("POST", "/_compat/arm")})

_PACKAGE, _GIVEN, _CLAUDE = PurePosixPath("/code/compat_pipeline"), PurePosixPath("/given"), PurePosixPath("/claude")
_DOOR, _LEDGER, _HOME = PurePosixPath("/door"), PurePosixPath("/ledger"), PurePosixPath("/home")
_OBSERVATIONS, _EVIDENCE = PurePosixPath("/observations"), PurePosixPath("/evidence")
_MANIFEST = "manifest.yaml"

# The first process of a container inherits every orphan: a shell that waits buries them, Python would not.
_ENTRYPOINT = ["sh", "-c", '"$@" & wait $!', "suite"]
_MEMORY_BYTES, _PROCESSES = 1 << 30, 128
"""For all of it, and again for each CLI that runs at the same time."""
_LARGEST_FILE_BYTES = 1 << 30
_PYTESTS_OWN = range(6)
"""Source: pytest, exit codes."""


def runner_image(name: str) -> str:
    """The id of the image `name`; raises CompatError where the engine has none."""
    with engine() as client, asked(f"cannot use the image {name}", "check COMPAT_RUNNER_IMAGE"):
        try:
            return str(client.images.get(name).id)
        except ImageNotFound:
            build = f"docker build --file deploy/Dockerfile --target runner --tag {name} ."
            raise CompatError(
                f"the container engine has no image {name} for the suite to run in",
                f"build it ({build}), or set COMPAT_RUNNER_IMAGE to one that is there",
            ) from None


def observations(job: Job, suite: Path, image: str) -> Generator[Observation, None, None]:
    """What the tests of `suite`, a folder in our package, see in a container of `image`, as it comes.

    The container is gone when this ends, in any way but a kill: then the next one of the same home removes it. Raises
    CompatError where it does not start, or ends before the suite does; the message holds its last words.
    """
    reap_containers(job.home.root)
    finished = []
    with opened(_source(job, _DOOR), ways(job.settings)) as door:
        manifest = os.environ.get(_MANIFEST_VARIABLE)
        give(job, door.key, manifest)
        for observation in _reported(job, image, specification(job, suite, with_manifest=bool(manifest))):
            finished.append(observation.model_dump(mode="json"))
            yield observation
    if finished and job.artifact:
        write_results(job.home.results, job.settings.upstream, finished)


def ways(settings: SuiteSettings) -> list[Way]:
    """What the suite needs of the proxy, and of the upstreams' record."""
    return [
        Way(settings.proxy_url, settings.proxy_key, _MESSAGES),
        Way(settings.control_url, settings.control_token, _RECORD),
    ]


def give(job: Job, key: str, manifest: str | None) -> None:
    """Make all that the container is given, for its user alone; `key` is the door's."""
    inside = {
        "proxy_url": _URL,
        "proxy_key": key,
        "control_url": _URL,
        "control_token": key,
        "door": Path(_DOOR),
        "claude": Path(_CLAUDE),
        "scratch": Path("/tmp"),  # noqa: S108 - the container's own memory
        "ledger": Path(_LEDGER) if job.settings.ledger else None,
        "upstream_secrets": (),
    }
    job.give(job.settings.model_copy(update=inside))
    if manifest:
        shutil.copyfile(manifest, job.given / _MANIFEST)
    written = [_source(job, _OBSERVATIONS), _source(job, _EVIDENCE)]
    if job.settings.ledger:
        written.append(job.settings.ledger)
    for path in written:
        path.touch(mode=0o600)
    for path in (job.given, *job.given.iterdir(), _source(job, _DOOR), *written):
        os.chown(path, *container_user())
    job.given.chmod(0o700)


def specification(job: Job, suite: Path, *, with_manifest: bool = False) -> dict[str, Any]:
    """All that the engine is told of the container; no secret is in it."""
    settings, inside = job.settings, _PACKAGE / suite.name
    read = {_PACKAGE: suite.parent, _GIVEN: job.given, _DOOR: _source(job, _DOOR), _CLAUDE: settings.claude}
    if settings.ledger:
        read[_LEDGER] = settings.ledger
    written = {target: _source(job, target) for target in (_OBSERVATIONS, _EVIDENCE)}
    told = {"suite": job.folder.name, "claude_code": settings.claude_code_version, "litellm": settings.litellm_version}
    return {
        "name": f"compat-{job.folder.name}",
        "hostname": "suite",
        "network_mode": "none",
        "entrypoint": _ENTRYPOINT,
        "command": job.command("python3", inside),
        "environment": {
            **job.environment(inside, _GIVEN, _OBSERVATIONS),
            **({_MANIFEST_VARIABLE: str(_GIVEN / _MANIFEST)} if with_manifest else {}),
            EVIDENCE_VARIABLE: str(_EVIDENCE),
            RESULTS_VARIABLE: "",
            "COMPAT_HOME": str(_HOME),
            "HOME": str(_HOME),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        "mounts": [
            *(Mount(str(target), str(source), type="bind", read_only=True) for target, source in read.items()),
            *(Mount(str(target), str(source), type="bind") for target, source in written.items()),
        ],
        "labels": {
            **labelled(job.home.root, job.folder / HELD, told),
            CONFIG_LABEL: settings.config_digest,
        },
        "healthcheck": {"test": ["NONE"]},
        # What it says goes through our redaction only; the engine would keep it as it is.
        "log_config": LogConfig(type="none"),
        "ulimits": [Ulimit(name="fsize", soft=_LARGEST_FILE_BYTES, hard=_LARGEST_FILE_BYTES)],
        **confined(
            memory_bytes=_MEMORY_BYTES * (1 + job.processes),
            processes=_PROCESSES * (1 + job.processes),
        ),
    }


def _reported(job: Job, image: str, spec: dict[str, Any]) -> Iterator[Observation]:
    """Run the container to its end, and take in what it reports while it does."""
    redactor = Redactor(job.settings.secrets)
    with (
        engine() as client,
        _source(job, _OBSERVATIONS).open("rb") as seen,
        _source(job, _EVIDENCE).open("rb") as shown,
    ):
        reports = Reports(seen, shown, job.trials, EvidenceStore(job.home.evidence), redactor)
        with asked("cannot start the suite's container", "read the engine's own log"):
            made = client.containers.create(image, **spec)
            container = Container.started("the suite", made, job.log, redactor)
        try:
            while (ended := container.why_dead()) is None:
                yield from reports.fresh()
                time.sleep(POLL_S)
            yield from reports.fresh()
        finally:
            container.end()
    state = made.attrs["State"]
    of_itself = not (state["Running"] or state["OOMKilled"]) and state["ExitCode"] in _PYTESTS_OWN
    if reports.awaited and not of_itself:
        raise CompatError(ended)


def _source(job: Job, target: PurePosixPath) -> Path:
    """What of ours the container has at `target`."""
    return job.folder / target.name
