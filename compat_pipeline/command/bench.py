"""`compat bench`: the cost of the pipeline, as ratios against a floor measured in the same run."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import click
import yaml

from compat_pipeline.domain.manifest import Manifest
from compat_pipeline.ground.errors import CompatError
from compat_pipeline.ground.home import CompatHome, make_folder, write_atomically
from compat_pipeline.ground.manifest_file import load_manifest
from compat_pipeline.ground.process import end_group, spawn

_NOT_FOR_A_BENCHMARK = re.compile(r"COMPAT_(DOCS_.*|PUBLISH|HISTORY_URL|UPSTREAM|DAGSTER_YAML)|DAGSTER_HOME")
"""What would let it write where others read, or ask providers that cost money."""


def bench(repeat: int) -> None:
    """Measure in a process and a home of their own, so that neither history nor page is touched.

    Prints the ratios and writes `bench.json` under COMPAT_HOME; ends the program where nothing could be measured.
    """
    home = CompatHome.from_env()
    make_folder(home.root)
    with tempfile.TemporaryDirectory(dir=home.root, prefix="bench-") as folder:
        manifest, result = Path(folder) / "manifest.yaml", Path(folder) / "result.json"
        manifest.write_text(yaml.safe_dump(scaled(load_manifest(), repeat).model_dump(mode="json"), sort_keys=False))
        own = {"COMPAT_HOME": folder, "COMPAT_CACHE": str(home.cache), "COMPAT_MANIFEST": str(manifest)}
        users = {name: value for name, value in os.environ.items() if not _NOT_FOR_A_BENCHMARK.fullmatch(name)}
        measuring = spawn(
            [sys.executable, "-m", "compat_pipeline.command.measure", result],
            env=users | own, stdout=None, stderr=None,
        )  # fmt: skip
        try:
            if (code := measuring.wait()) > 0:
                sys.exit(code)  # it said why
            if code < 0:
                raise CompatError(f"the benchmark was ended by {signal.Signals(-code).name}", "start it again")
        finally:
            end_group(measuring)
        figures = json.loads(result.read_text())
    write_atomically(home.root / "bench.json", json.dumps(figures, indent=2) + "\n")
    click.echo(json.dumps(figures, indent=2))


def scaled(manifest: Manifest, times: int) -> Manifest:
    """The manifest with every model listed `times` times under its own names: more cells, the same routes."""
    names = [
        (model.id, f"{model.id}-r{copy}" if copy else model.id) for copy in range(times) for model in manifest.models
    ]
    document = manifest.model_dump(mode="json")
    document["models"] = [{"id": copy, "name": copy} for _, copy in names]
    for provider in document["providers"]:
        provider["routes"] = {copy: provider["routes"][original] for original, copy in names}
    return Manifest.model_validate(document)
