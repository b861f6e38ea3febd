"""A row that there is not, for tests of how rows are run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compat_pipeline.domain.cell import Cell, Trial
from compat_pipeline.suite.settings import SuiteSettings


def write_row(suite: Path, test: str) -> None:
    """Lay the row's one test file into `suite`."""
    file = suite / "made_up" / "test_anthropic.py"
    file.parent.mkdir(parents=True)
    file.write_text(test)


def write_manifest(path: Path, models: Sequence[str]) -> Path:
    """A manifest of the row, on one provider."""
    routes = "{" + ", ".join(f"{model}: a/{model}" for model in models) + "}"
    listed = ", ".join(f"{{id: {model}, name: {model}}}" for model in models)
    path.write_text(
        "features: [{id: made_up, name: Made up}]\n"
        f"providers: [{{id: anthropic, name: Anthropic, routes: {routes}}}]\nmodels: [{listed}]\n"
    )
    return path


def trials_of(models: Sequence[str]) -> list[Trial]:
    return [Trial(Cell("made_up", "anthropic", model)) for model in models]


def settings_in(folder: Path) -> SuiteSettings:
    """Settings that lead nowhere."""
    return SuiteSettings(
        proxy_url="http://proxy", proxy_key="k", control_url="http://upstream", control_token="t",
        claude=folder / "claude", scratch=folder,
    )  # fmt: skip
