"""The units for a machine without containers: systemd's own checks, and who is given what."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from compat_pipeline_tests.machine import not_run_without

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
PROGRAMS = re.compile(r"/opt/compat/\S+/(?:with-settings|dagster-webserver|dagster-daemon)")


@pytest.fixture
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The units as in /etc/systemd/system, of programs that are on every machine."""
    if shutil.which("systemd-analyze") is None:
        not_run_without(request.node, "systemd-analyze")
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        unit.write_text(PROGRAMS.sub("/bin/true", unit.read_text()))
    return tmp_path


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments, *(str(units / service.name) for service in SERVICES)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_systemd_finds_no_fault_in_them(installed: Path) -> None:
    done = analyze(installed, "verify", "--man=no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_calls_every_one_of_them_well_confined(installed: Path) -> None:
    # 10 is a service that may do anything; systemd calls up to 2.4 OK. Tenths are added, so the threshold is in tenths.
    done = analyze(installed, "security", "--offline=true", "--threshold=20")
    assert done.returncode == 0, done.stdout[-2000:]


def test_secrets_are_given_to_the_service_that_runs_cells_alone() -> None:
    given = {service.name for service in SERVICES if "LoadCredential=" in service.read_text()}
    assert given == {"compat-pipeline.service"}


def test_what_they_start_is_in_the_checkout_or_installed_with_it() -> None:
    scripts = {"dagster", "dagster-daemon", "dagster-webserver"}
    for service in SERVICES:
        for program in re.findall(r"/opt/compat/(\S+)", service.read_text()):
            assert (UNITS.parents[1] / program).exists() or Path(program).name in scripts, program


def test_nothing_listens_beyond_this_machine() -> None:
    listening = [host for service in SERVICES for host in re.findall(r"--host (\S+)", service.read_text())]
    assert listening == ["127.0.0.1", "127.0.0.1"]
