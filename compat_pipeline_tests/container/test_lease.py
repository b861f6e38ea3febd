"""A leased proxy in a container: the engine, the network and the supervisor are real, LiteLLM is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy import supervisor as supervisors
from compat_pipeline.proxy.config import ProxyConfig
from compat_pipeline.proxy.container import reap_containers
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.lease import ProxyDown, Runtime, RuntimeSpec, lease, stop_idle, why_down
from compat_pipeline.proxy.local_image import ensure_image
from compat_pipeline.proxy.process import free_port
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.supervisor import Supervisor
from compat_pipeline_tests.container.gate import gate_to
from compat_pipeline_tests.container.images import SERVES, VERSION, stand_in_image
from compat_pipeline_tests.processes import gone
from compat_pipeline_tests.proxy.leased import LONG_S, child, eventually, holder, home, home_in, is_gone, up

__all__ = ["home", "up"]

RELEASE = LitellmRelease(version=VERSION, tag=f"v{VERSION}", policy=VERSION, lock=Path("/nowhere"), digest="-")
EATS = (
    "nc -ll -p 4000 -e /bin/answer &\n"
    "while sleep 0.1; do [ -e /tmp/eat ] && x=$(head -c 99999999 /dev/zero | tr '\\0' a); done\n"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def spec_of(client: docker.DockerClient, cache: Path, litellm: str = SERVES) -> RuntimeSpec:
    image = ensure_image(RELEASE, stand_in_image(client, litellm), CompatHome(cache, cache))
    manifest = load_manifest({})
    manifest = manifest.model_copy(update={"providers": manifest.providers[:1]})
    return RuntimeSpec(release=RELEASE, installed=image, manifest=manifest)


@pytest.fixture(scope="module")
def spec(client: docker.DockerClient, cache: Path) -> RuntimeSpec:
    return spec_of(client, cache)


@pytest.fixture
def own_home(tmp_path: Path, client: docker.DockerClient) -> Iterator[CompatHome]:
    """A home of one test's own, with nothing of it left on the engine at the end."""
    home = home_in(tmp_path / "home")
    yield home
    stop_idle(home)
    reap_containers(home.root)
    assert left_of(home, client) == []


def containers_of(home: CompatHome, client: docker.DockerClient) -> list[Any]:
    wanted = {"label": f"compat_pipeline.home={home.root.resolve()}"}
    return list(client.containers.list(all=True, ignore_removed=True, filters=wanted))


def left_of(home: CompatHome, client: docker.DockerClient) -> list[str]:
    """The names of all that the engine has for `home`."""
    networks = client.networks.list(filters={"label": f"compat_pipeline.home={home.root.resolve()}"})
    return [one.name for one in (*containers_of(home, client), *networks)]


def test_the_proxy_answers_on_every_route_on_loopback_alone(
    up: Runtime, home: CompatHome, client: docker.DockerClient
) -> None:
    assert set(up.routes.values()) == {"ok"}
    assert up.proxy_url.startswith("http://127.0.0.1:")
    (container,) = containers_of(home, client)
    bound = container.attrs["NetworkSettings"]["Ports"]["4000/tcp"]
    assert bound == [{"HostIp": "127.0.0.1", "HostPort": up.proxy_url.rpartition(":")[2]}]


def test_the_upstreams_listen_on_the_container_s_network_alone(
    up: Runtime, home: CompatHome, client: docker.DockerClient
) -> None:
    (container,) = containers_of(home, client)
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    recorded = RuntimeFolder.of(home, up.key).recorded()
    emulator = next(psutil.Process(one.pid) for one in recorded if one.name == "the emulator")
    listening = {one.laddr.ip for one in emulator.net_connections() if one.status == psutil.CONN_LISTEN}
    assert listening == {network["Gateway"]}
    assert up.control_url.startswith(f"http://{network['Gateway']}:")


