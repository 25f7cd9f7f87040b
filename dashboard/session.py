"""What every view uses: the reports index, what it may write, and choices that a link restores."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import streamlit as st

from dashboard import guard
from harness.api.options import Workspace, default_store
from harness.decisions.leaderboard import Board
from harness.escaping import command, in_cell
from harness.views import runs
from harness.views.reports_index import Entry, ReportsIndex
from harness.views.server import reports_to_show

FRESH = 2.0
"""Seconds for which one look at the reports folder serves all visitors."""
MOST = 12
"""The most results that a view shows beside each other."""
BESIDE = 5
"""The most results that are compared with one other."""
_PLAIN = re.compile(r"[\w.@-]+( · [\w.@-]+)?")
_NUMBERS = re.compile(r"[-+−±×\d.,%\s\[\]–]*")
"""What our own numbers and their intervals are written with: no spreadsheet obeys it."""
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")


def requested_reports() -> Path:
    """Return the folder of reports that the server was started for."""
    return Path(os.environ.get("HARNESS_REPORTS", "reports"))


def reports() -> Path:
    """Return the reports to show: those of the server, or the demo's until there are some."""
    return reports_to_show(requested_reports())


@cache
def _index(reports: Path, store: Path) -> ReportsIndex:
    return ReportsIndex(reports, store, FRESH)


def index() -> ReportsIndex:
    """Return the one index of this server, which all visitors share."""
    return _index(reports(), default_store())


def workspace() -> Workspace:
    return Workspace(default_store(), reports(), quiet=True)


def may_write() -> bool:
    """Return whether this visitor has the token of --allow-write, and the reports are the
    server's own."""
    return guard.may_write(cookies()) and reports() == requested_reports()


def cookies() -> Mapping[str, str]:
    """Return the cookies with which the visitor's page was connected."""
    return st.context.cookies


def escaped(text: str) -> str:
    """Return text as Markdown that shows exactly it: no link, no image, no formula."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def stop_with_hint(what: str, command: str) -> NoReturn:
    """Say what is missing and which command makes it; then stop."""
    st.info(what)
    st.code(command, language="bash")
    st.stop()


def choose_board(title: str) -> Board:
    """Write the title of a view, and return the board that the link or the visitor chose."""
    across = st.columns([1, 1], vertical_alignment="bottom")
    across[0].title(title)
    boards = index().boards()
    show_unreadable(index().entries())
    if not boards:
        stop_with_hint("There are no results yet.", "harness demo")
    names = [f"{each.benchmark} · {each.signature[:8]}" for each in boards]
    last = st.session_state.get("last board")
    if last in names and "board" not in {*st.session_state, *st.query_params}:
        st.session_state["board"] = last  # the board of the view before
    chosen = across[1].selectbox(
        "Board",
        names,
        key="board",
        bind="query-params",
        help="The results of one benchmark and one signature. Only these can be compared.",
    )
    st.session_state["last board"] = chosen
    return boards[names.index(chosen)]


def show_table(rows: pd.DataFrame | Sequence[Mapping[str, Any]], **options: Any) -> None:
    """Show rows as a table; a visitor can save it as CSV, so no cell of it is a formula."""
    frame = pd.DataFrame(rows)
    for name in frame.select_dtypes(exclude="number").columns:
        frame[name] = frame[name].map(_inert)
    st.dataframe(frame.rename(columns=lambda name: _inert(str(name))), hide_index=True, **options)


def _inert(value: Any) -> Any:
    is_text = isinstance(value, str) and not _NUMBERS.fullmatch(value)
    return in_cell(value) if is_text else value


def show_unreadable(entries: Sequence[Entry]) -> None:
    """Name the files that cannot be read."""
    lost = [each for each in entries if each.result is None]
    if lost:
        with st.expander(f":material/warning: {counted(len(lost), 'result file')} cannot be read"):
            for each in lost:
                st.text(f"{each.name}: {each.problem}")


def counted(many: int, noun: str) -> str:
    """Return a number with its noun in the singular or plural."""
    return f"{many} {noun}" if many == 1 else f"{many} {noun}s"


def entries_on(chosen: Board) -> list[Entry]:
    """Return the entries of a board's rows, best first."""
    by_recipe = {
        each.result.recipe: each
        for each in index().entries()
        if each.result
        and each.result.benchmark == chosen.benchmark
        and each.result.signature == chosen.signature
    }
    return [by_recipe[row.result.recipe] for row in chosen.rows if row.result.recipe in by_recipe]


def choose_entries(
    entries: Sequence[Entry],
    label: str = "Results",
    key: str = "results",
    default: int = 4,
    most: int = MOST,
) -> list[Entry]:
    """Return the results that are chosen in the link or by hand, in the order of choice."""
    by_recipe = {each.recipe: each for each in entries}
    names = list(by_recipe)
    _forget(key, names)
    picked = st.multiselect(
        label, names, names[:default], key=key, bind="query-params", max_selections=most
    )
    return [by_recipe[name] for name in picked]


def choose_entry(
    label: str, key: str, entries: Sequence[Entry], default: int = 0, whole: bool = False
) -> Entry:
    """Return the result that is chosen in the link or by hand, by its recipe or its whole name."""
    names = [each.name if whole else each.recipe for each in entries]
    _forget(key, names)
    name = st.selectbox(label, names, min(default, len(names) - 1), key=key, bind="query-params")
    return entries[names.index(name)]


def choose_option(label: str, key: str, options: Sequence[str], default: int = 0) -> str:
    """Return one of few words; buttons read Markdown, so words that look like it are in a list."""
    _forget(key, options)
    if all(_PLAIN.fullmatch(each) for each in options):
        return st.segmented_control(
            label, options, default=options[default], key=key, bind="query-params", required=True
        )
    return st.selectbox(label, options, default, key=key, bind="query-params")


def command_for(entry: Entry) -> str:
    """Return the command that makes a result's pictures and tables again."""
    return runs.command(entry.result) if entry.result else command("run", entry.recipe)


def _forget(key: str, options: Sequence[str]) -> None:
    """Drop what was chosen of another board, which this one does not have."""
    chosen: Any = st.session_state.get(key)
    known = [each for each in chosen if each in options] if isinstance(chosen, list) else chosen
    if isinstance(chosen, list) and known != chosen:
        st.session_state[key] = known
    elif isinstance(chosen, str) and chosen not in options:
        del st.session_state[key]


def component_state(component: str, name: str, default: Any = None) -> Any:
    """Return what a component said last of one of its states."""
    state = st.session_state.get(component)
    value = state.get(name) if state is not None else None
    return default if value is None else value
