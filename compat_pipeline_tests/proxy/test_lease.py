"""A leased proxy, real from end to end: LiteLLM and the embedded providers as processes under their supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.lock import is_locked, locked
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.config import EmbeddedUpstreams, render_config
from compat_pipeline.proxy.folder import RecordedProcess, RuntimeFolder, here
from compat_pipeline.proxy.lease import ProxyDown, Runtime, RuntimeSpec, lease, reap, stop_idle, why_down
from compat_pipeline.proxy.process import free_port
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.routes import try_routes
from compat_pipeline.proxy.supervisor import Supervisor
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline_tests.claude.loopback import served
from compat_pipeline_tests.emulator.emulated import new_nonce
from compat_pipeline_tests.machine import not_run_without
from compat_pipeline_tests.proxy.leased import (
    LONG_S,
    child,
    eventually,
    holder,
    home,
    home_in,
    is_gone,
    processes_of,
    up,
)
from compat_pipeline_tests.proxy.stand_in import stand_in_venv

__all__ = ["home", "up"]

NO_SUCH_MODEL = "anthropic/claude-of-tomorrow"
ELSEWHERE = "litellm-0-elsewhere"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's")


@pytest.fixture(scope="module")
def spec(litellm_release: LitellmRelease, proxy_venv: ProxyVenv) -> RuntimeSpec:
    """The packaged manifest, and beside it a provider whose routes lead to a model that does not exist."""
    manifest = load_manifest({})
    routes = dict.fromkeys((model.id for model in manifest.models), NO_SUCH_MODEL)
    broken = manifest.providers[0].model_copy(update={"id": "broken", "routes": routes})
    manifest = manifest.model_copy(update={"providers": (*manifest.providers, broken)})
    return RuntimeSpec(release=litellm_release, installed=proxy_venv, manifest=manifest)


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[CompatHome]:
    """A home of one test's own; what a failing test leaves up is taken down."""
    home = home_in(tmp_path / "home")
    yield home
    stop_idle(home)


def test_every_route_of_the_packaged_manifest_answers_a_real_message(up: Runtime) -> None:
    served = load_manifest({}).served
    assert {name: up.routes[name] for name in served} == dict.fromkeys(served, "ok")


def test_each_provider_is_known_to_have_answered(up: Runtime) -> None:
    providers = [provider.id for provider in load_manifest({}).providers]
    assert {name: up.providers[name] for name in providers} == dict.fromkeys(providers, "ok")


def test_bedrock_is_asked_as_the_name_says_by_signature_or_by_token(up: Runtime) -> None:
    headers = {"authorization": f"Bearer {up.api_key}", "anthropic-version": "2023-06-01"}
    with (
        httpx.Client(base_url=up.proxy_url, headers=headers, timeout=60, trust_env=False) as client,
        closing(UpstreamControl(up.control_url, up.control_token)) as control,
    ):
        for provider in load_manifest({}).providers[1:3]:
            for name, auth in provider.served_as("claude-haiku-4-5").items():
                message = {"role": "user", "content": f"Are you there? {(nonce := new_nonce())}"}
                client.post("/v1/messages", json={"model": name, "max_tokens": 64, "messages": [message]})
                assert [one.auth for one in control.exchanges(nonce)] == [auth], name


