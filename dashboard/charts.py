"""Values → charts, in colours that are readable in both themes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from harness.decisions.history import Event
from harness.views.memorization import Likeness

ACCENT, GOOD, QUIET = "#e0702c", "#2f9e62", "#8a8794"
STATES = {
    "take": (GOOD, "diamond"),
    "alike": (GOOD, "circle"),
    "flagged": ("#d0342c", "triangle"),
    "base": (QUIET, "square"),
    "dot": (ACCENT, "circle"),
}
"""What is advised of a point of a sweep, with its colour and shape."""


def layers(*charts: alt.Chart) -> alt.LayerChart:
    """Return charts on one pair of axes."""
    return alt.LayerChart(layer=list(charts))


def pareto(rows: Sequence[dict[str, Any]], x: str, y: str, up: tuple[bool, bool]) -> alt.LayerChart:
    """Return every result with its whiskers on two metrics, and the Pareto front as a line."""
    data = pd.DataFrame(rows)
    names = ["name", "recipe", "rank", "thumb", "x", "xlo", "xhi", "y", "ylo", "yhi", "front"]
    data = data.reindex(columns=names)
    across = alt.X("x:Q", title=f"{x} {'→' if up[0] else '← better'}", scale=alt.Scale(zero=False))
    along = alt.Y("y:Q", title=f"{y} {'↑' if up[1] else '↓ better'}", scale=alt.Scale(zero=False))
    tips = [
        "recipe:N",
        "rank:N",
        alt.Tooltip("x:Q", title=x, format=".4g"),
        alt.Tooltip("y:Q", title=y, format=".4g"),
        alt.Tooltip("thumb:N", title="image"),
    ]
    base = alt.Chart(data)
    dots = base.mark_circle(size=90, opacity=1).encode(
        across,
        along,
        tooltip=tips,
        color=alt.condition("datum.front", alt.value(ACCENT), alt.value(QUIET)),
    )
    wide = base.mark_rule(color=QUIET).encode(alt.X("xlo:Q"), along, x2="xhi:Q")
    tall = base.mark_rule(color=QUIET).encode(across, alt.Y("ylo:Q"), y2="yhi:Q")
    line = (
        base.transform_filter("datum.front")
        .mark_line(color=ACCENT, strokeDash=[5, 4], interpolate="step-after")
        .encode(across, along, order="x:Q")
    )
    few = data if len(data) <= 25 else data[data["front"].astype(bool)]
    names_of = alt.Chart(few).mark_text(
        align="left", dx=6, dy=alt.expr("datum.front ? -12 : 14"), color=QUIET
    )
    label = names_of.encode(across, along, text="recipe:N")
    return layers(wide, tall, line, dots, label).properties(height=520)


def sweep(rows: Sequence[dict[str, Any]], metric: str, over: str) -> alt.LayerChart:
    """Return one metric over strengths or checkpoints, with its interval; a point's sign says what
    is advised of it."""
    data = pd.DataFrame([row for row in rows if row["metric"] == metric])
    better = "higher is better" if data["up"].iloc[0] else "lower is better"
    x = alt.X("at:Q", title=over)
    base = alt.Chart(data)
    y = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))
    tips = [
        alt.Tooltip("at:Q", title=over),
        alt.Tooltip("state:N", title="advice"),
        *(alt.Tooltip(f"{name}:Q", format=".4g") for name in ("value", "low", "high")),
    ]
    band = base.mark_area(opacity=0.2, color=ACCENT).encode(
        x, alt.Y("low:Q", title=metric), y2="high:Q"
    )
    line = base.mark_line(color=ACCENT).encode(x, y)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x,
        y,
        tooltip=tips,
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=list(STATES), range=[each[0] for each in STATES.values()]),
            legend=None,
        ),
        shape=alt.Shape(
            "state:N",
            scale=alt.Scale(domain=list(STATES), range=[each[1] for each in STATES.values()]),
            legend=None,
        ),
    )
    return layers(band, line, dots).properties(height=210, title=f"{metric}: {better}")


def likeness(likeness: Likeness, threshold: float) -> alt.LayerChart:
    """Return how similar images are to originals, over how similar held-out pictures are."""
    values = [{"cosine": float(value), "whose": "images"} for value in likeness.values]
    values += [
        {"cosine": float(value), "whose": "held-out pictures, which are no copies"}
        for value in likeness.null
    ]
    bars = (
        alt.Chart(pd.DataFrame(values))
        .mark_bar(opacity=0.55, binSpacing=0)
        .encode(
            alt.X(
                "cosine:Q",
                bin=alt.Bin(maxbins=60),
                title="cosine similarity to the nearest training picture",
            ),
            alt.Y("count():Q", stack=None, title="pictures"),
            alt.Color(
                "whose:N",
                scale=alt.Scale(range=[QUIET, ACCENT]),
                legend=alt.Legend(orient="top", title=None, labelLimit=400),
            ),
        )
    )
    line = (
        alt.Chart(pd.DataFrame([{"at": threshold}]))
        .mark_rule(color="#d0342c", size=2)
        .encode(x="at:Q")
    )
    return layers(bars, line).properties(height=300)


def losses(rows: Sequence[dict[str, float]]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_line(color=ACCENT)
        .encode(
            alt.X("step:Q"),
            alt.Y("loss:Q", scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("loss:Q", format=".4g")],
        )
        .properties(height=240)
    )
    return chart


def looks(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Return gain and member test of a training that goes on."""
    data = pd.DataFrame(rows)
    base = alt.Chart(data).encode(alt.X("step:Q"), tooltip=["step:Q", "gain:Q", "auc:Q"])
    gain = base.mark_line(color=GOOD, point=True).encode(alt.Y("gain:Q", title="held-out gain, %"))
    auc = base.mark_line(color=ACCENT, point=True, strokeDash=[5, 4]).encode(
        alt.Y("auc:Q", title="member test (AUC)", scale=alt.Scale(domain=[0, 1]))
    )
    both: alt.LayerChart = layers(gain, auc).resolve_scale(y="independent").properties(height=160)
    return both


