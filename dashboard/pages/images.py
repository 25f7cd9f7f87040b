"""Every image with all its scores: sorted, filtered, and the odd ones out."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, components, house
from harness.report.numbers import inert
from harness.views import images, standings
from harness.views.images import Wanted
from harness.views.shelf import Held

PAGE = 60
ALL = "all prompts"


def main() -> None:
    board = house.board("Images")
    held = house.some(house.on_board(board), default=2)
    if not held:
        st.info("Choose a result or more.")
        return
    rows = images.frame(house.shelf(), held)
    metrics = images.metrics_of(rows)
    if not metrics:
        house.nothing("No values of single images are at hand.", house.again(held[0]))
    wanted = choose(metrics, standings.groups_on(board))
    found = images.chosen(rows, wanted)
    st.caption(f"{len(found):,} of {len(rows):,} images")
    view = st.segmented_control(
        "View",
        ["Pictures", "Table", "Scatter"],
        default="Pictures",
        key="shown",
        bind="query-params",
        required=True,
    )
    if found.empty:
        st.info("No image is left; loosen the filters.")
    elif view == "Table":
        table(found)
    elif view == "Scatter":
        scatter(found, metrics)
    else:
        pictures(held, found, wanted.sort)


def choose(metrics: list[str], groups: dict[str, tuple[str, ...]]) -> Wanted:
    """Return which images are wanted, in what order."""
    across = st.columns([2, 2, 2, 1, 1])
    words = across[0].text_input(
        "Words", key="words", bind="query-params", placeholder="of prompt or recipe"
    )
    names = list(dict.fromkeys(name for each in groups.values() for name in each))
    group = across[1].selectbox("Prompts", [ALL, *names], key="group", bind="query-params")
    sort = across[2].selectbox("Sort by", metrics, key="sort", bind="query-params")
    falling = across[3].toggle("Highest first", key="falling", bind="query-params")
    odd = across[4].toggle(
        "Outliers",
        key="odd",
        bind="query-params",
        help=f"{images.ODD:g} robust standard deviations off in any metric",
    )
    inside = (
        None
        if group == ALL
        else frozenset(prompt for prompt, names in groups.items() if group in names)
    )
    return Wanted(words or "", inside, sort, falling, odd)


def pictures(held: list[Held], found: pd.DataFrame, overlay: str) -> None:
    many = max(1, -(-len(found) // PAGE))
    page = st.pagination(many, key="page", bind="query-params") if many > 1 else 1
    shown = found.iloc[(min(page, many) - 1) * PAGE : min(page, many) * PAGE]
    cells = images.cards(house.shelf(), held, shown, overlay)
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


def table(found: pd.DataFrame) -> None:
    shown = found.drop(columns="result")
    shown["text"] = shown["text"].map(inert)  # the table can be saved as CSV
    st.dataframe(
        shown,
        hide_index=True,
        height=640,
        alt="images and scores",
        column_config={"recipe": st.column_config.TextColumn(pinned=True)},
    )


def scatter(found: pd.DataFrame, metrics: list[str]) -> None:
    across = st.columns(2)
    x = across[0].selectbox("Across", metrics, 0, key="x", bind="query-params")
    y = across[1].selectbox("Up", metrics, min(1, len(metrics) - 1), key="y", bind="query-params")
    st.altair_chart(charts.scatter(found, x, y), key="scatter", alt=f"images on {x} and {y}")


main()
