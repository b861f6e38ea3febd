"""The emulator as a process: `python -m compat_pipeline.emulator SPEC.json READY.json`."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from compat_pipeline.emulator.credentials import EmulatorCredentials
from compat_pipeline.emulator.serving import LOOPBACK, read_spec, serve
from compat_pipeline.ground.errors import CompatError


class EmulatorSpec(BaseModel):
    """What SPEC.json holds; `host` is where to listen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credentials: EmulatorCredentials
    host: str = LOOPBACK


def main(arguments: list[str]) -> None:
    """Serve the spec on a free port until SIGTERM; raises CompatError for a spec that cannot be read."""
    if len(arguments) != 2:
        raise CompatError("expected two arguments: SPEC.json READY.json")
    spec_path, ready = map(Path, arguments)
    spec = read_spec(spec_path, EmulatorSpec, "an emulator spec")
    gc.disable()  # what is loaded here stays: looking through it for garbage is a fifth of the start
    from compat_pipeline.emulator.app import build_app

    gc.freeze()
    gc.enable()
    serve(build_app(spec.credentials), ready, spec.host)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except CompatError as error:
        sys.exit(f"emulator: {error}")
