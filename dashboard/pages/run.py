"""One run: its scores, recipe, training time and environment, and the command that repeats it."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, components, running, session
from harness.records import Result
from harness.report.numbers import cell
from harness.report.probe import verdict
from harness.views import grids, probes, runs
from harness.views.grids import Layout
from harness.views.reports_index import Entry


def main() -> None:
    st.title("Run")
    running.strip()
    entries = [each for each in session.index().entries() if each.result is not None]
    session.show_unreadable(session.index().entries())
    if not entries:
        session.stop_with_hint("There are no results here yet.", "harness demo")
    one = session.choose_entry("Result", "id", entries, whole=True)
    assert one.result is not None
    result = one.result
    st.text(result.summary)
    head(result)
    st.caption("This command repeats the run")
    st.code(runs.command(result), language="bash")
    names = ("Scores", "Recipe", "Training", "Environment", "Pictures")
    tabs = st.tabs(names, key="tab", bind="query-params", on_change="rerun")
    for tab, show in zip(tabs, (scores, recipe, training, environment, pictures), strict=True):
        if tab.open:
            with tab:
                show(one, result)


def head(result: Result) -> None:
    facts = runs.efficiency(result)
    images, seconds = result.images, facts.get("train_seconds")
    memory, each = facts.get("train_peak_memory_mb"), facts.get("seconds_an_image")
    numbers = {
        "Images scored": f"{images.scored} of {images.expected}",
        "Training seeds": str(len(result.training_seeds) or "–"),
        "Training time": f"{seconds:,.0f} s" if seconds else "–",
        "Peak memory": f"{memory:,} MB" if memory else "–",
        "Time per image": f"{each:.3g} s" if each else "–",
    }
    with st.container(horizontal=True):
        for label, value in numbers.items():
            st.metric(label, value, border=True, width=210)
    for score in result.scores:
        if score.flag:
            st.warning(session.escaped(f"{score.metric}: {score.flag}"), icon=":material/flag:")


def scores(one: Entry, result: Result) -> None:
    rows = [
        {
            "metric": f"{each.metric} {'↑' if each.higher_is_better else '↓'}",
            "family": each.family,
            "value": cell(each),
            "N": str(each.n or "–"),
            "the bare base": f"{each.base.value:.4g}" if each.base else "–",
            "notes": "; ".join(each.notes),
        }
        for each in result.scores
    ]
    session.show_table(rows, alt=f"scores of {one.recipe}", height="content")
    scope = "any training of the recipe" if result.interval == "recipe" else "this file"
    st.caption(session.escaped(f"Signature {result.signature}. Intervals hold for {scope}."))
    for name in result.images.named:
        st.text(name)


def recipe(one: Entry, result: Result) -> None:
    page = runs.page(result)
    if page:
        st.code(page, language="yaml")
    else:
        st.info("This result does not keep its recipe. Run it again to see it here.")
    with st.expander("Protocol: how it was judged"):
        st.code(runs.yaml(result.protocol), language="yaml")


def training(one: Entry, result: Result) -> None:
    curve = runs.losses(result)
    if curve:
        st.altair_chart(charts.losses(curve), key="losses", alt=f"loss of {one.recipe}")
    else:
        st.info("There are no losses: nothing was trained for this result, or they were not kept.")
    probe(one, result)
    spent = runs.times(result)
    if spent:
        st.subheader("Time by stage")
        st.altair_chart(charts.times(spent), key="times", alt=f"seconds by stage of {one.recipe}")
    downloads = runs.downloads(session.index(), one)
    if downloads:
        st.subheader("Downloads")
        for each in downloads:
            st.link_button(f"{each.label} ({each.megabytes:g} MB)", each.address)
    elif result.origin == "trained":
        st.caption("This store does not have the weights.")


def probe(one: Entry, result: Result) -> None:
    """Show what the loss probe says: the gain by timestep and tag, the member test by step."""
    if result.probe is None or not result.probe.steps:
        return
    st.subheader("Loss probe")
    end = result.probe.steps[-1]
    st.text(f"At the end: {verdict(end)}.")
    left, right = st.columns(2)
    times, steps, tags = probes.by_timestep(result), probes.by_step(result), probes.by_tag(result)
    if times:
        alt = f"gain by timestep of {one.recipe}"
        left.altair_chart(charts.gains(times), key="gains", alt=alt)
    if steps:
        alt = f"member test by step of {one.recipe}"
        right.altair_chart(charts.members(steps), key="members", alt=alt)
    if tags:
        with st.expander("Gain by tag"):
            shown = [{**each, "gain, %": each.pop("value")} for each in tags]
            session.show_table(shown, alt="gain by tag")


def environment(one: Entry, result: Result) -> None:
    rows = [{"what": name, "value": value} for name, value in runs.environment(result).items()]
    session.show_table(rows, alt="environment")
    with st.expander("Keys of the steps"):
        keys = [{"step": name, "key": key} for name, key in result.keys.items()]
        session.show_table(keys, alt="keys")


def pictures(one: Entry, result: Result) -> None:
    subjects = grids.subjects(session.index(), [one])
    if not subjects.prompts:
        session.stop_with_hint("There are no pictures of this result.", runs.command(result))
    layout = Layout("prompt", "seed")
    many = grids.pages(layout, subjects)
    page = st.pagination(many, key="page", bind="query-params") if many > 1 else 1
    components.grid(
        key="run_sheet", data=grids.grid(session.index(), subjects, grids.turned(layout, page))
    )


main()
