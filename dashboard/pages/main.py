"""The list of views, and the frame around them.

This script is inside `pages/` because Streamlit reads a folder `pages` beside its main script by
itself, and would then show a view without this frame.
"""

from __future__ import annotations

import streamlit as st

PAGES = (
    ("leaderboard", "Leaderboard", ":material/leaderboard:"),
    ("grid", "Grid", ":material/grid_view:"),
    ("compare", "Compare", ":material/compare:"),
    ("sweep", "Sweep", ":material/show_chart:"),
    ("run", "Run", ":material/science:"),
    ("regressions", "Regressions", ":material/rule:"),
    ("memorization", "Memorization", ":material/content_copy:"),
    ("blame", "Blame", ":material/person_search:"),
    ("images", "Images", ":material/photo_library:"),
    ("arena", "Arena", ":material/how_to_vote:"),
    ("catalogue", "Catalogue", ":material/menu_book:"),
)

TIGHT = """<style>
.stMainBlockContainer { padding: 4rem 2.5rem 2rem; }
h1 { font-size: 1.7rem !important; padding: .2rem 0 .4rem !important; }
h3 { font-size: 1.15rem !important; padding-top: 1rem !important; }
</style>"""

st.set_page_config(page_title="harness", page_icon="🎯", layout="wide")
st.html(TIGHT)
st.navigation(
    [
        st.Page(f"{name}.py", title=title, icon=icon, url_path=name, default=not number)
        for number, (name, title, icon) in enumerate(PAGES)
    ],
    position="top",
).run()
