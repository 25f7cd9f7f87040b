"""Visit every page of the built site in a browser: dead links, errors, what reaches out, and looks.

    python -m tools.docs.crawl [--site site] [--pictures FOLDER]

It follows every link of every page, and ends in 1 where a page or an anchor is missing, a console
says an error, a request leaves this machine, or a page is wider than its window. With --pictures
it takes ten pages in both themes. It needs Chromium.
"""

from __future__ import annotations

import argparse
import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
TAKEN = (
    "index",
    "tutorials/index",
    "how-to/import-a-config",
    "how-to/train-on-a-card",
    "reference/commands",
    "reference/pages",
    "reference/metrics",
    "reference/python",
    "explanation/validity",
    "explanation/intervals-and-gates",
)
"""The pages whose pictures are taken."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing of a request."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, and give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def crawl(browser: Browser, home: str) -> tuple[list[str], list[str]]:
    """Return every page that links lead to from the first, and everything that is wrong."""
    wrong: list[str] = []
    page = _watched(browser, home, wrong)
    anchors: dict[str, set[str]] = {}
    wanted: set[tuple[str, str, str]] = set()
    waiting = [f"{home}index.html"]
    for address in waiting:
        answer = page.goto(address, wait_until="load")
        if answer is None or not answer.ok:
            wrong.append(f"{address}: there is no such page")
            continue
        if not address.endswith(".html"):
            continue
        wrong += [f"{address}: wider than its window by {by}" for by in _overflow(page)]
        anchors[address] = set(page.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
        for link in page.eval_on_selector_all("a[href]", "all => all.map(e => e.href)"):
            target, anchor = urldefrag(urljoin(address, link))
            target = f"{target}index.html" if target.endswith("/") else target
            if target.startswith(home):
                wanted.add((address, target, anchor))
                waiting += [target] if target not in waiting and _is_page(target) else []
    page.close()
    wrong += [
        f"{address}: #{anchor} of {target} is nowhere"
        for address, target, anchor in sorted(wanted)
        if anchor and target in anchors and anchor not in anchors[target]
    ]
    return list(anchors), wrong


def _is_page(address: str) -> bool:
    """Return whether a browser shows it; other files are only downloaded."""
    return address.rpartition(".")[2] in ("html", "svg", "png")


def _watched(browser: Browser, home: str, wrong: list[str], theme: str = "light") -> Page:
    """Return a window that notes errors and requests to elsewhere."""
    page = browser.new_page(
        viewport={"width": 1400, "height": 1000},
        color_scheme="dark" if theme == "dark" else "light",
    )
    page.on(
        "console",
        lambda said: wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None,
    )
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.on(
        "request",
        lambda asked: (
            wrong.append(f"{page.url}: asks for {asked.url}")
            if asked.url.startswith("http") and not asked.url.startswith(home)
            else None
        ),
    )
    page.on(
        "response",
        lambda got: (
            wrong.append(f"{page.url}: {got.status} of {got.url}") if got.status >= 400 else None
        ),
    )
    return page


def _overflow(page: Page) -> list[int]:
    """Return by how much a page is wider than its window, if it is."""
    by = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [by] if by > 0 else []


def take(browser: Browser, home: str, folder: Path) -> None:
    """Take the pictures of ten pages in both themes."""
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        page = _watched(browser, home, [], theme)
        for name in TAKEN:
            page.goto(f"{home}{name}.html", wait_until="load")
            page.screenshot(path=folder / f"{name.replace('/', '-')}-{theme}.png")
        page.close()


def main() -> None:
    """Crawl the site, and take pictures where a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--site", type=Path, default=Path("site"), help="the built site")
    parser.add_argument("--pictures", type=Path, help="where pictures of ten pages are written")
    asked = parser.parse_args()
    path = next(place for place in CHROMIUM if Path(place).exists())
    with served(asked.site) as home, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        seen, wrong = crawl(browser, home)
        if asked.pictures:
            take(browser, home, asked.pictures)
        browser.close()
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{len(seen)} pages, {len(wrong)} faults")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
