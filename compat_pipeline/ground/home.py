"""Where everything the product writes lives: one folder, `COMPAT_HOME`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compat_pipeline.ground.errors import CompatError


@dataclass(frozen=True)
class CompatHome:
    """Paths under `COMPAT_HOME`; `cache` may be shared between homes (`COMPAT_CACHE`), the rest may not."""

    root: Path
    cache: Path

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> CompatHome:
        """`COMPAT_HOME` (default `.compat` in the working folder) and `COMPAT_CACHE` (default `COMPAT_HOME/cache`)."""
        root = Path(environ.get("COMPAT_HOME") or ".compat").absolute()
        return cls(root=root, cache=Path(environ.get("COMPAT_CACHE") or root / "cache").absolute())

    @property
    def matrix(self) -> Path:
        return self.root / "compatibility-matrix.json"

    @property
    def details(self) -> Path:
        return self.root / "compatibility-details.json"

    @property
    def results(self) -> Path:
        return self.root / "compat-results.json"

    @property
    def docs_repo(self) -> Path:
        return self.root / "docs-repo"

    @property
    def history(self) -> Path:
        return self.root / "history.db"

    @property
    def mutants(self) -> Path:
        """Which faults of the catalogue the tests noticed, when that was last tried."""
        return self.root / "mutants.json"

    @property
    def variants(self) -> Path:
        """What the variants of the proxy's configuration changed, when they were last compared."""
        return self.root / "variants.json"

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


def make_folder(path: Path) -> Path:
    """Create `path` with its parents; `CompatError` names the folder that cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompatError(
            f"cannot create {path}: {error.strerror}", "set COMPAT_HOME or COMPAT_CACHE to a folder you may write"
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
