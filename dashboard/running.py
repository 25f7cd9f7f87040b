"""The steps that run now, as a strip on top of a view; it renews itself."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from dashboard import charts, session
from harness.pipeline.watch import live
from harness.pipeline.watch.live import RunningStep
from harness.report.numbers import duration
from harness.views import probes

SECONDS = 2.0


@st.fragment(run_every=SECONDS)
def strip() -> None:
    """Show every step that runs, with its progress, the time left and the loss."""
    store = session.index().store
    for each in live.running_steps(store):
        with st.container(border=True):
            _shown(each)
            curve = live.losses(store, each.key) if each.step == "train" else []
            if len(curve) > 1:
                st.line_chart(
                    pd.DataFrame(curve, columns=["step", "loss"]), x="step", y="loss", height=140
                )
            looks = probes.while_training(store, each.key) if each.step == "train" else []
            if len(looks) > 1:
                st.altair_chart(charts.looks(looks), key=f"looks-{each.key}")


def _shown(each: RunningStep) -> None:
    now = time.time()
    name = f"{each.subject} · {each.step} · {each.number} of {each.total}"
    if each.stopped(now):
        st.text(
            f"◼ {name}: stopped {duration(now - each.heard)} ago; run the command again to continue"
        )
        return
    left = f" · about {duration(each.left)} left" if each.left is not None else ""
    count = f" · {each.done:,} of {each.of:,}" if each.of else ""
    st.progress(min(1.0, each.done / each.of) if each.of else 0.0)
    st.text(f"● {name}{count}{left}{f' · {each.note}' if each.note else ''}")
