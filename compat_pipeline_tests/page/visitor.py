"""A person at a page: a browser context of its own, with a clock that stands still, and what the page complained of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from compat_pipeline_tests.page.documents import MADE

Visit = Callable[..., Page]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
_PATIENCE_MS = 60_000
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=_PATIENCE_MS)


@cache
def chromium() -> str | None:
    """The browser of this machine; the one without a window comes first, since its pages cost a third."""
    return next(filter(None, map(shutil.which, _CHROMIUMS)), None)


class Visitor:
    """Opens pages as different people; `complaints` is what went to a console, and what a page asked of other hosts."""

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def visit(self, address: str, *, now: datetime = MADE + timedelta(hours=2), **person: Any) -> Page:
        """Open `address` at the moment `now`; `person` are Playwright's options of a browser context."""
        context = self._browser.new_context(**{"timezone_id": "Europe/Berlin", "locale": "en-GB", **person})
        self._contexts.append(context)
        context.set_default_timeout(_PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(f"{error.error}"))
        context.on("request", lambda request: self._see(request, address))
        page = context.new_page()
        page.clock.set_fixed_time(now)
        page.goto(address)
        return page

    def leave(self) -> None:
        for context in self._contexts:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _see(self, request: Request, address: str) -> None:
        asked, own = urlsplit(request.url), urlsplit(address)
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):
            self.complaints.append(f"asked for {request.url}")


def cell(page: Page, feature: str, provider: str) -> Locator:
    return page.get_by_role("button", name=re.compile(f": {re.escape(feature)} on {re.escape(provider)}$"))


def tooltip(page: Page) -> Locator:
    return page.get_by_role("tooltip")


def panel(page: Page) -> Locator:
    return page.get_by_role("dialog")


def table(page: Page) -> Locator:
    """What scrolls, with the table in it."""
    return page.get_by_role("region", name="Compatibility matrix")


def columns(page: Page) -> list[str]:
    return table(page).get_by_role("columnheader").all_inner_texts()[1:]


def rows(page: Page) -> list[str]:
    return table(page).get_by_role("rowheader").all_inner_texts()


def violations(page: Page, axe: Path) -> list[str]:
    """What axe finds wrong on the page as it is now, each with the elements that it is about."""
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run({runOnly: rules})", _RULES)
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found["violations"]]
