"""The dashboard's server: the views, and pictures at addresses of their own.

`harness dashboard` starts it with the folder above this one on Python's path.
"""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from dashboard import guard, media, session
from dashboard.frontend import Frontend
from harness.views import leaderboard

HERE = Path(__file__).parent

FIRST = (
    "dashboard.charts",
    "dashboard.components",
    "dashboard.running",
    "streamlit.emojis",
)
"""Modules that are loaded before the first visitor comes."""
LATER = ("harness.views.comparison", "harness.views.grids", "harness.views.sweeps", "pandas")
"""Modules of other views, which are loaded when the first visitor looks at what has come."""
QUIET = 3.0
"""Seconds without a question of a visitor, after which the server goes on with work ahead."""


@asynccontextmanager
async def reading_ahead(_: Any) -> AsyncGenerator[None]:
    """Read the results before the first visitor comes; read what filters need in the background."""
    for name in FIRST:
        importlib.import_module(name)
    for board in session.index().boards():
        leaderboard.group_names(board)
    keep()
    threading.Thread(target=_read_on, daemon=True).start()
    yield


def _read_on() -> None:
    session.index().wait_for_quiet(QUIET)
    for name in LATER:
        importlib.import_module(name)
    session.index().read_ahead(QUIET)
    keep()


def keep() -> None:
    """Keep what was read out of garbage collection, which follows every run of a view."""
    gc.collect()
    gc.freeze()


app = st.App(
    HERE / "pages/main.py",
    routes=media.routes(),
    middleware=[*guard.middleware(), Middleware(Frontend)],
    lifespan=reading_ahead,
)
