"""Results beside their accepted baselines: the gate's answer, and what lost most."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, components, house
from harness.api import verdicts
from harness.errors import HarnessError
from harness.views import regressions
from harness.views.shelf import Held

COLOURS = {"pass": "green", "fail": "red", "under-powered": "yellow"}
ICONS = {
    "pass": ":material/check:",
    "fail": ":material/close:",
    "under-powered": ":material/question_mark:",
}


def main() -> None:
    st.title("Regressions")
    watched = regressions.watched(house.shelf())
    if not watched:
        house.nothing("No baseline was accepted yet.", "harness gate pocket-ninja --accept")
    names = [each.baseline.name.removeprefix("baselines/") for each in watched]
    name = st.selectbox("Baseline", names, key="baseline", bind="query-params")
    chosen = watched[names.index(name)]
    candidates = [
        each
        for each in house.shelf().held()
        if each.result is not None and each.file.parent.name == chosen.baseline.file.parent.name
    ]
    if chosen.baseline.result is None:
        st.error(house.words(chosen.baseline.problem))
        return
    if not candidates:
        house.nothing("There is no result to hold to it.", f"harness run {chosen.baseline.recipe}")
    own = [each.recipe for each in candidates]
    match = chosen.baseline.recipe
    default = own.index(match) if match in own else 0
    candidate = house.one("Candidate", "candidate", candidates, default)
    verdict(candidate, chosen.baseline)
    past(candidate)


def verdict(candidate: Held, baseline: Held) -> None:
    try:
        found = regressions.judged(house.shelf(), candidate, baseline, house.workspace())
    except HarnessError as error:
        st.warning(house.words(str(error)))
        return
    answer = found.gate.verdict
    st.badge(answer, color=COLOURS[answer], icon=ICONS[answer])  # type: ignore[arg-type]
    st.text(found.headline)
    for remark in found.remarks:
        st.caption(house.words(remark))
    st.dataframe(
        pd.DataFrame(found.checks),
        hide_index=True,
        alt=found.headline,
        column_config={
            "p": st.column_config.NumberColumn(format="%.3f"),
            "margin": st.column_config.NumberColumn(format="%.3g"),
        },
    )
    decide(candidate)
    st.subheader("What lost most")
    if found.worst:
        labels = ["baseline", "candidate"]
        components.compare(
            key="worst",
            data={"pairs": list(found.worst), "labels": labels, "at": 0, "mode": "slider"},
        )
    else:
        st.text("no image lost in a metric of images")


def decide(candidate: Held) -> None:
    """Accept the candidate as the new baseline, or keep the old one, with a note."""
    if not house.may_write():
        st.caption("Read only. `harness dashboard --allow-write` accepts here; so does")
        st.code(f"harness gate {candidate.recipe} --accept", language="bash")
        return
    with st.form("decide", border=True):
        note = st.text_input("Why", key="note", max_chars=400)
        with st.container(horizontal=True):
            accepted = st.form_submit_button(
                "Accept",
                type="primary",
                help=house.words(
                    f"{candidate.recipe} becomes its own baseline, a file below "
                    "baselines/ that is to be committed."
                ),
            )
            kept = st.form_submit_button("Keep", help="Every baseline stays, with a note.")
    if accepted:
        file = verdicts.accept(str(candidate.file), None, house.workspace(), note=note)
        st.success(house.words(f"accepted: {file}"))
    elif kept:
        verdicts.keep(candidate.file, house.workspace(), note)
        st.success("kept")


def past(candidate: Held) -> None:
    """Show the recipe's gates and baselines over time."""
    events, steps, problem = regressions.past(house.shelf(), candidate)
    if problem:
        st.warning(house.words(problem))
    if not events:
        return
    st.subheader("Over time")
    names = list(dict.fromkeys(name for event in events for name in event.values))
    metric = st.selectbox("Metric", names, key="metric", bind="query-params")
    st.altair_chart(charts.past(events, metric), key="past", alt=f"{metric} of {candidate.recipe}")
    for step in steps:
        st.caption(house.words(f"{step.metric} at {step.at}: {step.before:.4g} → {step.after:.4g}"))
    rows = [
        {"at": each.at, "outcome": each.outcome, "note": each.note, "commit": each.commit or "–"}
        for each in reversed(events)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="events")


main()
