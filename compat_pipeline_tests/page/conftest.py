"""A headless Chromium for as long as this folder has tests, or the names of the tests that did not run without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from compat_pipeline.ground.home import CompatHome
from compat_pipeline_tests.machine import not_run_without
from compat_pipeline_tests.page.documents import Documents
from compat_pipeline_tests.page.visitor import Visit, Visitor, chromium

SITE = Path(__file__).parents[2] / "deploy" / "docs_site"

Npm = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., str]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without a browser a test is told by its name as not run; on CI it fails."""
    if "browser" in getattr(item, "fixturenames", ()) and chromium() is None:
        not_run_without(item, "Chromium")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the whole session: while it is there, no other test of this process can run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages, none of which may have complained in the end."""
    visitor = Visitor(browser)
    yield visitor.visit
    visitor.leave()
    assert visitor.complaints == []


@pytest.fixture(scope="session")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes the standalone page of two documents, and gives its address on this disk."""
    folder = tmp_path_factory.mktemp("pages")
    written: dict[tuple[Documents, str], str] = {}

    def write(documents: Documents, links: object = None) -> str:
        key = (documents, json.dumps(links))
        if key not in written:
            page = folder / f"{len(written)}.html"
            page.write_text(documents.page(links), encoding="utf-8")
            written[key] = page.as_uri()
        return written[key]

    return write


@pytest.fixture(scope="session")
def npm(shared_cache: Path) -> Npm:
    """npm in the folder of the docs site, whose packages it installs first."""

    def npm(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
        elsewhere = {"COMPAT_CACHE": str(shared_cache)} | ({"COMPAT_HOME": str(home)} if home else {})
        return subprocess.run(
            [sys.executable, SITE / "npm.py", *arguments],
            env={**os.environ, **elsewhere}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
        )  # fmt: skip

    return npm


@pytest.fixture(scope="session")
def axe(npm: Npm) -> Path:
    """The script of axe, which finds what keeps people with disabilities from using a page."""
    done = npm()
    assert done.returncode == 0, done.stdout
    return SITE / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where a person can look at what the tests saw."""
    folder = CompatHome.from_env().root / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
