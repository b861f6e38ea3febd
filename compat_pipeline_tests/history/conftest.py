"""Places for a history: a SQLite file, and a PostgreSQL server where this machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from packaging.version import Version
from sqlalchemy import create_engine, text

from compat_pipeline_tests.machine import not_run_without

_DEBIANS = Path("/usr/lib/postgresql")
_NOBODY = "nobody"
_numbers = count()


class PostgresServer:
    """A server of this test session alone, reachable through a socket in its own folder only."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin, self._folder = bin_folder, folder
        self._user = _NOBODY if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", str(folder / "data"), "-U", "compat", "-A", "trust", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-c listen_addresses='' -c fsync=off -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://compat@/{database}?host={self._folder}"

    def new_database(self, options: str = "") -> str:
        """The URL of an empty one, made with those `options` of CREATE DATABASE."""
        name = f"history_{next(_numbers)}"
        engine = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} {options}"))
        engine.dispose()
        return self.url(name)

    def _run(self, *argv: str) -> None:
        subprocess.run(
            [self._bin / argv[0], *argv[1:]], user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL
        )


def _programs() -> Path | None:
    """The folder of the server's programs: Debian keeps them off PATH, in one for each version."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    debians = (initdb.parent for initdb in _DEBIANS.glob("*/bin/initdb"))
    return max(debians, key=lambda folder: Version(folder.parent.name), default=None)


@pytest.fixture(scope="session")
def postgres_of_the_session() -> Iterator[PostgresServer | None]:
    if (programs := _programs()) is None:
        yield None
        return
    # Not tmp_path: a socket's path must be short, and the folder must be open to another user.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(programs, Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def postgres(request: pytest.FixtureRequest, postgres_of_the_session: PostgresServer | None) -> PostgresServer:
    if postgres_of_the_session is None:
        not_run_without(request.node, "PostgreSQL server")
    assert postgres_of_the_session
    return postgres_of_the_session


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty place for a history, on each database in turn."""
    if request.param == "sqlite":
        return tmp_path / "history.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
