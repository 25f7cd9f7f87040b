"""Draw the pictures of README and docs/ again: `python -m tools.pictures [NAME…]`."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboard_server import serving

from tools.pictures.camera import Camera, chromium, save_film, save_png
from tools.pictures.shots import COMPARISON, SHOTS
from tools.pictures.world import ROOT, prepared

OUT = ROOT / "docs" / "pictures"
ENDINGS = {"light": "", "dark": "-dark"}


def main(names: list[str], out: Path = OUT) -> None:
    world = prepared(ROOT / ".harness" / "pictures")
    wanted = names or [*SHOTS, "compare"]
    with serving(world.reports, world.store, write=True) as server, chromium() as browser:
        for theme, ending in ENDINGS.items():
            camera = Camera(browser, world, server, theme)
            for name in wanted:
                if name == "compare":
                    file = out / f"compare{ending}.webp"
                    save_film(camera.film(COMPARISON), file)
                else:
                    file = out / f"{name}{ending}.png"
                    save_png(camera.picture(SHOTS[name]), file)
                print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1000:,.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
