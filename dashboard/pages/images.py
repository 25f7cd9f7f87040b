"""Every image with all its scores: sorted and filtered, outliers too."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, components, session
from harness.views import images, leaderboard
from harness.views.images import Filter
from harness.views.reports_index import Entry

PAGE = 60
ALL = "all prompts"


def main() -> None:
    board = session.choose_board("Images")
    entries = session.choose_entries(session.entries_on(board), default=2)
    if not entries:
        st.info("Choose one or more results.")
        return
    rows = images.frame(session.index(), entries)
    metrics = images.metrics_of(rows)
    if not metrics:
        session.stop_with_hint(
            "There are no scores of single images.", session.command_for(entries[0])
        )
    wanted = choose(metrics, leaderboard.groups_on(board))
    chosen = images.filtered(rows, wanted)
    st.caption(f"{len(chosen):,} of {len(rows):,} images")
    view = st.segmented_control(
        "Show as",
        ["Pictures", "Table", "Scatter"],
        default="Pictures",
        key="shown",
        bind="query-params",
        required=True,
    )
    if chosen.empty:
        st.info("No image passes these filters.")
    elif view == "Table":
        table(chosen)
    elif view == "Scatter":
        scatter(chosen, metrics)
    else:
        pictures(entries, chosen, wanted.sort)


def choose(metrics: list[str], groups: dict[str, tuple[str, ...]]) -> Filter:
    """Return which images to show, and in what order."""
    across = st.columns(3)
    words = across[0].text_input(
        "Words", key="words", bind="query-params", placeholder="words of a prompt or recipe"
    )
    names = list(dict.fromkeys(name for each in groups.values() for name in each))
    group = across[1].selectbox("Prompts", [ALL, *names], key="group", bind="query-params")
    sort = across[2].selectbox("Sort by", metrics, key="sort", bind="query-params")
    with st.container(horizontal=True):
        falling = st.toggle("Highest first", key="falling", bind="query-params")
        odd = st.toggle(
            "Outliers only",
            key="odd",
            bind="query-params",
            help=f"{images.ODD:g} robust standard deviations or more from the median of a metric",
        )
    inside = (
        None
        if group == ALL
        else frozenset(prompt for prompt, names in groups.items() if group in names)
    )
    return Filter(words or "", inside, sort, falling, odd)


def pictures(entries: list[Entry], chosen: pd.DataFrame, overlay: str) -> None:
    many = max(1, -(-len(chosen) // PAGE))
    page = st.pagination(many, key="page", bind="query-params") if many > 1 else 1
    shown = chosen.iloc[(min(page, many) - 1) * PAGE : min(page, many) * PAGE]
    cells = images.cells(session.index(), entries, shown, overlay)
    components.grid(
        key="cards",
        data={
            "flow": True,
            "columns": [],
            "rows": [],
            "side": 160,
            "panels": [{"title": None, "rows": [cells]}],
        },
    )


def table(chosen: pd.DataFrame) -> None:
    session.show_table(
        chosen.drop(columns="result"),
        height=640,
        alt="images and scores",
        column_config={"recipe": st.column_config.TextColumn(pinned=True)},
    )


def scatter(chosen: pd.DataFrame, metrics: list[str]) -> None:
    across = st.columns(2)
    x = across[0].selectbox("Across", metrics, 0, key="x", bind="query-params")
    y = across[1].selectbox("Up", metrics, min(1, len(metrics) - 1), key="y", bind="query-params")
    st.altair_chart(charts.scatter(chosen, x, y), key="scatter", alt=f"images on {x} and {y}")


main()
