"""Programs we start: alone in their group, gone with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import psutil
import pytest

from compat_pipeline.ground import process
from compat_pipeline.ground.process import client_environment, end_group, quotable, spawn, spawned_group
from compat_pipeline_tests.processes import PATIENCE_S, gone

_GRANDCHILD = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"


@pytest.fixture(autouse=True)
def _machine_without_a_trust_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_TRUST_STORES", ())


def first_child(pid: int) -> int:
    """The pid of a process's first child, once there is one."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if children := psutil.Process(pid).children():
            return children[0].pid
        time.sleep(0.02)
    raise AssertionError("no child was started")


def test_ending_a_program_ends_what_it_started() -> None:
    program = spawn([sys.executable, "-c", _GRANDCHILD], env={"PATH": os.environ["PATH"]})
    grandchild = first_child(program.pid)
    end_group(program)
    assert gone(grandchild)


def test_a_program_that_ignores_sigterm_is_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    program = spawn([sys.executable, "-c", stubborn], env={}, stdout=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.readline()
    end_group(program, grace_s=0.1)
    assert program.returncode == -signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent-death signals are Linux's")
def test_a_program_dies_with_its_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    starter = (
        "import sys, time; from pathlib import Path; from compat_pipeline.ground.process import spawn;"
        "child = spawn(['sleep', '60'], env={'PATH': '/usr/bin:/bin'});"
        f"Path({str(note)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter])
    while not note.exists() or not note.read_text():
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert gone(int(note.read_text()))


@pytest.mark.parametrize("start", [lambda *given, **other: nullcontext(spawn(*given, **other)), spawned_group])
def test_a_program_sees_the_environment_it_is_given_and_nothing_else(
    start: Callable[..., AbstractContextManager[subprocess.Popen[bytes]]],
) -> None:
    given = {"PATH": os.environ["PATH"], "ONLY": "this"}
    with start(["env"], env=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        told, _ = program.communicate()
    seen = dict(line.split("=", 1) for line in told.decode().splitlines())
    seen.pop("_", None)  # a shell that is Bash says so to whatever it becomes
    assert seen == given


@pytest.mark.parametrize(
    "use",
    [
        "from compat_pipeline.ground.git import Git; Git(here, {'PATH': f'{here}:/usr/bin:/bin'}).run('status')",
        "from compat_pipeline.ground.child import run_child;"
        "run_child([here / 'git'], env={'PATH': '/usr/bin:/bin'}, cwd=here, limit_s=60, turns=[b'a turn'])",
    ],
    ids=["git", "child"],
)
def test_what_a_program_started_ends_with_its_killed_user(use: str, tmp_path: Path) -> None:
    program, note = tmp_path / "git", tmp_path / "pid"
    program.write_text("#!/bin/sh\nsleep 180 &\necho $! > pid.new\nmv pid.new pid\nwait\n".replace("pid", str(note)))
    program.chmod(0o755)
    start = "import sys; from pathlib import Path; here = Path(sys.argv[1]);"
    user = subprocess.Popen([sys.executable, "-c", start + use, tmp_path])
    deadline = time.monotonic() + PATIENCE_S
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    user.kill()
    user.wait()
    assert gone(int(note.read_text()))


def test_a_program_whose_user_is_killed_as_it_starts_ends_too(tmp_path: Path) -> None:
    program, note = tmp_path / "program", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {note}.new; mv {note}.new {note}; exec sleep 180\n")
    program.chmod(0o755)
    dying = f"""
import os, signal, subprocess, sys, time
from pathlib import Path
from compat_pipeline.ground import process

class Last(subprocess.Popen):
    def __init__(self, argv, **given):
        super().__init__(argv, **given)
        if {str(program)!r} in argv:
            while not Path({str(note)!r}).exists():
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGKILL)

process.subprocess.Popen = Last
with process.spawned_group([{str(program)!r}], env={{"PATH": os.defpath}}, stdout=1, stderr=2):
    pass
"""
    assert subprocess.run([sys.executable, "-c", dying], check=False).returncode == -signal.SIGKILL
    assert gone(int(note.read_text()))


@pytest.mark.parametrize(
    ("mode", "error"), [(None, FileNotFoundError), (0o644, PermissionError)], ids=["missing", "no program"]
)
def test_a_program_that_cannot_start_is_an_error_of_the_start(
    mode: int | None, error: type[OSError], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    if mode is not None:
        program.touch(mode)
    with pytest.raises(error, match=str(program)), spawned_group([program], env={}, stdout=1, stderr=2):
        raise AssertionError("it started")


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "HTTPS_PROXY", "https_proxy", "no_proxy"),
        *("npm_config_registry", "NPM_CONFIG_USERCONFIG", "NODE_EXTRA_CA_CERTS", "UV_INDEX_URL", "PIP_INDEX_URL"),
        *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NETRC"),
    ],
)
def test_package_clients_get_the_users_places_mirrors_and_proxies(name: str) -> None:
    assert client_environment({name: "mine"}) == {name: "mine"}


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "ANTHROPIC_API_KEY", "VAULT_TOKEN", "DATABASE_URL", "MY_PROXY_PASSWORD", "PATHOLOGY"),
        *("COMPAT_PROXY_KEY", "PYTHONPATH", "LD_PRELOAD", "UV_PUBLISH_TOKEN"),
        *("COMPAT_DOCS_TOKEN", "COMPAT_DOCS_APP_ID", "COMPAT_DOCS_APP_KEY_FILE", "COMPAT_GITHUB_TOKEN"),
    ],
)
def test_package_clients_get_nothing_else(name: str) -> None:
    assert client_environment({name: "secret"}) == {}


