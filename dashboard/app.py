"""The dashboard's server: Streamlit's pages, and pictures at addresses of their own.

`harness dashboard` starts it; so does `streamlit run dashboard/app.py`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from dashboard import house, media  # noqa: E402


@asynccontextmanager
async def reading_ahead(_: Any) -> AsyncGenerator[None]:
    """Read the results while nobody waits for them yet."""
    threading.Thread(target=house.shelf().warm, daemon=True).start()
    yield


app = st.App(HERE / "main.py", routes=media.routes(), lifespan=reading_ahead)
