"""Images beside the training pictures they are nearest to, and how near is too near."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, components, house
from harness.records import column_of
from harness.views import copies
from harness.views.copies import Nearness
from harness.views.shelf import Held

SHOWN = 24


def main() -> None:
    board = house.board("Memorization")
    held = house.on_board(board)
    flagged = [
        number
        for number, each in enumerate(held)
        if each.result and any(score.flag for score in each.result.scores)
    ]
    one = house.one("Result", "id", held, flagged[0] if flagged else 0)
    found = copies.nearness(house.shelf(), one)
    if not found:
        house.nothing(
            "Nothing is kept here of how near its images come to training pictures: its benchmark "
            "names no originals, or it was scored by an older version.",
            house.again(one),
        )
    names = [each.metric for each in found]
    metric = house.word("Metric", "metric", names, names.index(first(one, names)))
    near = found[names.index(metric)]
    threshold = shares(near)
    st.altair_chart(
        charts.nearness(near, threshold),
        key="nearness",
        alt=f"likeness of {one.recipe}'s images to originals",
    )
    st.caption(
        "Grey: pictures of the same kind that nobody trained on. The metric's own "
        "threshold is what one in a hundred of them exceeds."
    )
    pairs(one, near, threshold)


def first(one: Held, names: list[str]) -> str:
    """Return the metric that found something, or else the first."""
    flagged = (
        [column_of(score.metric) for score in one.result.scores if score.flag] if one.result else []
    )
    return next((name for name in names if name in flagged), names[0])


def shares(near: Nearness) -> float:
    """Return the threshold that is chosen, and say what it comes to."""
    known = [*near.values.tolist(), *near.null.tolist(), near.threshold]
    low, high = min(*known, 0.999), max(*known, 1.0)
    threshold: float = st.slider(
        "Threshold",
        low,
        high,
        near.threshold,
        0.0005,
        format="%.4f",
        key="threshold",
        bind="query-params",
    )
    across = st.columns(3)
    across[0].metric("Images above it", f"{near.share(threshold):.1%}", border=True)
    across[1].metric(
        "Pictures above it that copy nothing", f"{near.null_share(threshold):.1%}", border=True
    )
    across[2].metric("The metric's own threshold", f"{near.threshold:.4f}", border=True)
    return threshold


def pairs(one: Held, near: Nearness, threshold: float) -> None:
    """Show the nearest pairs, image left and training picture right."""
    st.subheader("The nearest pairs")
    found = [
        pair for pair in copies.worst(house.shelf(), one, near, 0, SHOWN) if pair["shots"][0]["src"]
    ]
    if not found:
        house.nothing("The pictures are not at hand.", house.again(one))
    for pair in found:
        mark = "above" if pair["likeness"] > threshold else "below"
        pair["note"] = (
            f"cosine {pair['likeness']:.4f}, {mark} the threshold; "
            f"original {pair['other']}: {pair['caption']}"
        )
        pair["scores"] = []
    labels = ["image", "nearest training picture"]
    components.compare(
        key="copies", data={"pairs": found, "labels": labels, "at": 0, "mode": "side", "side": 360}
    )


main()
