"""The command line's edges: wrong values, output that nobody takes, files that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import NullPool, create_engine

from compat_pipeline.command.instance import open_instance
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.exit_codes import COULD_NOT_RUN, WRONG_USAGE
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest

COMPAT = Path(sys.executable).with_name("compat")
MATRIX = Path(__file__).parents[1] / "domain" / "golden" / "compatibility-matrix.json"


def compat(*arguments: str, stdout: int = subprocess.PIPE, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [COMPAT, *arguments], env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=120
    )


@pytest.mark.parametrize(
    "arguments",
    [("ui", "--port", "0"), ("ui", "--port", "65536"), ("bench", "--repeat", "0"), ("bench", "--repeat", "-1")],
)
def test_a_number_out_of_range_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = compat(*arguments)
    assert done.returncode == WRONG_USAGE
    assert f"Invalid value for '{arguments[1]}'" in done.stderr


def test_help_tells_each_command_in_a_whole_sentence() -> None:
    commands = compat("--help").stdout.partition("Commands:\n")[2].splitlines()
    names = "bench bisect diff doctor environment evidence gate prove proxy run show ui variants"
    assert [line.split()[0] for line in commands] == names.split()
    assert all(line.endswith(".") and not line.endswith("..") for line in commands)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_output_onto_a_full_disk_is_one_message() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = compat("--help", stdout=full)
    finally:
        os.close(full)
    assert done.returncode == COULD_NOT_RUN
    assert done.stderr.startswith("compat: cannot write: No space left on device\n")
    assert len(done.stderr.splitlines()) == 2


def test_output_that_nobody_reads_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = compat("--help", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (COULD_NOT_RUN, "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_output_that_is_closed_goes_nowhere(options: tuple[str, ...]) -> None:
    command = ["sh", "-c", 'exec "$0" "$@" >&-', str(COMPAT), "show", *options, str(MATRIX)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "spelling",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}],
)
def test_what_a_terminal_cannot_spell_is_left_out_of_what_it_shows(
    spelling: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in spelling.items():
        monkeypatch.setenv(variable, value)
    done = compat("show", str(MATRIX))
    assert (done.returncode, done.stderr) == (0, "")
    assert "? fail" in done.stdout


def test_a_folder_where_a_file_belongs_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "dagster" / "dagster.yaml"
    folder.mkdir(parents=True)
    done = compat("run", "--cells", "vision|*", COMPAT_HOME=str(tmp_path))
    assert done.returncode == COULD_NOT_RUN
    assert done.stderr.startswith(f"compat: cannot use {folder}: Is a directory\n")
    assert "Traceback" not in done.stderr


HUNG_UP = """
import os, signal
from compat_pipeline.command.main import cli, main

@cli.command()
def wait():
    signal.signal(signal.SIGTERM, lambda *_: print("ends in order"))
    os.kill(os.getpid(), signal.SIGHUP)

main()
"""


def test_a_closed_terminal_ends_it_as_sigterm_does() -> None:
    # These tests may run under nohup themselves, whose children ignore it from the start.
    as_usual = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)\n" + HUNG_UP
    done = subprocess.run([sys.executable, "-c", as_usual, "wait"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "ends in order\n"), done.stderr


def test_what_is_to_outlive_its_terminal_goes_on() -> None:
    command = ["/bin/sh", "-c", 'trap "" HUP; exec "$0" "$@"', sys.executable, "-c", HUNG_UP, "wait"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


UI_THAT_STARTS_NOTHING = """
import os
os.execv = lambda *_: os._exit(0)
from compat_pipeline.command.main import main
main()
"""


def test_a_setting_that_makes_no_sense_ends_the_ui_before_its_address_is_told(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    done = subprocess.run(
        [sys.executable, "-c", UI_THAT_STARTS_NOTHING, "ui", "--port", port],
        env={**os.environ, "COMPAT_HOME": str(tmp_path), "COMPAT_STALE_DAYS": "0"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (WRONG_USAGE, "")
    assert done.stderr.startswith("compat: COMPAT_STALE_DAYS is '0'")
    assert "Traceback" not in done.stderr


def test_a_manifest_without_a_row_of_the_matrix_is_named_with_its_setting(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    rows = {"features": [{"id": "vision", "name": "Vision", "set": "all"}]}
    mine.write_text(json.dumps(load_manifest({}).model_dump(mode="json") | rows))
    done = compat("run", COMPAT_HOME=str(tmp_path), COMPAT_MANIFEST=str(mine))
    assert done.returncode == WRONG_USAGE
    assert done.stderr.startswith(f"compat: the manifest {mine} has no row of the set 'v0'\n  next: set COMPAT_FEAT")
    assert len(done.stderr.splitlines()) == 2


def test_too_little_room_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with pytest.raises(CompatError, match=rf"only 1024 kB are free on the disk of {tmp_path}"):
        open_instance(CompatHome(root=tmp_path, cache=tmp_path / "cache"))


def test_settings_of_dagster_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe garbage")
    settings = str(tmp_path / "mine.yaml")
    done = compat("run", "--cells", "vision|*", COMPAT_HOME=str(tmp_path / "home"), COMPAT_DAGSTER_YAML=settings)
    assert done.returncode == COULD_NOT_RUN
    assert "cannot use Dagster's storage" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_while_a_connection_closes_is_not_logged_as_a_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with open_instance(CompatHome(root=tmp_path, cache=tmp_path / "cache")):
        engine = create_engine(f"sqlite:///{tmp_path / 'any.db'}", poolclass=NullPool)
        connection = engine.connect()
        monkeypatch.setattr(engine.dialect, "do_close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            connection.close()
    assert caplog.text == ""
