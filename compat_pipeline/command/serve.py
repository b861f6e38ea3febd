"""`compat ui` and `compat proxy`: what stays up until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module

import click
from pydantic import ValidationError

from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.proxy.lease import Runtime, why_down
from compat_pipeline.proxy.prices import price_list
from compat_pipeline.resources.registries import NpmRegistry, PythonIndex
from compat_pipeline.resources.runtime import ProxyRuntime
from compat_pipeline.suite.revision import suite_revision
from compat_pipeline.suite.settings import SuiteSettings

_DEFINITIONS = "compat_pipeline.definitions"


def serve_ui(port: int) -> None:
    """Replace this process by Dagster's webserver and daemon."""
    from compat_pipeline.command.instance import open_instance

    _refuse_taken(port)
    # What makes no sense in the settings ends it here: Dagster would stay up with nothing in it.
    import_module(_DEFINITIONS)
    # Opened once before two processes open it together: an empty SQLite home is not safe against that.
    with open_instance(CompatHome.from_env()):
        pass
    click.echo(f"Dagster on http://127.0.0.1:{port}  (Ctrl-C ends it)")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # A release sensor waits for a registry as long as its client does; Dagster gives a tick a minute.
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", "300")
    location = ["-m", _DEFINITIONS]
    arguments = ["dev", *location, "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", *arguments])  # noqa: S606


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CompatError(f"port {port} cannot be used: {error.strerror}", "choose another: --port") from error


def serve_proxy(litellm: str, claude_code: str) -> None:
    """Hold a proxy's lease and write the suite's settings, until interrupted or ended by SIGTERM."""
    # Not by way of SIGINT: a script that starts us with `&` has that ignored.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = CompatHome.from_env()
    index, npm = PythonIndex(), NpmRegistry()
    release, cli = index.resolve(litellm), npm.fetch(npm.resolve(claude_code))
    held: list[Runtime] = []
    try:
        manifest = load_manifest()
        installed = index.install(release)
        with ProxyRuntime(linger_s=0).lease(release, installed, manifest) as up:
            held.append(up)
            prices = price_list(installed, manifest)
            revision = suite_revision(manifest)
            settings = SuiteSettings.for_runtime(up, release, cli, home.scratch, revision, prices)
            settings.save(home.suite_settings)
            click.echo(f"LiteLLM {release.tag} on {up.proxy_url}, Claude Code {cli.version}  (Ctrl-C ends it)")
            click.echo("in another terminal:  .venv/bin/pytest compat_pipeline/suite/tool_use/test_anthropic.py")
            threading.Event().wait()
    finally:
        for up in held:
            _withdraw_settings(home, up)


def _withdraw_settings(home: CompatHome, up: Runtime) -> None:
    """Remove the suite's settings unless they lead elsewhere, or another `compat proxy` keeps the same proxy up."""
    with suppress(OSError, ValidationError):
        settings = SuiteSettings.model_validate_json(home.suite_settings.read_bytes())
        if settings.proxy_key == up.api_key and why_down(home, up):
            home.suite_settings.unlink()