@pytest.mark.parametrize(
    ("client", "own", "others"),
    [("uv", "UV_INDEX_MINE_PASSWORD", "NODE_AUTH_TOKEN"), ("npm", "npm_config__auth", "PIP_INDEX_URL")],
)
def test_a_package_client_gets_no_credential_of_another(client: Literal["npm", "uv"], own: str, others: str) -> None:
    assert client_environment({own: "mine", others: "secret"}, clients=[client]) == {own: "mine"}


@pytest.mark.parametrize("name", ["UV_INDEX_MINE_PASSWORD", "npm_config__auth", "NPM_CONFIG_//127.0.0.1/:_authToken"])
def test_a_clients_words_lose_the_credentials_that_it_was_given(name: str) -> None:
    environment = client_environment({name: "hunter2 or so", "HTTPS_PROXY": "http://me:swordfish@127.0.0.1:9"})
    said = "401 with hunter2%20or%20so through http://me:swordfish@127.0.0.1:9"
    told = quotable(said, environment)
    assert told.startswith("401 with [redacted]")
    assert "swordfish" not in told


@pytest.mark.parametrize("password", ["hunter2#Xyz9876", "hunter2/Xyz9876", "hunter2@Xyz9876", "$hunter2!Xyz9876"])
def test_a_clients_words_lose_the_password_of_an_address_whatever_characters_it_has(password: str) -> None:
    environment = {"UV_INDEX": f"https://mirror.test/simple https://us:{password}@[mirror.test/simple"}
    told = quotable(f"no address: https://us:{password}@[mirror.test/simple; tried {password}", environment)
    assert told == "no address: https://[redacted]@[mirror.test/simple; tried [redacted]"


@pytest.mark.parametrize("name", ["UV_SYSTEM_CERTS", "NODE_USE_SYSTEM_CA"])
def test_package_clients_trust_what_a_machine_with_a_trust_store_trusts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_TRUST_STORES", (f"{tmp_path}/*".lstrip("/"),))
    assert name not in client_environment({})
    (tmp_path / "ca.pem").touch()
    assert client_environment({})[name] in {"true", "1"}
    assert client_environment({name: "0"})[name] == "0"
