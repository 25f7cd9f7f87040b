"""Rank the results of a benchmark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from dashboard import charts, components, running, session
from harness.decisions import leaderboard as boards
from harness.report.leaderboard import as_csv
from harness.views import leaderboard
from harness.views.leaderboard import Choice

ALL = "all prompts"
ROWS = 120
"""Rows that are sent at first; more follow when a visitor scrolls."""


def main() -> None:
    board = session.choose_board("Leaderboard")
    running.strip()
    choice, sort = choose(board), st.query_params.get("sort", "rank")
    if st.session_state.get("view") == "Pareto":
        pareto(leaderboard.table(session.index(), board, choice), board)
        return
    picked = session.component_state("board_table", "picked", st.query_params.get_all("pick"))
    said = session.component_state(
        "board_table", "sort", {"by": sort.lstrip("-"), "down": sort[:1] == "-"}
    )
    most = session.component_state("board_table", "most", ROWS)
    wanted = replace(choice, sort=said["by"], falling=said["down"], most=most)
    view = leaderboard.table(session.index(), board, wanted)
    st.query_params["pick"] = picked
    st.query_params["sort"] = f"{'-' if said['down'] else ''}{said['by']}"
    actions(board, picked)
    state = components.board(
        key="board_table",
        data={**view, "picked": picked, "sort": said},
        on_picked_change=nothing,
        on_sort_change=nothing,
        on_open_change=nothing,
        on_most_change=nothing,
    )
    if state.open:
        st.switch_page("run.py", query_params={"id": state.open})


def nothing() -> None:
    """Run the view again; the component's state holds what changed."""


def choose(board: boards.Board) -> Choice:
    """Return which part of the board to show."""
    across = st.columns([2.6, 1.8, 1.8, 1.9])
    metrics = across[0].multiselect(
        "Metrics", board.metrics, board.headlines, key="metrics", bind="query-params"
    )
    group = across[1].selectbox(
        "Prompts",
        [ALL, *leaderboard.group_names(board)],
        key="prompts",
        bind="query-params",
        help="A suite or a tag: values are means over its prompts. Ranks are of all prompts.",
    )
    words = across[2].text_input(
        "Recipe", key="recipe", bind="query-params", placeholder="words of a name or summary"
    )
    across[3].segmented_control(
        "Show as",
        ["Table", "Pareto"],
        default="Table",
        key="view",
        bind="query-params",
        required=True,
    )
    return Choice(tuple(metrics), "" if group == ALL else group, words or "")


def actions(board: boards.Board, picked: list[str]) -> None:
    """Offer to compare or see the selected rows, and the whole table as CSV."""
    with st.container(horizontal=True):
        if st.button(
            "Compare",
            disabled=len(picked) < 2,
            icon=":material/compare:",
            help="Select two to six rows.",
        ):
            first, *others = (short(name) for name in picked[: session.BESIDE + 1])
            st.switch_page("compare.py", query_params={"a": first, "b": others})
        if st.button("Grid", disabled=not picked, icon=":material/grid_view:", help="Select rows."):
            st.switch_page(
                "grid.py",
                query_params={"results": [short(name) for name in picked[: session.MOST]]},
            )
        st.download_button(
            "CSV",
            lambda: as_csv([board]),
            "leaderboard.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


def short(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def pareto(view: dict[str, Any], board: boards.Board) -> None:
    """Draw the board on two metrics, with its Pareto front."""
    names = [head["name"] for head in view["metrics"]]
    if len(names) < 2:
        st.info("Choose two or more metrics.")
        return
    across = st.columns(2)
    x = across[0].selectbox("Across", names, 0, key="x", bind="query-params")
    y = across[1].selectbox("Up", names, 1, key="y", bind="query-params")
    rows = leaderboard.pareto(view, x, y)
    if x == y or not rows:
        st.info("Choose two different metrics that have values.")
        return
    up = {head["name"]: head["up"] for head in view["metrics"]}
    st.altair_chart(
        charts.pareto(rows, x, y, (up[x], up[y])),
        key="pareto",
        alt=f"{len(rows)} results on {x} and {y}",
    )
    st.caption(
        "Orange: the Pareto front. No result without a flag is better in both metrics. Whiskers: "
        "95 % intervals. Two results whose whiskers overlap may be equally good."
    )


main()
