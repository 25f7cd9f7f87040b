"""What people prefer, asked blind: same prompt, same seed, two results, two questions."""

from __future__ import annotations

import secrets

import pandas as pd
import streamlit as st

from dashboard import charts, components, media, session
from harness.decisions.leaderboard import Board
from harness.records import column_of
from harness.views import votes
from harness.views.grids import shots_by_place
from harness.views.pictures import full_address, small_address
from harness.views.reports_index import Entry
from harness.views.votes import QUESTIONS, Ballot, Question, Vote

FEW = 30
"""Votes below which a table says that it is too early."""


def main() -> None:
    board = session.choose_board("Arena")
    entries = session.entries_on(board)
    file = votes.place_of(session.reports(), board.benchmark)
    said, lost = votes.read(file, board.signature)
    if lost:
        st.warning(f"{lost} lines of the votes cannot be read and are left out.")
    tab = st.segmented_control(
        "View", ["Vote", "Results"], default="Vote", key="part", bind="query-params", required=True
    )
    if tab == "Results":
        results(board, entries, said)
    elif session.may_write():
        vote(board, entries, said)
    elif session.reports() != session.requested_reports():
        st.info("These results come with the package; votes are kept beside some of your own.")
        st.code("harness demo", language="bash")
    else:
        st.info("Votes are written to the reports, and this server may only read.")
        st.code("harness dashboard --allow-write", language="bash")


def vote(board: Board, entries: list[Entry], said: list[Vote]) -> None:
    """Ask about one pair; the next comes when both questions are answered."""
    voter = st.session_state.setdefault("voter", secrets.token_hex(6))
    ballot = votes.next_ballot(session.index(), entries, said, voter)
    if ballot is None:
        st.info("You have seen every pair there is. The results are in the other view.")
        return
    mine = sum(each.voter == voter for each in said)
    st.caption(f"{mine} votes of yours, {len(said)} in all. Names are shown under Results alone.")
    identity = token(ballot, len(said))
    asked = st.session_state.setdefault("asked", {})
    asked[identity] = ballot
    components.vote(
        key="vote",
        data={
            "id": identity,
            "text": ballot.text,
            **blinds(identity, ballot),
            "questions": list(QUESTIONS.items()),
        },
        on_vote_change=count,
    )


def token(ballot: Ballot, many: int) -> str:
    """Return what a question is called while it is asked; it tells nothing of whose images."""
    tokens: dict[tuple[object, ...], str] = st.session_state.setdefault("tokens", {})
    signature = ballot.a.result.signature if ballot.a.result else ""
    question = (signature, ballot.prompt, ballot.seed, ballot.a.name, ballot.b.name, many)
    return tokens.setdefault(question, secrets.token_hex(8))


def count() -> None:
    """Write the vote that was just given."""
    given = session.component_state("vote", "vote")
    ballot: Ballot | None = (
        st.session_state.get("asked", {}).pop(given["id"], None) if given else None
    )
    if ballot is None or ballot.a.result is None or not session.may_write():
        return
    votes.add(
        votes.place_of(session.reports(), ballot.a.result.benchmark),
        Vote(
            at=votes.now(),
            voter=st.session_state["voter"],
            signature=ballot.a.result.signature,
            prompt=ballot.prompt,
            seed=ballot.seed,
            a=ballot.a.name,
            b=ballot.b.name,
            answers=given["answers"],
        ),
    )


def blinds(identity: str, ballot: Ballot) -> dict[str, str | None]:
    """Return addresses that do not tell whose images they show, the same while they are asked."""
    known = st.session_state.setdefault("blinds", {})
    if identity not in known:
        known.clear()
        known[identity] = {
            side: _blind(entry, ballot) for side, entry in (("a", ballot.a), ("b", ballot.b))
        }
    found: dict[str, str | None] = known[identity]
    return found


def _blind(entry: Entry, ballot: Ballot) -> str | None:
    shot = shots_by_place(session.index(), entry)[ballot.prompt, ballot.seed]
    return media.blind(
        full_address(session.index(), entry, shot) or small_address(entry, shot) or ""
    )


def results(board: Board, entries: list[Entry], said: list[Vote]) -> None:
    """Show how strong each result is in people's eyes, and which metrics agree with them."""
    if not said:
        session.stop_with_hint(
            "Nobody has voted on this board yet.", "harness dashboard --allow-write"
        )
    if len(said) < FEW:
        st.caption(f"{len(said)} votes: too few to say much; intervals show how little.")
    question: Question = st.segmented_control(
        "Question",
        list(QUESTIONS),
        format_func=QUESTIONS.__getitem__,
        default="style",
        key="question",
        bind="query-params",
        required=True,
    )
    strengths(said, question)
    agreement(board, entries, said, question)


def strengths(said: list[Vote], question: Question) -> None:
    found = [each for each in votes.strengths(said, question) if each.votes >= votes.LEAST]
    if not found:
        st.info(f"No result has {votes.LEAST} votes yet.")
        return
    rows = [{**vars(each), "recipe": each.name.rsplit("/", 1)[-1]} for each in found]
    st.altair_chart(charts.strengths(rows), key="strengths", alt="how often each is preferred")
    st.caption(
        "Bradley–Terry with one weak tie added between any two; intervals from drawing "
        "prompts anew. Results with fewer votes are hidden."
    )


def agreement(board: Board, entries: list[Entry], said: list[Vote], question: Question) -> None:
    st.subheader("Which metrics agree with people")
    rising = {
        column_of(score.metric): score.higher_is_better
        for row in board.rows
        for score in row.result.scores
    }
    found = votes.agreements(session.index(), entries, said, question, rising)
    if not found:
        st.info("No decided vote is on images with different values yet.")
        return
    rows = [
        {
            "metric": each.metric,
            "agrees": each.share,
            "low": each.low,
            "high": each.high,
            "votes": each.votes,
        }
        for each in found
    ]
    share = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
    number = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        alt="agreement of metrics with people",
        column_config={"agrees": share, "low": number, "high": number},
    )
    st.caption(
        "The share of decided votes in which the image with the better value was preferred; "
        "half is a coin. Metrics of whole sets say nothing of single images."
    )


main()
