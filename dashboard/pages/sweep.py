"""A recipe at many strengths or checkpoints: which to take, and where copies begin."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, components, session
from harness.decisions.advice import place
from harness.escaping import command
from harness.views import grids, sweeps
from harness.views.grids import Layout
from harness.views.sweeps import Sweep


def main() -> None:
    st.title("Sweep")
    swept = session.index().swept_recipes()
    if not swept:
        session.stop_with_hint("There is no sweep here yet.", "harness sweep pocket-ninja")
    recipe = st.selectbox("Recipe", swept, key="swept", bind="query-params")
    all_sweeps = sweeps.sweeps_of(session.index(), recipe)
    if not all_sweeps:
        session.stop_with_hint(
            "The results of this sweep cannot be read.", command("sweep", recipe)
        )
    names = sweeps.labels(all_sweeps)
    sweep = all_sweeps[names.index(session.choose_option("Over", "over", names))]
    advice(sweep)
    lines(sweep)
    strip(sweep)


def advice(sweep: Sweep) -> None:
    if sweep.advice is not None:
        show = st.info if sweep.advice.at is None else st.success
        at = "none" if sweep.advice.at is None else f"{sweep.over} {place(sweep.advice.at)}"
        show(session.escaped(f"Take {at}: {sweep.advice.reason}"))
    flagged = ", ".join(f"{at:g}" for at in sweeps.copying_points(sweep))
    if flagged:
        st.warning(session.escaped(f"Copies of training pictures at {sweep.over} {flagged}"))


def lines(sweep: Sweep) -> None:
    """Draw a line per metric with its interval, and say what the signs mean."""
    rows, names = sweeps.rows(sweep), sweeps.metrics_of(sweep)
    shown = st.multiselect("Metrics", names, names[:6], key="metrics", bind="query-params")
    st.caption(
        "Diamond: take this. Green circle: cannot be told apart from it. Triangle: left out. "
        "Square: the bare base. Intervals hold for all points together, 19 times in 20."
    )
    for words in sweeps.barred_of(sweep):
        st.caption(session.escaped(words))
    across = st.columns(2)
    for number, metric in enumerate(shown):
        across[number % 2].altair_chart(
            charts.sweep(rows, metric, sweep.over),
            key=f"sweep-{metric}",
            alt=f"{metric} of {sweep.recipe} over {sweep.over}",
        )


def strip(sweep: Sweep) -> None:
    """Show the same prompt and seed at every point."""
    subjects = grids.subjects(session.index(), sweep.entries)
    if not subjects.prompts:
        st.info("There are no pictures. This command makes them again:")
        st.code(command("sweep", sweep.recipe, options=["--over", sweep.over]), language="bash")
        return
    across = st.columns([3, 1])
    prompt = across[0].selectbox("Prompt", subjects.prompts, key="prompt", bind="query-params")
    seed = across[1].selectbox(
        "Seed", [str(each) for each in subjects.seeds], key="seed", bind="query-params"
    )
    one = grids.Subjects(subjects.entries, (prompt,), (int(seed),))
    sheet = grids.grid(session.index(), one, Layout())
    sheet["columns"] = [{"head": f"{at:g}", "text": ""} for at in sweep.points]
    components.grid(key="sweep_strip", data={**sheet, "side": 128})


main()
