"""The relay as a process: `python -m compat_pipeline.relay SPEC.json READY.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.serving import LOOPBACK, read_spec, serve
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.relay.accounts import Accounts
from compat_pipeline.relay.app import build_app


class RelaySpec(BaseModel):
    """What SPEC.json holds: the made-up credentials for LiteLLM, the accounts behind them, and where to listen."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    credentials: EmulatorCredentials
    accounts: Accounts
    host: str = LOOPBACK


def main(arguments: list[str]) -> None:
    """Serve the spec on a free port until SIGTERM; raises CompatError for a spec that cannot be read."""
    if len(arguments) != 2:
        raise CompatError("expected two arguments: SPEC.json READY.json")
    spec_path, ready = map(Path, arguments)
    spec = read_spec(spec_path, RelaySpec, "a relay spec")
    serve(build_app(spec.credentials, spec.accounts), ready, spec.host)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CompatError as error:
        sys.exit(f"relay: {error}")
