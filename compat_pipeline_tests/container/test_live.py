"""A live proxy in a container: the engine and the relay are real, and it sees nothing of the user's accounts."""

from __future__ import annotations

import json
from pathlib import Path

import docker

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.lease import RuntimeSpec, lease
from compat_pipeline.proxy.local_image import ensure_image
from compat_pipeline.relay.accounts import accounts_from_env
from compat_pipeline_tests.container.images import SERVES, stand_in_image
from compat_pipeline_tests.container.test_lease import RELEASE, containers_of, left_of
from compat_pipeline_tests.relay.conftest import another, user_environment

ASKS = """
upstream=$(grep -ho 'http://[0-9.]*:[0-9]*' /compat/* | head -n 1)
upstream=${upstream#http://}
echo "the upstream says $(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc "${upstream%:*}" "${upstream#*:}" | head -n 1)"
"""


def test_the_relay_is_in_reach_and_no_credential_of_the_user_is(client: docker.DockerClient, tmp_path: Path) -> None:
    home = CompatHome(tmp_path / "home", tmp_path / "cache", upstream="live")
    accounts = accounts_from_env(user_environment("http://127.0.0.1:9", another(), tmp_path))
    manifest = load_manifest({})
    spec = RuntimeSpec(
        release=RELEASE,
        installed=ensure_image(RELEASE, stand_in_image(client, f"{ASKS}{SERVES}"), home),
        manifest=manifest.model_copy(update={"providers": manifest.providers[:1]}),
        upstream="live",
        accounts=accounts.digest,
    )
    with lease(spec, home, linger_s=0, accounts=accounts) as up:
        folder = RuntimeFolder.of(home, up.key)
        assert "the upstream says HTTP/1.1 404 " in (folder.logs / "proxy.log").read_text()
        (container,) = containers_of(home, client)
        inside = container.exec_run(["sh", "-c", "head -c 999999 /compat/* /proc/1/environ /proc/1/cmdline"]).output
        known = json.dumps(container.attrs) + inside.decode(errors="replace")
        assert up.api_key in known
        lines = [line for secret in accounts.secrets for line in secret.splitlines() if "PRIVATE KEY" not in line]
        assert [line for line in lines if line in known] == []
    assert left_of(home, client) == []
