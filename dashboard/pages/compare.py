"""Two results: picture by picture, number by number, and what differs in their recipes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import components, house
from harness.browse import duels
from harness.browse.shelf import Held
from harness.errors import HarnessError


def main() -> None:
    board = house.board("Compare")
    held = house.on_board(board)
    if len(held) < 2:
        house.nothing("A comparison takes two results of one board.", "harness run pocket-ninja")
    across = st.columns([2, 2, 2])
    with across[0]:
        a = house.one("A", "a", held)
    with across[1]:
        others = [each for each in held if each.name != a.name]
        b = house.one("B", "b", others)
    words = across[2].text_input("Prompt", key="words", bind="query-params",
                                 placeholder="words of a prompt")  # fmt: skip
    pictures(a, b, words or "")
    numbers(a, b)
    pages(a, b)


def pictures(a: Held, b: Held, words: str) -> None:
    """Show the pairs that both drew, at the pair and in the mode that the link names."""
    pairs = [pair for pair in duels.pairs(house.shelf(), a, b)
             if words.lower() in f"{pair['prompt']} {pair['text']}".lower()]  # fmt: skip
    if not pairs:
        st.info("No pictures of both at the same prompt and seed are at hand.")
        return
    link = st.query_params
    at = house.state_of(
        "duel", "at", int(link.get("at", "0")) if link.get("at", "0").isdecimal() else 0
    )
    mode = house.state_of("duel", "mode", link.get("mode", "side"))
    link["at"], link["mode"] = str(at), mode
    components.duel(
        key="duel", data={"pairs": pairs, "labels": [a.recipe, b.recipe], "at": at, "mode": mode},
        on_at_change=nothing, on_mode_change=nothing,
    )  # fmt: skip


def nothing() -> None:
    """Let the page run again; what changed is in the component's state."""


def numbers(a: Held, b: Held) -> None:
    """Show the paired differences and the sentence that they come to."""
    st.subheader("What the numbers say")
    thorough = st.toggle(
        "Exchange images", key="thorough", bind="query-params",
        help="FID and its kin are told apart by exchanging images of the two; this takes a while "
        "and needs the features in the store.",
    )  # fmt: skip
    try:
        found = _comparison(
            a.name, b.name, thorough, (a.file.stat().st_mtime_ns, b.file.stat().st_mtime_ns)
        )
    except (HarnessError, OSError) as error:
        st.warning(house.words(str(error)))
        return
    st.text(duels.said(found))
    table = pd.DataFrame(duels.findings(found))
    st.dataframe(
        table, hide_index=True, alt=f"{a.recipe} beside {b.recipe}",
        column_config={"p": st.column_config.NumberColumn(format="%.3f"),
                       "sees ±": st.column_config.NumberColumn(format="%.3g"),
                       "metric": st.column_config.TextColumn(pinned=True)},
    )  # fmt: skip
    st.caption("A − B with its 95 % interval, paired by prompt; p adjusted over the metrics that "
               "decide (Holm); sees: the smallest effect seen four times in five.")  # fmt: skip


@st.cache_data(max_entries=64, show_spinner="Comparing prompt by prompt …")
def _comparison(a: str, b: str, thorough: bool, changed: tuple[int, int]) -> duels.Comparison:
    shelf = house.shelf()
    place = house.place() if thorough else None
    return duels.comparison(shelf.find(a), shelf.find(b), place)


def pages(a: Held, b: Held) -> None:
    """Show the fields of both recipes and protocols that differ, and no other."""
    st.subheader("What differs in how they were made")
    if a.result is None or b.result is None:
        return
    changes = duels.changes(a.result, b.result)
    if not a.result.provenance.get("page") and not b.result.provenance.get("page"):
        st.caption("Neither result keeps its recipe; run them again to have it beside the scores.")
    if not changes:
        st.text("nothing that was recorded")
        return
    rows = [{"field": each.field, a.recipe: each.a, b.recipe: each.b} for each in changes]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="fields that differ")


main()
