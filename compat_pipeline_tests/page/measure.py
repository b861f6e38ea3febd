"""What the standalone page costs a visitor's browser: `python -m compat_pipeline_tests.page.measure`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from compat_pipeline_tests.page.documents import documents
from compat_pipeline_tests.page.visitor import chromium

_SIZES = ((6, 5), (18, 5), (100, 20))
_SCROLL = """async () => {
  const table = document.querySelector('[role=region]'), frames = [];
  let last = await new Promise(requestAnimationFrame);
  for (let step = 1; step <= 60; step++) {
    table.scrollTo(step * 30, step * 60);
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames.sort((one, other) => one - other);
}"""


def main() -> None:
    """Print a line per size: bytes, script, first paint, and the frames while it scrolls both ways."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium())
        for rows, columns in _SIZES:
            page = Path(folder, f"{rows}x{columns}.html")
            page.write_text(documents(rows, columns).page(), encoding="utf-8")
            print(f"{rows} x {columns} x 3: {page.stat().st_size / 1000:.0f} kB, {_cost(browser, page)}")
        browser.close()


def _cost(browser: Browser, file: Path) -> str:
    page = browser.new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(file.as_uri())
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    frames = page.evaluate(_SCROLL)
    page.close()
    return (
        f"script {metrics['ScriptDuration'] * 1000:.0f} ms, first paint after {painted:.0f} ms, "
        f"scroll frames {frames[30]:.0f} ms (median), {frames[57]:.0f} ms (95 %)"
    )


if __name__ == "__main__":
    main()
