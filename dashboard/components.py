"""The dashboard's own components, registered once with Streamlit when this is imported."""

from __future__ import annotations

import streamlit as st

from harness.views.components import script, style

NAMES = ("board", "grid", "compare", "vote")

board, grid, compare, vote = (
    st.components.v2.component(f"harness.{name}", js=script(name), css=style()) for name in NAMES
)
