"""The emulator as a process: told where to be, says when it is there, ends when asked to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_pipeline.emulator.__main__ import main
from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.process import end_group, spawn
from compat_pipeline.wire.exchange import UpstreamControl
from compat_pipeline_tests.emulator.emulated import Emulated, ask, exactly, new_nonce

COMMAND = [sys.executable, "-m", "compat_pipeline.emulator"]
LIMIT_S = 60.0


@pytest.fixture
def process(tmp_path: Path, credentials: EmulatorCredentials) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "spec.json").write_text(json.dumps({"credentials": credentials.model_dump()}))
    with (tmp_path / "log").open("wb") as log:
        child = spawn([*COMMAND, tmp_path / "spec.json", tmp_path / "ready.json"], env={}, stdout=log, stderr=log)
        yield child
        end_group(child)


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.read_text()


def test_it_serves_where_it_says_and_ends_quietly_on_sigterm(
    process: subprocess.Popen[bytes], tmp_path: Path, credentials: EmulatorCredentials
) -> None:
    base_url = json.loads(wait_for(tmp_path / "ready.json"))["base_url"]
    assert base_url.startswith("http://127.0.0.1:")
    control = UpstreamControl(base_url, credentials.control_token)
    nonce = new_nonce()
    answer = Emulated(base_url, credentials).post("anthropic", ask(exactly(nonce)))
    assert answer.json()["content"][0]["text"] == nonce
    assert [one.status for one in control.exchanges(nonce)] == [200]
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=LIMIT_S)
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{", "is not an emulator spec"),
        ('{"credentials": {"control_token": "hush-hush"}}', "credentials.anthropic_api_key"),
    ],
)
def test_a_bad_spec_is_named_without_its_secrets(tmp_path: Path, spec: str, words: str) -> None:
    (tmp_path / "spec.json").write_text(spec)
    with pytest.raises(CompatError, match=words) as refused:
        main([str(tmp_path / "spec.json"), str(tmp_path / "ready.json")])
    assert "hush-hush" not in str(refused.value)


def test_a_missing_spec_is_one_clear_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, tmp_path / "no.json", tmp_path / "ready.json"], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [f"emulator: cannot read {tmp_path}/no.json: No such file or directory"]
    assert not (tmp_path / "ready.json").exists()
