"""The pictures of README and docs/: the dashboard and the pages, drawn in a real browser.

    python -m tools.pictures [NAME…]     all of them, or those named, light and dark

They go to docs/pictures/. `world.py` makes what they show, `shots.py` says which views they are,
`camera.py` takes them. Chromium has to be installed.
"""
