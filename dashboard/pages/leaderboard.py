"""Who is ahead, and by how much that is known."""

from __future__ import annotations

import data
import streamlit as st

from harness.errors import HarnessError

st.title("Leaderboard")
try:
    boards = data.boards()
except HarnessError as error:
    st.info(f"{error}")
    st.code("harness demo", language="bash")
    st.stop()
names = [data.label(board) for board in boards]
board = boards[names.index(st.selectbox("Board", names, bind="query-params", key="board"))]
st.caption(
    f"Ranked by {board.ranked_by}. Rows that cannot be told apart share a rank; "
    "only rows with one signature stand together."
)
table = data.table(board)
st.dataframe(table, hide_index=True, width="stretch")
st.download_button("CSV", table.to_csv(index=False), "leaderboard.csv", on_click="ignore")
st.subheader("The same prompt and seed under every recipe")
shown = data.pictures(board, limit=24)
if shown.rows:
    st.html(data.picture_table(shown))
else:
    st.info("The images are not in this store; `harness run` makes them again.")
