"""What the engine is told of the suite's container, and what the suite is given there; no engine is needed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from compat_pipeline.ground.home import CompatHome
from compat_pipeline.suite.container import give, specification, ways
from compat_pipeline.suite.job import Job
from compat_pipeline.suite.settings import SuiteSettings
from compat_pipeline_tests.suite.made_up import settings_in, trials_of

SECRETS = ("sk-proxy", "control-token", "an-account")
SUITE = Path("/somewhere/compat_pipeline/suite")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (folder := tmp_path / "home" / "tmp" / "scratch-x").mkdir(parents=True)
    (folder / "door").touch()
    secrets = dict(zip(("proxy_key", "control_token"), SECRETS, strict=False), upstream_secrets=SECRETS[2:])
    settings = settings_in(tmp_path).model_copy(update={**secrets, "ledger": tmp_path / "ledger.jsonl"})
    home = CompatHome(tmp_path / "home", tmp_path / "cache")
    return Job(trials_of(["first", "second", "third"]), settings, home, folder, 2, artifact=False)


def test_it_may_do_nothing_but_compute(job: Job) -> None:
    told = specification(job, SUITE)
    assert (told["network_mode"], told["read_only"], told["cap_drop"]) == ("none", True, ["ALL"])
    assert told["security_opt"] == ["no-new-privileges"]
    assert not told["user"].startswith("0:")
    assert told["mem_limit"] == told["memswap_limit"] == 3 << 30
    assert told["pids_limit"] == 3 * 128
    assert set(told["tmpfs"]) == {"/tmp", "/home"}  # noqa: S108
    assert told["log_config"]["Type"] == "none"
    assert not {"ports", "network", "privileged", "devices", "pid_mode", "ipc_mode", "volumes_from"} & told.keys()


def test_it_has_of_this_machine_what_it_needs_and_writes_two_files(job: Job) -> None:
    mounts = {one["Target"]: (one["Source"], one["ReadOnly"]) for one in specification(job, SUITE)["mounts"]}
    folder = job.folder
    assert mounts == {
        "/code/compat_pipeline": (str(SUITE.parent), True),
        "/given": (str(folder / "given"), True),
        "/door": (str(folder / "door"), True),
        "/claude": (str(job.settings.claude), True),
        "/ledger": (str(job.settings.ledger), True),
        "/observations": (str(folder / "observations"), False),
        "/evidence": (str(folder / "evidence"), False),
    }


def test_no_secret_is_in_what_the_engine_is_told_nor_in_what_is_given(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "an-account")
    give(job, "sk-door", None)
    words = json.dumps(specification(job, SUITE), default=str)
    words += "".join(path.read_text() for path in job.given.iterdir())
    assert [secret for secret in SECRETS if secret in words] == []
    given = SuiteSettings.model_validate_json((job.given / "suite.json").read_bytes())
    assert (given.proxy_key, given.control_token, given.secrets) == ("sk-door", "sk-door", ("sk-door", "sk-door"))


def test_what_is_given_is_its_user_s_alone_and_only_there(job: Job) -> None:
    give(job, "sk-door", None)
    user = os.getuid() or 65534
    given = [job.given, *job.given.iterdir(), job.folder / "observations", job.folder / "evidence"]
    assert {path.stat().st_uid for path in given} == {user}
    assert job.given.stat().st_mode & 0o777 == 0o700


def test_what_the_variables_name_is_there(job: Job) -> None:
    give(job, "sk-door", None)
    job.halt()
    named = [Path(value) for value in specification(job, SUITE)["environment"].values() if value.startswith("/given/")]
    assert sorted(path.name for path in named) == sorted(path.name for path in job.given.iterdir())


def test_a_manifest_of_the_user_s_goes_with_it(job: Job, tmp_path: Path) -> None:
    (manifest := tmp_path / "mine.yaml").write_text("features: []")
    give(job, "sk-door", str(manifest))
    assert (job.given / "manifest.yaml").read_text() == "features: []"
    told = specification(job, SUITE, with_manifest=True)["environment"]
    assert told["COMPAT_MANIFEST"] == "/given/manifest.yaml"


def test_the_door_leads_to_messages_and_to_the_record_alone(job: Job) -> None:
    assert {(way.server, way.secret): set(way.requests) for way in ways(job.settings)} == {
        ("http://proxy", "sk-proxy"): {("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens")},
        ("http://upstream", "control-token"): {("GET", "/_compat/exchanges"), ("POST", "/_compat/arm")},
    }