def test_the_engine_knows_no_secret_and_keeps_no_log(
    up: Runtime, home: CompatHome, client: docker.DockerClient
) -> None:
    (container,) = containers_of(home, client)
    told = json.dumps(container.attrs)
    assert [secret for secret in up.secrets if secret in told] == []
    assert container.attrs["HostConfig"]["LogConfig"]["Type"] == "none"
    log = (RuntimeFolder.of(home, up.key).logs / "proxy.log").read_text()
    assert "my key is [redacted]" in log


@pytest.mark.usefixtures("up")
def test_the_container_may_do_nothing_but_serve(home: CompatHome, client: docker.DockerClient) -> None:
    (container,) = containers_of(home, client)
    may = container.attrs["HostConfig"]
    assert (may["ReadonlyRootfs"], may["CapDrop"], may["SecurityOpt"]) == (True, ["ALL"], ["no-new-privileges"])
    assert 0 < may["Memory"] == may["MemorySwap"]
    assert may["PidsLimit"] > 0
    places = "/x /compat/x /compat/config.yaml /ledger.jsonl /tmp/x /home/x"
    writes = f"for f in {places}; do (: >>$f) 2>/dev/null && echo $f; done"
    assert container.exec_run(["sh", "-c", writes]).output.split() == [b"/ledger.jsonl", b"/tmp/x", b"/home/x"]
    (given,) = [one for one in container.attrs["Mounts"] if one["Destination"] == "/compat"]
    assert not given["RW"]
    user = int(container.attrs["Config"]["User"].partition(":")[0])
    assert user != 0
    secrets = Path(given["Source"], "environment").stat()
    assert (secrets.st_uid, secrets.st_mode & 0o777) == (user, 0o600)


def test_labels_and_descriptor_say_which_proxy_it_is(
    up: Runtime, spec: RuntimeSpec, home: CompatHome, client: docker.DockerClient
) -> None:
    (container,) = containers_of(home, client)
    labels = {name.removeprefix("compat_pipeline."): value for name, value in container.labels.items()}
    assert (up.image_digest, up.venv_digest) == (spec.installed.digest, None)
    assert labels == {
        "home": str(home.root.resolve()),
        "owner": str(RuntimeFolder.of(home, up.key).supervisor.resolve()),
        "runtime": up.key,
        "litellm": VERSION,
        "image": up.image_digest,
        "config": up.config_digest,
    }


def test_a_proxy_in_use_and_another_home_s_are_not_reaped(
    up: Runtime, home: CompatHome, own_home: CompatHome, client: docker.DockerClient
) -> None:
    before = left_of(home, client)
    reap_containers(home.root)
    reap_containers(own_home.root)
    assert left_of(home, client) == before
    assert len(before) == 2
    assert why_down(home, up) is None


def test_an_exception_in_the_block_removes_container_and_network(
    spec: RuntimeSpec, own_home: CompatHome, client: docker.DockerClient
) -> None:
    with pytest.raises(KeyboardInterrupt), lease(spec, own_home, linger_s=LONG_S):
        raise KeyboardInterrupt
    assert left_of(own_home, client) == []
    assert is_gone(own_home)


