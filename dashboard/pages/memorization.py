"""Images beside their nearest training pictures, and the threshold above which one is a copy."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, components, session
from harness.records import column_of
from harness.report.numbers import or_dash
from harness.views import memorization
from harness.views.memorization import Likeness
from harness.views.reports_index import Entry

SHOWN = 24


def main() -> None:
    board = session.choose_board("Memorization")
    entries = session.entries_on(board)
    flagged = [
        number
        for number, each in enumerate(entries)
        if each.result and any(score.flag for score in each.result.scores)
    ]
    one = session.choose_entry("Result", "id", entries, flagged[0] if flagged else 0)
    likenesses = memorization.likenesses(session.index(), one)
    if not likenesses:
        session.stop_with_hint(
            "This result has no similarities to training pictures. Its benchmark names no "
            "originals, or an older version scored it.",
            session.command_for(one),
        )
    names = [each.metric for each in likenesses]
    metric = session.choose_option("Metric", "metric", names, names.index(first(one, names)))
    likeness = likenesses[names.index(metric)]
    threshold = shares(likeness)
    st.altair_chart(
        charts.likeness(likeness, threshold),
        key="likeness",
        alt=f"similarity of {one.recipe}'s images to training pictures",
    )
    st.caption(
        "Grey: held-out pictures, which no recipe trained on. One in a hundred of them is above "
        "the metric's own threshold."
    )
    pairs(one, likeness, threshold)


def first(one: Entry, names: list[str]) -> str:
    """Return the metric that found copies, or else the first one."""
    flagged = (
        [column_of(score.metric) for score in one.result.scores if score.flag] if one.result else []
    )
    return next((name for name in names if name in flagged), names[0])


def shares(likeness: Likeness) -> float:
    """Return the chosen threshold, and show how many pictures are above it."""
    known = [*likeness.values.tolist(), *likeness.null.tolist(), likeness.threshold]
    low, high = min(*known, 0.999), max(*known, 1.0)
    threshold: float = st.slider(
        "Threshold",
        low,
        high,
        likeness.threshold,
        0.0005,
        format="%.4f",
        key="threshold",
        bind="query-params",
    )
    across = st.columns(3)
    own, held_out = likeness.share(threshold), likeness.null_share(threshold)
    across[0].metric("Images above it", or_dash(own, ".1%"), border=True)
    across[1].metric("Held-out pictures above it", or_dash(held_out, ".1%"), border=True)
    across[2].metric("The metric's own threshold", f"{likeness.threshold:.4f}", border=True)
    return threshold


def pairs(one: Entry, likeness: Likeness, threshold: float) -> None:
    """Show the most similar pairs: image left, training picture right."""
    st.subheader("The most similar pairs")
    nearest = [
        pair
        for pair in memorization.nearest_pairs(session.index(), one, likeness, 0, SHOWN)
        if pair["shots"][0]["src"]
    ]
    if not nearest:
        session.stop_with_hint("There are no pictures of this result.", session.command_for(one))
    for pair in nearest:
        mark = "above" if pair["likeness"] > threshold else "below"
        pair["note"] = (
            f"cosine similarity {pair['likeness']:.4f}, {mark} the threshold; "
            f"original {pair['other']}: {pair['caption']}"
        )
        pair["scores"] = []
    labels = ["image", "nearest training picture"]
    components.compare(
        key="copies",
        data={"pairs": nearest, "labels": labels, "at": 0, "mode": "side", "side": 360},
    )


main()
