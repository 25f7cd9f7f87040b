"""A browser that takes pictures when a view stands still, and files that are as small as may be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from browsing import browser_path, painted
from dashboard_server import Server
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from harness.data.opening import image_of
from harness.errors import MissingPrerequisite
from tools.pictures.shots import Shot
from tools.pictures.world import World

PATIENCE = 90_000
SCALE = 1.25
"""Points of the picture for each of the page."""
QUIET = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  if (!app) return true;
  const busy = '[data-testid=stStatusWidget], [data-testid=stSkeleton]';
  const rests = app.dataset.testScriptState === 'notRunning'
    && app.dataset.testConnectionState === 'CONNECTED' && !document.querySelector(busy);
  window.quiet = rests ? (window.quiet ?? 0) + 1 : 0;
  return window.quiet > 8;
}"""
FRAMES, SECONDS = 28, 3.5
"""Of the comparison under the slider, there and back."""
SHORT_OF_THE_EDGE = 0.04
"""The share of the pair's width at which the slider turns."""


@dataclass(frozen=True)
class Camera:
    """A browser in one theme, before the dashboard and the pages."""

    browser: Browser
    world: World
    dashboard: Server
    theme: str

    @contextmanager
    def at(self, shot: Shot) -> Iterator[Page]:
        """Open a view and wait until it stands."""
        page = self.browser.new_page(
            viewport={"width": shot.width, "height": shot.height},
            color_scheme="dark" if self.theme == "dark" else "light",
            device_scale_factor=SCALE,
        )
        page.set_default_timeout(PATIENCE)
        if shot.place == "voting":
            page.goto(self.dashboard.link)
        files = {"trend": self.world.trend, "card": self.world.card}
        file = files.get(shot.place)
        page.goto(f"{self.dashboard.url}/{shot.link}" if file is None else file.as_uri())
        page.wait_for_selector("h1")
        if shot.stands:
            painted(page, shot.stands)
        rest(page)
        shot.before(page)
        rest(page)
        yield page
        page.close()

    def picture(self, shot: Shot) -> Image.Image:
        with self.at(shot) as page:
            png = page.locator(shot.of).first.screenshot() if shot.of else page.screenshot()
        return cut(png, shot)

    def film(self, shot: Shot) -> list[Image.Image]:
        """Move the slider of a comparison from one side to the other and back."""
        with self.at(shot) as page:
            root, slider = page.locator(shot.of).first, page.get_by_role("slider").first
            frame = slider.bounding_box()
            assert frame is not None
            pictures = []
            for number in range(FRAMES):
                along = 0.5 - 0.5 * math.cos(2 * math.pi * number / FRAMES)
                share = SHORT_OF_THE_EDGE + (1 - 2 * SHORT_OF_THE_EDGE) * along
                page.mouse.move(frame["x"] + share * frame["width"], frame["y"] + 60)
                page.wait_for_timeout(60)
                pictures.append(cut(root.screenshot(), shot))
        return pictures


def cut(png: bytes, shot: Shot) -> Image.Image:
    """Return the upper part of what was taken, as far as it is shown."""
    picture = image_of(png).convert("RGB")
    height = picture.height if shot.cut is None else round(SCALE * shot.cut)
    return picture.crop((0, 0, picture.width, min(picture.height, height)))


def rest(page: Page) -> None:
    """Wait until Streamlit has nothing more to say, and letters and pictures are there."""
    page.evaluate("window.quiet = 0")
    page.wait_for_function(QUIET, polling=100)
    page.evaluate("document.fonts.ready")
    page.wait_for_function("[...document.images].every((image) => image.complete)")


@contextmanager
def chromium() -> Iterator[Browser]:
    path = browser_path()
    if path is None:
        raise MissingPrerequisite("pictures need a browser", hint="apt install chromium")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def save_png(picture: Image.Image, file: Path) -> None:
    """Write a picture in 256 colours, which a page of one theme hardly exceeds."""
    picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def save_film(pictures: list[Image.Image], file: Path) -> None:
    each = round(1000 * SECONDS / len(pictures))
    first, *others = pictures
    first.save(
        file, save_all=True, append_images=others, duration=each, loop=0, quality=60, method=6
    )
