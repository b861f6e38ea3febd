"""Where everything the product writes lives: one folder, `COMPAT_HOME`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from compat_pipeline.domain.verdict import UpstreamMode
from compat_pipeline.ground.errors import CompatError, WrongUsage

_MODES: TypeAdapter[UpstreamMode] = TypeAdapter(UpstreamMode)


@dataclass(frozen=True)
class CompatHome:
    """Paths under `COMPAT_HOME`; `cache` may be shared between homes (`COMPAT_CACHE`), the rest may not.

    Documents made with `upstream` live lie apart from the emulated ones, so that neither takes the other's place.
    """

    root: Path
    cache: Path
    upstream: UpstreamMode = "emulated"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> CompatHome:
        """`COMPAT_HOME` (default `.compat` in the working folder), `COMPAT_CACHE` (default `COMPAT_HOME/cache`) and
        `COMPAT_UPSTREAM` (default `emulated`); raises CompatError where that names no mode."""
        root = Path(environ.get("COMPAT_HOME") or ".compat").absolute()
        cache = Path(environ.get("COMPAT_CACHE") or root / "cache").absolute()
        return cls(root=root, cache=cache, upstream=_upstream_mode(environ.get("COMPAT_UPSTREAM") or "emulated"))

    @property
    def _documents(self) -> Path:
        return self.root / "live" if self.upstream == "live" else self.root

    @property
    def matrix(self) -> Path:
        return self._documents / "compatibility-matrix.json"

    @property
    def details(self) -> Path:
        return self._documents / "compatibility-details.json"

    @property
    def page(self) -> Path:
        """Both documents as one page that opens from disk."""
        return self._documents / "matrix.html"

    @property
    def badges(self) -> Path:
        """A picture per provider: how much of the matrix it passes."""
        return self._documents / "badges"

    @property
    def feed(self) -> Path:
        """What changed from one published matrix to the next, for feed readers."""
        return self._documents / "changes.atom"

    @property
    def results(self) -> Path:
        return self._documents / "compat-results.json"

    @property
    def docs_repo(self) -> Path:
        return self._documents / "docs-repo"

    @property
    def history(self) -> Path:
        return self.root / "history.db"

    @property
    def mutants(self) -> Path:
        """Which faults of the catalogue the tests noticed, when that was last tried."""
        return self._documents / "mutants.json"

    @property
    def variants(self) -> Path:
        """What the variants of the proxy's configuration changed, when they were last compared."""
        return self._documents / "variants.json"

    @property
    def environment_plan(self) -> Path:
        """What every environment meant when that was last planned."""
        return self.root / "environment-plan.json"

    @property
    def environment_matrix(self) -> Path:
        return self.root / "environment-matrix.json"

    @property
    def compatibility_report(self) -> Path:
        """What the environment matrix says, for people."""
        return self.root / "COMPATIBILITY.md"

    @property
    def boundary(self) -> Path:
        """Between which versions the last bisection found a fault to begin."""
        return self.root / "environment-bisect.json"

    @property
    def gate(self) -> Path:
        """The reports of the last pull-request gate."""
        return self._documents / "gate"

    @property
    def gate_results(self) -> Path:
        """What the gate found, for programs."""
        return self.gate / "results.json"

    @property
    def evidence(self) -> Path:
        """What each observation was made from, by digest."""
        return self.root / "evidence"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def runtimes(self) -> Path:
        """State of running proxies, one folder each."""
        return self.root / "runtimes"

    @property
    def suite_settings(self) -> Path:
        """Written by `compat proxy` for authors who run compatibility tests under plain pytest."""
        return self.root / "suite.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def scratch(self) -> Path:
        """Short-lived folders (the CLI's home and working folder); safe to delete whenever nothing runs."""
        return self.root / "tmp"


def _upstream_mode(asked: str) -> UpstreamMode:
    try:
        return _MODES.validate_python(asked)
    except ValidationError as error:
        known = ", ".join(get_args(UpstreamMode))
        raise WrongUsage(f"there are no '{asked}' upstreams", f"set COMPAT_UPSTREAM to one of: {known}") from error


def make_folder(path: Path, settings: str = "COMPAT_HOME or COMPAT_CACHE") -> Path:
    """Create `path` with its parents; `CompatError` names the folder that cannot be made, and what says where it is."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompatError(
            f"cannot create {path}: {error.strerror}", f"set {settings} to a folder you may write"
        ) from error
    return path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace `path` in one step, so that a reader sees the old or the new content and a full disk loses nothing."""
    make_folder(path.parent)
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise CompatError(f"cannot write {path}: {error.strerror}", "free some space or check its owner") from error