def test_nothing_is_left_once_the_holder_is_killed(
    spec: RuntimeSpec, own_home: CompatHome, client: docker.DockerClient, tmp_path: Path
) -> None:
    with holder(spec, own_home, tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline().startswith("http://127.0.0.1:")
        other.kill()
        other.wait()
        assert eventually(lambda: left_of(own_home, client) == [] and is_gone(own_home))


def test_what_a_killed_supervisor_left_is_removed_before_the_next_starts_and_a_dead_container_says_why(
    spec: RuntimeSpec, own_home: CompatHome, client: docker.DockerClient
) -> None:
    with lease(spec, own_home, linger_s=LONG_S) as first:
        (orphan,) = containers_of(own_home, client)
        os.kill(first.supervisor_pid, signal.SIGKILL)
        assert eventually(lambda: why_down(own_home, first) is not None)
        with lease(spec, own_home, linger_s=LONG_S) as second:
            (container,) = containers_of(own_home, client)
            assert container.id != orphan.id
            container.kill()
            assert eventually(lambda: why_down(own_home, second) is not None)
            reason = why_down(own_home, second) or ""
            assert "LiteLLM was killed by signal 9; its last lines:\n    my key is [redacted]" in reason
    assert left_of(own_home, client) == []


def test_an_engine_that_goes_away_takes_the_proxy_down_and_its_return_leaves_nothing(
    spec: RuntimeSpec,
    own_home: CompatHome,
    client: docker.DockerClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with gate_to(os.environ["DOCKER_HOST"], tmp_path / "engine.sock") as gate:
        monkeypatch.setenv("DOCKER_HOST", gate.host)
        with lease(spec, own_home, linger_s=LONG_S) as runtime:
            litellm = child(own_home, runtime.key, "LiteLLM")
            gate.shut()
            assert eventually(lambda: why_down(own_home, runtime) is not None)
            lost = f"LiteLLM lost its container: no container engine answers at {gate.host}"
            assert lost in (why_down(own_home, runtime) or "")
        assert is_gone(own_home)
        assert gone(litellm)
        with pytest.raises(Exception, match="no container engine answers"), lease(spec, own_home, linger_s=0):
            pytest.fail("there is no engine")
    assert left_of(own_home, client) != []
    monkeypatch.undo()
    reap_containers(own_home.root)
    assert left_of(own_home, client) == []


def test_a_container_that_runs_out_of_memory_says_so(
    client: docker.DockerClient, cache: Path, own_home: CompatHome
) -> None:
    with lease(spec_of(client, cache, EATS), own_home, linger_s=LONG_S) as runtime:
        (container,) = containers_of(own_home, client)
        container.update(mem_limit=16 << 20, memswap_limit=16 << 20)
        container.exec_run(["sh", "-c", ": >/tmp/eat"])
        assert eventually(lambda: why_down(own_home, runtime) is not None)
        assert "was killed because its container used more than 16 MB of memory" in (why_down(own_home, runtime) or "")


def test_an_image_that_ends_at_once_says_why_and_keeps_its_secrets(
    client: docker.DockerClient, cache: Path, own_home: CompatHome
) -> None:
    broken = spec_of(client, cache, 'echo "no module named $LITELLM_MASTER_KEY"\nexit 3\n')
    with pytest.raises(ProxyDown) as refusal, lease(broken, own_home, linger_s=LONG_S):
        pytest.fail("there is no proxy")
    assert "LiteLLM ended with exit code 3; its last lines:\n    no module named [redacted]" in str(refusal.value)
    assert left_of(own_home, client) == []


@pytest.fixture
def supervisor(client: docker.DockerClient, cache: Path, own_home: CompatHome) -> Iterator[Supervisor]:
    """One in this process, of a LiteLLM that never serves on some and serves on other configurations."""
    waits = f"grep -q never /compat/config.yaml && exec sleep 600\n{SERVES}"
    spec = spec_of(client, cache, waits)
    folder = RuntimeFolder.of(own_home, spec.key)
    folder.logs.mkdir(parents=True)
    with folder.changing():
        mine = folder.hold()
    folder.spec.write_text(spec.model_dump_json())
    supervisor = Supervisor(folder)
    supervisor._place.open()
    yield supervisor
    supervisor.end()
    folder.release(mine)


def config_with(text: str) -> ProxyConfig:
    return ProxyConfig(text=text, environment={"LITELLM_MASTER_KEY": "sk-mine"})


def test_a_port_that_was_taken_meanwhile_is_given_up_for_the_next(supervisor: Supervisor) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as stranger:
        free = free_port()
        ports = [stranger.getsockname()[1], free]
        assert supervisor.start_proxy(config_with("{}"), ports) == f"http://127.0.0.1:{free}"


def test_an_image_that_never_serves_is_given_up(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "_START_TIMEOUT_S", 1.0)
    with pytest.raises(Exception, match="LiteLLM did not come up in 1 s"):
        supervisor.start_proxy(config_with("never: {}"), [free_port()])
