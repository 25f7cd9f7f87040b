"""Two to six results: picture by picture, number by number, and what differs in their recipes."""

from __future__ import annotations

import streamlit as st

from dashboard import components, session
from harness.decisions.compare import Comparison
from harness.errors import HarnessError
from harness.report.comparison import sentence
from harness.views import comparison
from harness.views.reports_index import Entry


def main() -> None:
    board = session.choose_board("Compare")
    entries = session.entries_on(board)
    if len(entries) < 2:
        session.stop_with_hint(
            "A comparison needs two results of one board.", "harness run pocket-ninja"
        )
    across = st.columns([2, 3, 2])
    with across[0]:
        a = session.choose_entry("A", "a", entries)
    with across[1]:
        others = [each for each in entries if each.name != a.name]
        beside = session.choose_entries(others, "Beside", "b", 1, session.BESIDE)
    words = across[2].text_input(
        "Prompt", key="words", bind="query-params", placeholder="words of a prompt"
    )
    if not beside:
        st.info("Choose one or more results to compare with A.")
        return
    b = against(beside)
    pictures([a, b, *(each for each in beside if each is not b)], words or "")
    numbers(a, b)
    pages([a, *beside])


def against(beside: list[Entry]) -> Entry:
    """Return the result that A is judged against; the slider shows these two."""
    if len(beside) == 1:
        return beside[0]
    names = [each.recipe for each in beside]
    return beside[names.index(session.choose_option("A against", "against", names))]


def pictures(entries: list[Entry], words: str) -> None:
    """Show the images that the first two results share; the link holds the position and mode."""
    pairs = [
        pair
        for pair in comparison.pairs(session.index(), entries)
        if words.lower() in f"{pair['prompt']} {pair['text']}".lower()
    ]
    if not pairs:
        st.info("There are no pictures of both results at the same prompt and seed.")
        return
    link = st.query_params
    at = session.component_state(
        "compare", "at", int(link.get("at", "0")) if link.get("at", "0").isdecimal() else 0
    )
    mode = session.component_state("compare", "mode", link.get("mode", "side"))
    link["at"], link["mode"] = str(at), mode
    labels = [each.recipe for each in entries]
    components.compare(
        key="compare",
        data={"pairs": pairs, "labels": labels, "at": at, "mode": mode},
        on_at_change=nothing,
        on_mode_change=nothing,
    )


def nothing() -> None:
    """Run the view again; the component's state holds what changed."""


def numbers(a: Entry, b: Entry) -> None:
    """Show the paired differences and the sentence that they come to."""
    st.subheader("What the numbers say")
    thorough = st.toggle(
        "Exchange images",
        key="thorough",
        bind="query-params",
        help="Tests FID and similar metrics with a permutation test: it exchanges images of the "
        "two results. This takes a while and needs the features in the store.",
    )
    try:
        compared = _comparison(
            a.name,
            b.name,
            thorough,
            (a.file.path.stat().st_mtime_ns, b.file.path.stat().st_mtime_ns),
        )
    except (HarnessError, OSError) as error:
        st.warning(session.escaped(str(error)))
        return
    st.text(sentence(compared))
    table = comparison.findings(compared)
    session.show_table(
        table,
        alt=f"{a.recipe} beside {b.recipe}",
        column_config={
            "metric": st.column_config.TextColumn(pinned=True),
        },
    )
    st.caption(
        "A − B: the difference with its 95 % interval, paired by prompt. p: adjusted over the "
        "metrics that decide (Holm). Detects ±: the minimum detectable effect, which this test "
        "finds four times in five."
    )


@st.cache_data(max_entries=64, show_spinner="Comparing prompt by prompt …")
def _comparison(a: str, b: str, thorough: bool, changed: tuple[int, int]) -> Comparison:
    index = session.index()
    workspace = session.workspace() if thorough else None
    return comparison.comparison(index.find(a), index.find(b), workspace)


def pages(entries: list[Entry]) -> None:
    """Show only the fields of recipes and protocols that differ."""
    st.subheader("How their recipes and protocols differ")
    results = [each.result for each in entries if each.result is not None]
    if not any(each.provenance.get("page") for each in results):
        st.caption("No result keeps its recipe. Run the recipes again to compare them here.")
    changes = comparison.changes(*results)
    if not changes:
        st.text("There is no recorded difference.")
        return
    names = [each.recipe for each in results]
    rows = [{"field": each.field, **dict(zip(names, each.values, strict=True))} for each in changes]
    session.show_table(
        rows,
        alt="fields that differ",
        column_config={"field": st.column_config.TextColumn(pinned=True)},
    )


main()
