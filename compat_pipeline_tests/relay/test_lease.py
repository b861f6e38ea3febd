"""A leased live proxy, real from LiteLLM to the relay; an emulator stands for the clouds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.folder import RuntimeFolder
from compat_pipeline.proxy.lease import Runtime, RuntimeSpec, lease, why_down
from compat_pipeline.proxy.release import LitellmRelease
from compat_pipeline.proxy.venv import ProxyVenv
from compat_pipeline.relay.accounts import Accounts, accounts_from_env
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline_tests.emulator.emulated import Emulated, exactly, new_nonce

MODEL = "claude-haiku-4-5"
BROKEN = "vertex_ai"


@pytest.fixture(scope="module")
def accounts(environment: dict[str, str]) -> Accounts:
    """Everything but Azure, and a key that Anthropic does not know."""
    wrong = EmulatorCredentials.generate().anthropic_api_key
    return accounts_from_env({**environment, "AZURE_API_KEY": "", "ANTHROPIC_API_KEY": wrong})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CompatHome:
    root = tmp_path_factory.mktemp("home")
    return CompatHome(root=root, cache=root / "cache", upstream="live")


@pytest.fixture(scope="module")
def up(
    accounts: Accounts, home: CompatHome, litellm_release: LitellmRelease, proxy_venv: ProxyVenv
) -> Iterator[Runtime]:
    spec = RuntimeSpec(
        release=litellm_release,
        installed=proxy_venv,
        manifest=load_manifest({}),
        upstream="live",
        accounts=accounts.digest,
    )
    with lease(spec, home, linger_s=0, accounts=accounts) as runtime:
        yield runtime


def secrets_of_the_user(accounts: Accounts) -> list[str]:
    """Each of them, a private key by its lines."""
    lines = [line for secret in accounts.secrets for line in secret.splitlines()]
    return [line for line in lines if "PRIVATE KEY" not in line]


def test_a_target_whose_account_is_refused_is_locked_out_and_no_other(up: Runtime) -> None:
    assert up.upstream == "live"
    refused = {name.partition("/")[0] for name in up.locked_out}
    assert refused == {"anthropic", "azure"}
    assert {name for name, answer in up.routes.items() if answer == "ok"} == up.routes.keys() - up.locked_out.keys()
    assert "invalid x-api-key" in up.locked_out[f"anthropic/{MODEL}"]
    assert "AZURE_API_KEY is not set" in up.locked_out[f"azure/{MODEL}"]


def test_a_provider_that_refuses_the_account_is_told_with_its_words(up: Runtime) -> None:
    assert {name for name, answer in up.providers.items() if answer != "ok"} == {"anthropic", "azure"}
    assert "invalid x-api-key" in up.providers["anthropic"]
    assert "AZURE_API_KEY is not set" in up.providers["azure"]


def test_litellm_is_given_no_credential_of_the_user(up: Runtime, home: CompatHome, accounts: Accounts) -> None:
    folder = RuntimeFolder.of(home, up.key)
    proxy = next(one for one in folder.recorded() if one.name == "LiteLLM")
    process = psutil.Process(proxy.pid)
    told = [*process.environ().values(), *process.cmdline(), (folder.root / "config.yaml").read_text()]
    assert not [secret for secret in secrets_of_the_user(accounts) if any(secret in text for text in told)]


def test_no_process_has_a_credential_among_its_arguments(up: Runtime, home: CompatHome, accounts: Accounts) -> None:
    running = [psutil.Process(one.pid) for one in RuntimeFolder.of(home, up.key).recorded()]
    words = [word for process in running for word in process.cmdline()]
    assert not [secret for secret in secrets_of_the_user(accounts) if any(secret in word for word in words)]


def test_only_files_that_their_owner_alone_may_read_hold_a_credential(
    up: Runtime, home: CompatHome, accounts: Accounts
) -> None:
    assert why_down(home, up) is None
    telling: list[Path] = []
    for file in (path for path in home.root.rglob("*") if path.is_file()):
        text = file.read_text(errors="replace")
        if any(secret in text for secret in secrets_of_the_user(accounts)):
            telling.append(file)
    assert telling
    assert {file.stat().st_mode & 0o077 for file in telling} == {0}
    assert not [file for file in telling if file.name == "spec.json" or "logs" in file.parts]


def test_whatever_is_kept_is_cleaned_of_the_user_s_credentials(up: Runtime, accounts: Accounts) -> None:
    assert set(accounts.secrets) <= set(up.secrets)


def test_a_message_through_litellm_is_on_record_at_the_relay_as_at_the_cloud(up: Runtime, cloud: Emulated) -> None:
    headers = {"authorization": f"Bearer {up.api_key}", "anthropic-version": "2023-06-01"}
    with (
        httpx.Client(base_url=up.proxy_url, headers=headers, timeout=60, trust_env=False) as client,
        closing(UpstreamControl(up.control_url, up.control_token)) as control,
    ):
        for name in (name for name, answer in up.routes.items() if answer == "ok" and MODEL in name):
            said = {"role": "user", "content": exactly(nonce := new_nonce())}
            answer = client.post("/v1/messages", json={"model": name, "max_tokens": 64, "messages": [said]})
            assert answer.json()["content"] == [{"type": "text", "text": nonce}]
            (here,), (there,) = control.exchanges(nonce), cloud.control.exchanges(nonce)
            assert (here.request, here.model, here.auth) == (there.request, there.model, there.auth)
            assert here.reply is not None
            assert there.reply is not None
            assert here.reply["content"] == there.reply["content"]
