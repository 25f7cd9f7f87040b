"""How fast a large reports folder is: `python performance/browsing.py [OUT] [--results N]`.

A server of its own is started on 1,000 results × 200 images, and a headless Chromium walks it. All
times are the browser's own clock, from the navigation or the click to the paint of what was asked
for. Three rounds take about three minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from dashboard_server import serving
from ledger import Figure, keep, told
from playwright.sync_api import Page, sync_playwright
from synthetic_reports import SyntheticReports, write_synthetic_reports

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
RESULTS, IMAGES, ROUNDS = 1000, 200, 3
READ_AHEAD = 12
"""Seconds in which the server has read what filters want."""
PACE = 400
"""Milliseconds that a visitor looks at a pair."""
FIRST, AT_ONCE = "first paint of the leaderboard", "a filter at once"
BY_SUITE, BY_NAME = "a filter by suite", "a filter by name and suite"
GRID, COMPARE = "a page of 64 in the grid", "the next pair in compare"
MEMORY = "memory of the server"
FRAME = "first paint of Streamlit's frame"
FRAME_AT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
TARGETS = {
    FIRST: 1.5,
    AT_ONCE: 0.4,
    BY_SUITE: 0.4,
    BY_NAME: 0.4,
    GRID: 0.5,
    COMPARE: 0.5,
    MEMORY: 500.0,
}
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


def measure(found: SyntheticReports, rounds: int) -> dict[str, list[float]]:
    """Return every figure of every round."""
    rows: dict[str, list[float]] = {}
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        for _ in range(rounds):
            with serving(found.reports, found.store) as server:
                page = chromium.new_page(viewport={"width": 1500, "height": 1000})
                walked = {
                    **leaderboard(page, server.url, found.results),
                    **grid(page, server.url),
                    **compare(page, server.url),
                    MEMORY: server.megabytes,
                }
                page.close()
            for name, value in walked.items():
                rows.setdefault(name, []).append(value)
        chromium.close()
    return rows


def leaderboard(page: Page, url: str, results: int) -> dict[str, float]:
    page.goto(url)
    first = painted(page, ".board-root")
    frame = float(page.evaluate(FRAME_AT)) / 1000
    box = page.get_by_label("Recipe", exact=True)

    def filtered(words: str, wanted: str) -> float:
        box.fill(words)
        begin(page)
        box.press("Enter")
        return painted(page, ".board-root", wanted)

    at_once = filtered("synthetic-001", "10")
    filtered("", str(results))
    page.wait_for_timeout(READ_AHEAD * 1000)
    page.get_by_label("Prompts", exact=False).last.click()
    begin(page)
    page.get_by_role("option", name="pocket-tags").click()
    by_suite = painted(page, ".board-root", f"{results} pocket-tags")
    by_name = filtered("synthetic-001", "10 pocket-tags")
    return {FIRST: first, FRAME: frame, AT_ONCE: at_once, BY_SUITE: by_suite, BY_NAME: by_name}


def grid(page: Page, url: str) -> dict[str, float]:
    page.goto(f"{url}/grid")
    painted(page, ".grid-root", "64 1")
    begin(page)
    page.get_by_label("Page 2", exact=True).click()
    return {GRID: painted(page, ".grid-root", "64 2")}


def compare(page: Page, url: str) -> dict[str, float]:
    page.goto(f"{url}/compare")
    painted(page, ".compare-root")
    steps = []
    for at in range(1, 6):
        begin(page)
        page.get_by_label("next", exact=True).click()
        steps.append(painted(page, f".compare-root[data-at='{at}']"))
        page.wait_for_timeout(PACE)
    return {COMPARE: statistics.median(steps)}


def figures(rows: dict[str, list[float]]) -> list[Figure]:
    """Return what was measured beside its target."""
    frame = statistics.median(rows[FRAME])
    return [
        Figure(
            name,
            rows[name],
            "MB" if name == MEMORY else "s",
            target=target,
            floor=frame if name == FIRST else None,
            against="Streamlit's empty frame" if name == FIRST else "",
        )
        for name, target in TARGETS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--results", type=int, default=RESULTS)
    parser.add_argument("--images", type=int, default=IMAGES)
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
        measured = figures(measure(found, asked.rounds))
    if (asked.results, asked.images) == (RESULTS, IMAGES):
        keep(Path(__file__).stem, measured)
    else:
        print("\n".join(map(told, measured)))


if __name__ == "__main__":
    main()
