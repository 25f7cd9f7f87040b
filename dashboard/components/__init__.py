"""Our own parts of a page; registered once, when this is imported."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
NAMES = ("board", "grid", "duel", "vote")


def source(name: str) -> str:
    """Return a component's script with what all of them use."""
    return "\n".join((HERE / f"{each}.js").read_text(encoding="utf-8") for each in ("kit", name))


def style() -> str:
    return (HERE / "style.css").read_text(encoding="utf-8")


board, grid, duel, vote = (
    st.components.v2.component(f"harness.{name}", js=source(name), css=style()) for name in NAMES
)
