"""Pictures at the same prompts and seeds, side by side."""

from __future__ import annotations

import streamlit as st

from dashboard import components, running, session
from harness.escaping import command
from harness.records import column_of
from harness.views import grids, sweeps
from harness.views.grids import AXES, Layout
from harness.views.reports_index import Entry

LEADERBOARD = "the leaderboard"


def main() -> None:
    entries, metrics = chosen()
    running.strip()
    if not entries:
        st.info("Choose one or more results.")
        return
    subjects = grids.subjects(
        session.index(),
        entries,
        st.text_input("Prompt", key="words", bind="query-params", placeholder="words of a prompt"),
    )
    if not subjects.prompts:
        session.stop_with_hint(
            "There are no pictures of these results.", session.command_for(entries[0])
        )
    layout, subjects, side = lay_out(subjects, metrics)
    many = grids.pages(layout, subjects)
    page = st.pagination(many, key="page", bind="query-params") if many > 1 else 1
    sheet = grids.grid(session.index(), subjects, grids.turned(layout, page))
    components.grid(key="grid_sheet", data={**sheet, "side": side})


def chosen() -> tuple[list[Entry], list[str]]:
    """Return the results to show, of a board or of a sweep, and the metrics that they have."""
    swept = session.index().swept_recipes()
    source = st.session_state.get("from") or st.query_params.get("from", LEADERBOARD)
    if source in swept:
        st.title("Grid")
    else:
        board = session.choose_board("Grid")
    if swept:
        st.selectbox(
            "From",
            [LEADERBOARD, *swept],
            key="from",
            bind="query-params",
            help="A sweep shows strengths or checkpoints side by side.",
        )
    if source not in swept:
        return session.choose_entries(session.entries_on(board)), [
            column_of(metric) for metric in board.metrics
        ]
    known = sweeps.sweeps_of(session.index(), source)
    if not known:
        session.stop_with_hint(
            "The results of this sweep cannot be read.", command("sweep", source)
        )
    names = sweeps.labels(known)
    points = list(known[names.index(session.choose_option("Over", "over", names))].entries)
    scores = points[0].result.scores if points and points[0].result else ()
    return points, [column_of(score.metric) for score in scores]


def lay_out(subjects: grids.Subjects, metrics: list[str]) -> tuple[Layout, grids.Subjects, int]:
    """Return the layout that is chosen."""
    across = st.columns([1, 1, 1.2, 1.4])
    down = across[0].selectbox("Down", AXES, 0, key="down", bind="query-params")
    rest = [axis for axis in AXES if axis != down]
    over = across[1].selectbox(
        "Across",
        rest,
        0 if "recipe" not in rest else rest.index("recipe"),
        key="across",
        bind="query-params",
    )
    names = [str(seed) for seed in subjects.seeds]
    seeds = across[2].multiselect("Seeds", names, names[:1], key="seeds", bind="query-params")
    overlay = across[3].selectbox(
        "Overlay", ["none", *dict.fromkeys(metrics)], key="overlay", bind="query-params"
    )
    third = next(axis for axis in AXES if axis not in (down, over))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        side = st.select_slider(
            "Size", [64, 96, 128, 192, 256], 128, key="size", bind="query-params", width=280
        )
        stacked = st.toggle(
            f"A grid per {third}",
            key="stacked",
            bind="query-params",
            help="Shows one grid for every value of the third axis.",
        )
    kept = tuple(int(seed) for seed in seeds) or subjects.seeds[:1]
    if "seed" in (down, over):
        kept = tuple(int(seed) for seed in seeds) if len(seeds) > 1 else subjects.seeds
    shown = grids.Subjects(subjects.entries, subjects.prompts, kept)
    return Layout(down, over, stacked, "" if overlay == "none" else overlay), shown, side


main()