def gains(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Return the gain over the base by timestep, of pictures held out and trained on."""
    base = alt.Chart(pd.DataFrame(rows))
    x = alt.X("timestep:Q", title="timestep (little noise … much noise)")
    colour = alt.Color(
        "pictures:N",
        scale=alt.Scale(domain=["held out", "trained on"], range=[GOOD, ACCENT]),
        legend=alt.Legend(orient="top", title=None),
    )
    band = base.mark_area(opacity=0.2).encode(
        x, alt.Y("low:Q", title="gain over the base, %"), y2="high:Q", color=colour
    )
    tips = ["pictures:N", "timestep:Q", *(f"{name}:Q" for name in ("value", "low", "high"))]
    line = base.mark_line(point=True).encode(x, alt.Y("value:Q"), color=colour, tooltip=tips)
    return layers(band, line).properties(height=240)


def members(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Return the member test by checkpoint, with its interval; what is alarming is red."""
    base = alt.Chart(pd.DataFrame(rows))
    steps = sorted({row["step"] for row in rows})
    ticks = alt.Axis(format=",d", **({"values": steps} if len(steps) == 1 else {"tickMinStep": 1}))
    x = alt.X("step:Q", scale=alt.Scale(zero=False), axis=ticks)
    span = base.mark_rule(color=QUIET).encode(
        x, alt.Y("low:Q", title="member test (AUC)", scale=alt.Scale(domain=[0, 1])), y2="high:Q"
    )
    colour = alt.condition("datum.alarm", alt.value("#d0342c"), alt.value(GOOD))
    tips = ["step:Q", *(alt.Tooltip(f"{name}:Q", format=".4g") for name in ("value", "p"))]
    dots = base.mark_circle(size=80, opacity=1).encode(
        x, alt.Y("value:Q"), color=colour, tooltip=tips
    )
    chance = (
        alt.Chart(pd.DataFrame([{"at": 0.5}]))
        .mark_rule(color=QUIET, strokeDash=[4, 4])
        .encode(y="at:Q")
    )
    return layers(chance, span, dots).properties(height=200)


def times(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar(color=ACCENT)
        .encode(
            alt.X("seconds:Q"),
            alt.Y("stage:N", sort="-x", title=None, axis=alt.Axis(labelOverlap=False)),
            tooltip=["stage:N", "seconds:Q"],
        )
        .properties(height=60 + 24 * len(rows))
    )
    return chart


def scatter(data: pd.DataFrame, x: str, y: str) -> alt.Chart:
    """Return images as dots on two of their scores."""
    shown = data[["recipe", "prompt", "seed"]].assign(x=data[x], y=data[y])
    chart: alt.Chart = (
        alt.Chart(shown)
        .mark_circle(size=50, opacity=0.6)
        .encode(
            alt.X("x:Q", title=x, scale=alt.Scale(zero=False)),
            alt.Y("y:Q", title=y, scale=alt.Scale(zero=False)),
            alt.Color(
                "recipe:N",
                legend=alt.Legend(orient="top", title=None),
                scale=alt.Scale(scheme="tableau10"),
            ),
            tooltip=[
                "recipe:N",
                "prompt:N",
                "seed:Q",
                alt.Tooltip("x:Q", title=x, format=".4g"),
                alt.Tooltip("y:Q", title=y, format=".4g"),
            ],
        )
        .properties(height=380)
    )
    return chart


def past(events: Sequence[Event], metric: str) -> alt.LayerChart:
    """Return one metric over a recipe's gates and baselines."""
    data = pd.DataFrame(
        [
            {
                "at": each.at,
                "outcome": each.outcome,
                "note": each.note,
                "commit": each.commit or "–",
                "value": each.values[metric][0],
                "low": each.values[metric][1],
                "high": each.values[metric][2],
            }
            for each in events
            if metric in each.values
        ]
    )
    x = alt.X("at:T", title=None)
    base = alt.Chart(data)
    y = alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))
    rules = base.mark_rule(color=QUIET).encode(x, alt.Y("low:Q", title=metric), y2="high:Q")
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x,
        y,
        tooltip=["at:T", "outcome:N", "commit:N", "note:N", alt.Tooltip("value:Q", format=".4g")],
        color=alt.Color(
            "outcome:N",
            legend=alt.Legend(orient="top", title=None),
            scale=alt.Scale(
                domain=["accepted", "kept", "pass", "fail", "under-powered"],
                range=["#3b7dd8", QUIET, GOOD, "#d0342c", "#d8a02c"],
            ),
        ),
    )
    return layers(rules, base.mark_line(opacity=0.5, color=QUIET).encode(x, y), dots).properties(
        height=240
    )


def strengths(rows: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Return how often each result is preferred, with its interval."""
    base = alt.Chart(pd.DataFrame(rows))
    y = alt.Y(
        "recipe:N", sort=[row["recipe"] for row in rows], title=None, axis=alt.Axis(labelLimit=300)
    )
    x = alt.X(
        "value:Q", title="chance to be preferred to another result", scale=alt.Scale(domain=[0, 1])
    )
    rules = base.mark_rule(color=ACCENT, size=2).encode(alt.X("low:Q", title=""), y, x2="high:Q")
    dots = base.mark_circle(color=ACCENT, size=90, opacity=1).encode(
        x,
        y,
        tooltip=[
            "recipe:N",
            "votes:Q",
            alt.Tooltip("value:Q", format=".2f"),
            alt.Tooltip("low:Q", format=".2f"),
            alt.Tooltip("high:Q", format=".2f"),
        ],
    )
    return layers(rules, dots).properties(height=40 + 34 * len(rows))