def test_where_an_entry_has_no_keys_aws_s_libraries_find_none(
    up: Runtime, proxy_venv: ProxyVenv, home: CompatHome
) -> None:
    environment = psutil.Process(child(home, up.key, "LiteLLM")).environ()
    ask = "import botocore.session; print(botocore.session.Session().get_credentials())"
    done = subprocess.run([proxy_venv.python, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_counting_tokens_reaches_the_upstream_of_every_target(up: Runtime) -> None:
    headers = {"authorization": f"Bearer {up.api_key}", "anthropic-version": "2023-06-01"}
    with (
        httpx.Client(base_url=up.proxy_url, headers=headers, timeout=60, trust_env=False) as client,
        closing(UpstreamControl(up.control_url, up.control_token)) as control,
    ):
        for target in load_manifest({}).targets:
            content = [{"type": "text", "text": f"Count this: {(nonce := new_nonce())}"}]
            body = {"model": target, "messages": [{"role": "user", "content": content}]}
            told = client.post("/v1/messages/count_tokens", json=body).json()["input_tokens"]
            counted = control.exchanges(nonce)[-1]
            assert (counted.operation, counted.reply) == ("count_tokens", {"input_tokens": told}), target


def test_a_route_that_is_broken_is_recorded_and_does_not_stop_the_others(up: Runtime) -> None:
    assert all(up.routes[f"broken/{model.id}"].startswith("404: ") for model in load_manifest({}).models)
    assert up.providers["broken"].startswith("404: ")


def test_the_descriptor_says_which_proxy_it_is(up: Runtime, spec: RuntimeSpec) -> None:
    assert (up.key, up.litellm_version, up.venv_digest) == (spec.key, spec.release.version, spec.installed.digest)
    assert up.upstream == "emulated"


def test_the_descriptor_is_for_its_owner_only(up: Runtime, home: CompatHome) -> None:
    path = RuntimeFolder.of(home, up.key).runtime
    assert Runtime.load(path) == up
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_upstreams_can_be_asked_what_they_saw(up: Runtime) -> None:
    with closing(UpstreamControl(up.control_url, up.control_token)) as control:
        assert control.exchanges("nonce-000000000000") == []


def test_concurrent_leases_share_one_proxy(up: Runtime, spec: RuntimeSpec, home: CompatHome) -> None:
    def borrow(_: int) -> Runtime:
        with lease(spec, home, linger_s=0) as runtime:
            return runtime

    with ThreadPoolExecutor(4) as pool:
        assert set(map(Runtime.model_dump_json, pool.map(borrow, range(4)))) == {up.model_dump_json()}
    assert why_down(home, up) is None


def test_a_proxy_in_use_is_neither_stopped_nor_reaped(up: Runtime, home: CompatHome) -> None:
    stop_idle(home)
    reap(home)
    assert why_down(home, up) is None
    assert httpx.get(f"{up.proxy_url}/health/liveliness", trust_env=False).status_code == 200


def test_the_proxy_refuses_a_wrong_key(up: Runtime) -> None:
    assert all(
        answer.answer.startswith("400: ") for answer in try_routes(up.proxy_url, "sk-wrong", ["broken/x"]).values()
    )


def test_nothing_listens_beyond_loopback(up: Runtime, home: CompatHome) -> None:
    listening = {
        connection.laddr.ip
        for process in processes_of(home)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert up.proxy_url.startswith("http://127.0.0.1:")


def test_no_secret_is_in_a_command_line_or_a_log(up: Runtime, home: CompatHome) -> None:
    shown = [word for process in processes_of(home) for word in process.cmdline()]
    logs = list(RuntimeFolder.of(home, up.key).logs.iterdir())
    assert {log.name for log in logs} == {"proxy.log", "emulator.log", "supervisor.log"}
    for text in (*shown, *(log.read_text() for log in logs)):
        assert up.api_key not in text
        assert up.control_token not in text


def test_the_proxy_sees_nothing_of_our_environment(up: Runtime, home: CompatHome) -> None:
    theirs = psutil.Process(child(home, up.key, "LiteLLM")).environ()
    assert theirs["HOME"].startswith(str(home.root))
    assert not {name for name in theirs if name.startswith("COMPAT_") or name in os.environ} - {
        *("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED", "LC_CTYPE")
    }


@pytest.fixture
def quick(spec: RuntimeSpec, tmp_path: Path) -> RuntimeSpec:
    """A runtime whose LiteLLM is a stand-in: real ones are stopped and killed in the end-to-end tests."""
    return spec.model_copy(update={"installed": stand_in_venv(tmp_path)})


def test_a_lingering_proxy_is_taken_over_by_the_next_lease_and_gone_once_its_holder_is_killed(
    quick: RuntimeSpec, own_home: CompatHome, tmp_path: Path
) -> None:
    with lease(quick, own_home, linger_s=LONG_S) as first:
        pass
    with holder(quick, own_home, tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == first.proxy_url
        assert why_down(own_home, first) is None
        other.kill()
        other.wait()
        assert eventually(lambda: is_gone(own_home))
    assert why_down(own_home, first) is not None


def test_whatever_is_killed_leaves_nothing_and_the_next_lease_starts_cleanly(
    quick: RuntimeSpec, own_home: CompatHome
) -> None:
    with lease(quick, own_home, linger_s=LONG_S) as first:
        os.kill(first.supervisor_pid, signal.SIGKILL)
        if sys.platform.startswith("linux"):
            assert eventually(lambda: processes_of(own_home) == [])
        # A process that is being killed has lost its command line a moment before it counts as gone.
        assert eventually(lambda: "killed" in (why_down(own_home, first) or ""))
        with lease(quick, own_home, linger_s=LONG_S) as second:
            assert second.supervisor_pid != first.supervisor_pid
            assert why_down(own_home, second) is None
            os.kill(child(own_home, second.key, "LiteLLM"), signal.SIGKILL)
            assert eventually(lambda: why_down(own_home, second) is not None)
            reason = why_down(own_home, second) or ""
            assert "LiteLLM was killed by signal 9; its last lines:" in reason
            assert "POST /v1/messages" in reason
            assert eventually(lambda: processes_of(own_home) == [])
    assert is_gone(own_home)


def test_an_idle_proxy_is_stopped_on_request(quick: RuntimeSpec, own_home: CompatHome) -> None:
    with lease(quick, own_home, linger_s=LONG_S) as runtime:
        pass
    assert why_down(own_home, runtime) is None
    stop_idle(own_home)
    assert is_gone(own_home)


def test_a_proxy_lingers_no_longer_than_it_was_told(quick: RuntimeSpec, own_home: CompatHome) -> None:
    with lease(quick, own_home, linger_s=0.1):
        pass
    assert eventually(lambda: is_gone(own_home))


def test_an_exception_in_the_block_ends_the_proxy_without_lingering(quick: RuntimeSpec, own_home: CompatHome) -> None:
    with pytest.raises(KeyboardInterrupt), lease(quick, own_home, linger_s=LONG_S):
        raise KeyboardInterrupt
    assert is_gone(own_home)


def test_a_holder_that_is_killed_during_the_start_leaves_nothing(
    quick: RuntimeSpec, own_home: CompatHome, tmp_path: Path
) -> None:
    with holder(quick, own_home, tmp_path) as other:
        stages = RuntimeFolder.of(own_home, quick.key).progress
        assert eventually(lambda: stages.is_file() and stages.read_text() != "")
        other.kill()
        other.wait()
        assert eventually(lambda: is_gone(own_home))


def address_of(spec: RuntimeSpec, ports: list[int], tmp_path: Path) -> str:
    """Where the proxy comes up that may try `ports`."""
    folder = RuntimeFolder.of(home_in(tmp_path), spec.key)
    folder.logs.mkdir(parents=True)
    with folder.changing():
        mine = folder.hold()
    folder.spec.write_text(spec.model_dump_json())
    upstreams = EmbeddedUpstreams(base_url="http://127.0.0.1:9", credentials=EmulatorCredentials.generate())
    config = render_config(spec.manifest, upstreams, litellm_version=spec.release.version, master_key="sk-mine")
    supervisor = Supervisor(folder)
    try:
        return supervisor.start_proxy(config, ports)
    finally:
        supervisor.end()
        folder.release(mine)


def test_a_port_that_the_real_litellm_finds_taken_is_given_up_for_the_next(
    spec: RuntimeSpec, proxy_venv: ProxyVenv, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as stranger:
        taken, free = stranger.getsockname()[1], free_port()
        venv = stand_in_venv(tmp_path, real=proxy_venv.litellm, on_port=taken)
        found = address_of(spec.model_copy(update={"installed": venv}), [taken, free], tmp_path)
    assert found == f"http://127.0.0.1:{free}"


def test_another_server_that_answers_on_the_port_is_not_taken_for_the_proxy(spec: RuntimeSpec, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 2\necho 'address already in use'\nexit 1\n")
    slow.chmod(0o755)
    with served(Starlette(routes=[Route("/health/liveliness", lambda _: Response())])) as stranger:
        taken, free = int(stranger.rpartition(":")[2]), free_port()
        venv = stand_in_venv(tmp_path, real=slow, on_port=taken)
        found = address_of(spec.model_copy(update={"installed": venv}), [taken, free], tmp_path)
    assert found == f"http://127.0.0.1:{free}"


def test_a_proxy_that_does_not_come_up_says_why_keeps_its_secrets_and_leaves_nothing(
    spec: RuntimeSpec, own_home: CompatHome, tmp_path: Path
) -> None:
    (tmp_path / "litellm").write_text('#!/bin/sh\necho "no module named $LITELLM_MASTER_KEY"\nexit 3\n')
    (tmp_path / "litellm").chmod(0o755)
    broken = spec.model_copy(update={"installed": ProxyVenv(python=tmp_path / "python", digest="broken")})
    with pytest.raises(ProxyDown) as refusal, lease(broken, own_home, linger_s=LONG_S):
        pytest.fail("there is no proxy")
    assert "LiteLLM ended with exit code 3; its last lines:\n    no module named [redacted]" in str(refusal.value)
    assert is_gone(own_home)


def test_a_lease_that_is_given_back_just_as_one_looks_does_not_end_the_lingering(
    own_home: CompatHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, look = RuntimeFolder.of(own_home, "litellm-0"), is_locked
    mine = runtime.hold()

    def meanwhile(lease: Path) -> bool:
        runtime.release(mine)
        runtime.linger(LONG_S)
        return look(lease)

    with monkeypatch.context() as patched:
        patched.setattr("compat_pipeline.proxy.folder.is_locked", meanwhile)
        assert not runtime.is_held()
    assert not runtime.is_idle()
    shutil.rmtree(runtime.root)


def test_what_a_killed_supervisor_left_behind_is_reaped(own_home: CompatHome) -> None:
    """As it is where the kernel does not end a process with its parent."""
    folder = RuntimeFolder.of(own_home, f"litellm-0{here()}")
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as orphan:
        folder.root.mkdir(parents=True)
        folder.record([RecordedProcess.of("LiteLLM", orphan.pid)])
        reap(own_home)
        assert orphan.wait() == -signal.SIGKILL
    assert RuntimeFolder.every(own_home) == []


def test_a_process_that_got_the_pid_of_a_dead_one_is_left_alone(own_home: CompatHome) -> None:
    folder = RuntimeFolder.of(own_home, f"litellm-0{here()}")
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        folder.root.mkdir(parents=True)
        recorded = RecordedProcess.of("LiteLLM", stranger.pid)
        folder.record([recorded.model_copy(update={"created": recorded.created - 60})])
        reap(own_home)
        assert stranger.poll() is None
        stranger.kill()


@LINUX
def test_what_a_supervisor_left_in_another_container_is_removed_but_its_pids_are_not_ours(own_home: CompatHome) -> None:
    folder = RuntimeFolder.of(own_home, ELSEWHERE)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        folder.root.mkdir(parents=True)
        folder.record([RecordedProcess.of("LiteLLM", stranger.pid)])
        reap(own_home)
        assert stranger.poll() is None
        stranger.kill()
    assert RuntimeFolder.every(own_home) == []


@LINUX
def test_an_idle_proxy_in_another_container_is_not_ours_to_stop(own_home: CompatHome) -> None:
    folder = RuntimeFolder.of(own_home, ELSEWHERE)
    with locked(folder.supervisor), subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        folder.supervisor.write_text(str(stranger.pid))
        stop_idle(own_home)
        assert stranger.poll() is None
        stranger.kill()
        assert folder.is_supervised()


@LINUX
@pytest.mark.parametrize("bound", ["--net", "--pid"])
def test_a_runtime_is_not_shared_with_another_container(
    request: pytest.FixtureRequest, spec: RuntimeSpec, bound: str
) -> None:
    container = ["unshare", "--map-root-user", "--fork", bound]
    if not shutil.which("unshare") or subprocess.run([*container, "true"]).returncode:
        not_run_without(request.node, "namespaces")
    ask = "import sys; from compat_pipeline.proxy.lease import RuntimeSpec as Spec;"
    ask = f"{ask} print(Spec.model_validate_json(sys.stdin.read()).key)"
    argv, given = [*container, sys.executable, "-c", ask], spec.model_dump_json()
    there = subprocess.run(argv, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert there.startswith(spec.key.removesuffix(here()))
    assert there != spec.key


def test_a_home_that_cannot_be_written_is_named(spec: RuntimeSpec) -> None:
    with pytest.raises(CompatError, match="/dev/null"), lease(spec, home_in(Path("/dev/null/home")), linger_s=0):
        pytest.fail("there is no home")


def test_specs_that_run_different_things_do_not_share(spec: RuntimeSpec) -> None:
    manifest = load_manifest({})
    others = [
        spec.model_copy(update={"variant": "drop_params"}),
        spec.model_copy(update={"manifest": manifest}),
        spec.model_copy(update={"installed": spec.installed.model_copy(update={"digest": "other"})}),
    ]
    assert len({spec.key, *(other.key for other in others)}) == 4
