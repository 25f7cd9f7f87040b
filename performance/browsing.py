"""How fast a large reports folder is: `python performance/browsing.py [OUT] [--results N]`.

A server of its own is started on 1,000 results × 200 images, and a headless Chromium walks it. All
times are the browser's own clock, from the navigation or the click to the paint of what was asked
for; medians of several rounds, beside the limit that each should keep.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from dashboard_server import serving
from playwright.sync_api import Page, sync_playwright
from synthetic_reports import SyntheticReports, write_synthetic_reports

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
ROUNDS = 5
READ_AHEAD = 15
"""Seconds in which the server has read what filters want."""
PAINTED = """([root, wanted]) => new Promise((done, fail) => {
  const began = window.began ?? 0, limit = performance.now() + 30000;
  const shadows = () => [...document.querySelectorAll('*')].map((node) => node.shadowRoot);
  const host = () => shadows().map((shadow) => shadow?.querySelector(root)).find(Boolean);
  const look = () => {
    const node = host();
    const images = node ? [...node.querySelectorAll('img')].filter((image) => {
      const place = image.getBoundingClientRect();
      return place.bottom > 0 && place.top < innerHeight;
    }) : [];
    const count = node?.dataset.painted;
    const drawn = count && (wanted === '' || count === wanted);
    if (drawn && images.every((image) => image.complete)) {
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    } else if (performance.now() > limit) fail(new Error(`not painted: ${count}`));
    else setTimeout(look, 10);
  };
  look();
})"""


def browser_path() -> str | None:
    """Return a Chromium of this machine, if there is one."""
    return next((path for path in CHROMIUM if Path(path).exists()), None)


def painted(page: Page, root: str, wanted: str = "") -> float:
    """Return the seconds since the navigation, or since `begin`, until a component stands."""
    return float(page.evaluate(PAINTED, [root, wanted])) / 1000


def begin(page: Page) -> None:
    page.evaluate("() => { window.began = performance.now(); }")


def measure(found: SyntheticReports, rounds: int) -> list[tuple[str, float, float]]:
    """Return what was measured, what it came to, and its limit."""
    rows: dict[str, list[float]] = {}
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        for _ in range(rounds):
            with serving(found.reports, found.store) as server:
                page = chromium.new_page(viewport={"width": 1500, "height": 1000})
                page.goto(server.url)
                rows.setdefault("first leaderboard, s", []).append(painted(page, ".board-root"))
                box = page.get_by_label("Recipe", exact=True)
                box.fill("synthetic-001")
                begin(page)
                box.press("Enter")
                rows.setdefault("filter at once, s", []).append(painted(page, ".board-root", "10"))
                box.fill("")
                box.press("Enter")
                painted(page, ".board-root", str(found.results))
                page.wait_for_timeout(READ_AHEAD * 1000)
                page.get_by_label("Prompts", exact=False).last.click()
                begin(page)
                page.get_by_role("option", name="pocket-tags").click()
                wanted = f"{found.results} pocket-tags"
                rows.setdefault("filter by suite, s", []).append(
                    painted(page, ".board-root", wanted)
                )
                box.fill("synthetic-001")
                begin(page)
                box.press("Enter")
                rows.setdefault("filter by name, s", []).append(
                    painted(page, ".board-root", "10 pocket-tags")
                )
                page.goto(f"{server.url}/grid")
                painted(page, ".grid-root", "64 1")
                begin(page)
                page.get_by_label("Page 2", exact=True).click()
                rows.setdefault("grid page of 64, s", []).append(
                    painted(page, ".grid-root", "64 2")
                )
                rows.setdefault("server memory, MB", []).append(server.megabytes)
                page.close()
        chromium.close()
    limits = (2.5, 0.5, 0.5, 0.5, 1.0, 700.0)
    return [
        (name, statistics.median(values), limit)
        for (name, values), limit in zip(rows.items(), limits, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--results", type=int, default=1000)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = asked.out or Path(scratch)
        there = (out / "reports").is_dir()
        found = (
            SyntheticReports(out / "reports", out / "store", asked.results)
            if there
            else write_synthetic_reports(out, asked.results, asked.images)
        )
        for name, value, limit in measure(found, asked.rounds):
            verdict = "kept" if value <= limit else "MISSED"
            print(f"{name:<24} {value:8.2f}  limit {limit:g}  {verdict}")


if __name__ == "__main__":
    main()
