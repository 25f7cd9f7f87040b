"""The dashboard's front door: `harness dashboard` starts it."""

from __future__ import annotations

import streamlit as st

st.set_page_config(page_title="harness", page_icon="🎯", layout="wide")
st.navigation(
    [st.Page("pages/leaderboard.py", title="Leaderboard", url_path="leaderboard", default=True)],
    position="top",
).run()
