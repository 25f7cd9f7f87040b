"""Results beside their accepted baselines: the gate's verdict, and the images that lost most."""

from __future__ import annotations

import streamlit as st

import harness
from dashboard import charts, components, session
from harness.api.decide import keep
from harness.errors import HarnessError
from harness.escaping import command
from harness.views import regressions
from harness.views.reports_index import Entry

COLOURS = {"pass": "green", "fail": "red", "under-powered": "yellow"}
ICONS = {
    "pass": ":material/check:",
    "fail": ":material/close:",
    "under-powered": ":material/question_mark:",
}


def main() -> None:
    st.title("Regressions")
    watched = regressions.baseline_pairs(session.index())
    if not watched:
        session.stop_with_hint(
            "There is no accepted baseline yet.", "harness gate pocket-ninja --accept"
        )
    names = [each.baseline.name.removeprefix("baselines/") for each in watched]
    name = st.selectbox("Baseline", names, key="baseline", bind="query-params")
    chosen = watched[names.index(name)]
    candidates = [
        each
        for each in session.index().entries()
        if each.result is not None
        and each.file.path.parent.name == chosen.baseline.file.path.parent.name
    ]
    if chosen.baseline.result is None:
        st.error(session.escaped(chosen.baseline.problem))
        return
    if not candidates:
        session.stop_with_hint(
            "There is no result to compare with this baseline.",
            command("run", chosen.baseline.recipe),
        )
    own = [each.recipe for each in candidates]
    match = chosen.baseline.recipe
    default = own.index(match) if match in own else 0
    candidate = session.choose_entry("Candidate", "candidate", candidates, default)
    verdict(candidate, chosen.baseline)
    past(candidate)


def verdict(candidate: Entry, baseline: Entry) -> None:
    try:
        judged = regressions.verdict_on(session.index(), candidate, baseline, session.workspace())
    except HarnessError as error:
        st.warning(session.escaped(str(error)))
        return
    answer = judged.gate.verdict
    st.badge(answer, color=COLOURS[answer], icon=ICONS[answer])  # type: ignore[arg-type]
    st.text(judged.headline)
    for remark in judged.remarks:
        st.caption(session.escaped(remark))
    session.show_table(judged.checks, alt=judged.headline)
    decide(candidate)
    st.subheader("The images that lost most")
    if judged.worst:
        labels = ["baseline", "candidate"]
        components.compare(
            key="worst",
            data={"pairs": list(judged.worst), "labels": labels, "at": 0, "mode": "slider"},
        )
    else:
        st.text("No image lost in a metric of single images.")


def decide(candidate: Entry) -> None:
    """Accept the candidate as the new baseline, or keep the old one, with a note."""
    if not session.may_write():
        st.caption(
            "This server may not accept baselines. `harness dashboard --allow-write` may; so may"
        )
        st.code(command("gate", candidate.recipe, options=["--accept"]), language="bash")
        return
    with st.form("decide", border=True):
        note = st.text_input("Reason", key="note", max_chars=400)
        with st.container(horizontal=True):
            accepted = st.form_submit_button(
                "Accept",
                type="primary",
                help=session.escaped(
                    f"{candidate.recipe} becomes the new baseline of its recipe, a file "
                    "below baselines/. Commit it."
                ),
            )
            kept = st.form_submit_button("Keep", help="The baseline stays. The reason is recorded.")
    if accepted:
        file = harness.accept(candidate.file.path, note=note, workspace=session.workspace())
        st.success(session.escaped(f"accepted: {file}"))
    elif kept:
        keep(candidate.file.path, session.workspace(), note)
        st.success("kept")


def past(candidate: Entry) -> None:
    """Show the recipe's gates and baselines over time."""
    events, steps, problem = regressions.past(session.index(), candidate)
    if problem:
        st.warning(session.escaped(problem))
    if not events:
        return
    st.subheader("Over time")
    names = list(dict.fromkeys(name for event in events for name in event.values))
    metric = st.selectbox("Metric", names, key="metric", bind="query-params")
    st.altair_chart(charts.past(events, metric), key="past", alt=f"{metric} of {candidate.recipe}")
    for step in steps:
        st.caption(
            session.escaped(f"{step.metric} at {step.at}: {step.before:.4g} → {step.after:.4g}")
        )
    rows = [
        {"at": each.at, "outcome": each.outcome, "note": each.note, "commit": each.commit or "–"}
        for each in reversed(events)
    ]
    session.show_table(rows, alt="gates and baselines over time")


main()
