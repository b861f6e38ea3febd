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


_SEEN = """() => new Promise((resolve) => {
  const seen = {paint: performance.getEntriesByName('first-contentful-paint')[0].startTime, blocked: 0, shift: 0};
  const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take))
    .observe({type, buffered: true});
  watch('longtask', (task) => { seen.blocked += task.duration - 50; });
  watch('layout-shift', (moved) => { seen.shift += moved.value; });
  setTimeout(() => resolve(seen), 300);
})"""
_FLOOR = "<!doctype html><title>floor</title><p>A page of one line."


def main() -> None:
    """Print a line per size: bytes, script, and what a visitor waits for, beside a page of one line in the same run.

    `blocked` is the total blocking time, `shift` the cumulative layout shift, both as the Web Vitals define them.
    """
    if chromium() is None:
        print("page: not measured, there is no Chromium")
        return
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium())
        (floor := Path(folder, "floor.html")).write_text(_FLOOR)
        floor_ms = _opened(browser, floor)["paint"]
        print(f"page: one line alone is painted after {floor_ms:.0f} ms")
        for rows, columns in _SIZES:
            page = Path(folder, f"{rows}x{columns}.html")
            page.write_text(documents(rows, columns).page(), encoding="utf-8")
            cost = _opened(browser, page, scroll=True)
            print(
                f"page: {rows} x {columns} x 3 in {page.stat().st_size / 1000:.0f} kB: painted after "
                f"{cost['paint']:.0f} ms ({cost['paint'] / floor_ms:.1f} x), script {cost['script']:.0f} ms, "
                f"blocked {cost['blocked']:.0f} ms, shift {cost['shift']:.3f}, scroll frames {cost['median']:.0f} ms "
                f"(median), {cost['slow']:.0f} ms (95 %)"
            )
        browser.close()


def _opened(browser: Browser, file: Path, *, scroll: bool = False) -> dict[str, float]:
    """What opening a page cost, in ms; with `scroll`, what a frame took while it scrolled both ways."""
    page = browser.new_page(bypass_csp=True)  # to look into it; what a visitor gets does not change
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(file.as_uri())
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    cost: dict[str, float] = page.evaluate(_SEEN)
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    cost["script"] = metrics["ScriptDuration"] * 1000
    if scroll:
        frames = page.evaluate(_SCROLL)
        cost |= {"median": frames[30], "slow": frames[57]}
    page.close()
    return cost


if __name__ == "__main__":
    main()
