"""Pictures at the same prompts and seeds, side by side."""

from __future__ import annotations

import streamlit as st

from dashboard import components, house, running
from harness.records import column_of
from harness.views import curves, grids
from harness.views.grids import AXES, Layout
from harness.views.shelf import Held

LEADERBOARD = "the leaderboard"


def main() -> None:
    held, metrics = chosen()
    running.strip()
    if not held:
        st.info("Choose a result or more.")
        return
    found = grids.subjects(
        house.shelf(),
        held,
        st.text_input("Prompt", key="words", bind="query-params", placeholder="words of a prompt"),
    )
    if not found.prompts:
        house.nothing("No pictures of these are at hand.", house.again(held[0]))
    layout, found, side = lay_out(found, metrics)
    many = grids.pages(layout, found)
    page = st.pagination(many, key="page", bind="query-params") if many > 1 else 1
    sheet = grids.grid(house.shelf(), found, grids.turned(layout, page))
    components.grid(key="grid_sheet", data={**sheet, "side": side})


def chosen() -> tuple[list[Held], list[str]]:
    """Return the results to show, of a board or of a sweep, and the metrics that they have."""
    swept = house.shelf().sweeps()
    source = st.session_state.get("from") or st.query_params.get("from", LEADERBOARD)
    if source in swept:
        st.title("Grid")
    else:
        board = house.board("Grid")
    if swept:
        st.selectbox(
            "From",
            [LEADERBOARD, *swept],
            key="from",
            bind="query-params",
            help="A sweep lays strengths or checkpoints side by side.",
        )
    if source not in swept:
        return house.some(house.on_board(board)), [column_of(metric) for metric in board.metrics]
    sweeps = curves.sweeps(house.shelf(), source)
    if not sweeps:
        house.nothing("Its results cannot be read.", f"harness sweep {source}")
    names = curves.labels(sweeps)
    points = list(sweeps[names.index(house.word("Over", "over", names))].held)
    scores = points[0].result.scores if points and points[0].result else ()
    return points, [column_of(score.metric) for score in scores]


def lay_out(found: grids.Subjects, metrics: list[str]) -> tuple[Layout, grids.Subjects, int]:
    """Return what goes where."""
    across = st.columns([1, 1, 1.2, 1.4, 1.2, 1])
    down = across[0].selectbox("Down", AXES, 0, key="down", bind="query-params")
    rest = [axis for axis in AXES if axis != down]
    over = across[1].selectbox(
        "Across",
        rest,
        0 if "recipe" not in rest else rest.index("recipe"),
        key="across",
        bind="query-params",
    )
    names = [str(seed) for seed in found.seeds]
    seeds = across[2].multiselect("Seeds", names, names[:1], key="seeds", bind="query-params")
    overlay = across[3].selectbox(
        "Overlay", ["none", *dict.fromkeys(metrics)], key="overlay", bind="query-params"
    )
    side = across[4].select_slider(
        "Size", [64, 96, 128, 192, 256], 128, key="size", bind="query-params"
    )
    third = next(axis for axis in AXES if axis not in (down, over))
    stacked = across[5].toggle(
        f"Stack {third}s",
        key="stacked",
        bind="query-params",
        help="A grid of grids: one for every value of the third axis.",
    )
    kept = tuple(int(seed) for seed in seeds) or found.seeds[:1]
    if "seed" in (down, over):
        kept = tuple(int(seed) for seed in seeds) if len(seeds) > 1 else found.seeds
    shown = grids.Subjects(found.held, found.prompts, kept)
    return Layout(down, over, stacked, "" if overlay == "none" else overlay), shown, side


main()
