"""Which training pictures helped with what was asked, and which hurt."""

from __future__ import annotations

import base64

import streamlit as st

from dashboard import session
from harness.decisions.blame import Blame
from harness.report.blame import sentence
from harness.views import blames
from harness.views.blames import Shown


def main() -> None:
    st.title("Blame")
    every = blames.blames(session.reports())
    for each in every:
        if each.blame is None:
            st.text(f"{each.name}: {each.problem}")
    whole = [each for each in every if each.blame is not None]
    if not whole:
        session.stop_with_hint("No recipe was blamed here yet.", "harness blame pocket-ninja")
    names = [each.name for each in whole]
    one = whole[names.index(session.choose_option("Blame", "id", names))]
    assert one.blame is not None
    facts(one.blame)
    sheets(one)
    table(one.blame)


def facts(blame: Blame) -> None:
    """Show what was asked, what was found and what to do."""
    counts = blame.counts()
    with st.container(horizontal=True):
        st.metric("Pictures", f"{len(blame.pictures):,}", border=True, width=210)
        st.metric("Hurt", f"{counts['hurt']:,}", border=True, width=210)
        st.metric("Helped", f"{counts['helped']:,}", border=True, width=210)
        st.metric("Pictures asked about", f"{blame.asked:,}", border=True, width=210)
    st.text(f"Asked: {blame.on}")
    st.text(sentence(blame))
    for note in blame.notes:
        st.caption(session.escaped(note))
    lines = blames.left_out(blame)
    if lines:
        with st.expander("Leave out all that surely hurt"):
            st.code(lines, language="yaml")


def sheets(one: Shown) -> None:
    for title, name in blames.SHEETS.items():
        png = blames.sheet(one.folder, name)
        if png is not None:
            st.subheader(title)
            data = base64.b64encode(png).decode()
            st.html(f'<img alt="{title}" src="data:image/png;base64,{data}">')


def table(blame: Blame) -> None:
    st.subheader("Every picture")
    session.show_table(blames.rows(blame.pictures), alt=f"influence of {blame.recipe}'s pictures")
    st.caption("Influence 1 is as far as a typical picture goes; below 0 a picture hurt.")


main()
