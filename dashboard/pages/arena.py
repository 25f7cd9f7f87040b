"""Blind votes: two results, one prompt and seed, two questions."""

from __future__ import annotations

import secrets

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
"""With fewer votes, the view says that they are too few."""


def main() -> None:
    board = session.choose_board("Arena")
    entries = session.entries_on(board)
    file = votes.place_of(session.reports(), board.benchmark)
    said, lost = votes.read(file, board.signature)
    if lost:
        st.warning(f"{session.counted(lost, 'vote')} cannot be read and will not count.")
    tab = st.segmented_control(
        "Show", ["Vote", "Results"], default="Vote", key="part", bind="query-params", required=True
    )
    if tab == "Results":
        results(board, entries, said)
    elif session.may_write():
        vote(board, entries, said)
    elif session.reports() != session.requested_reports():
        st.info(
            "These results are the pocket demo's, so votes on them are not kept. Make your own:"
        )
        st.code("harness run pocket-ninja pocket-base", language="bash")
    else:
        st.info("This server may not write votes to the reports. Start one that may:")
        st.code("harness dashboard --allow-write", language="bash")


def vote(board: Board, entries: list[Entry], said: list[Vote]) -> None:
    """Ask about one pair; the next pair follows when both questions are answered."""
    voter = st.session_state.setdefault("voter", secrets.token_hex(6))
    ballot = votes.next_ballot(session.index(), entries, said, voter)
    if ballot is None:
        st.info("You have voted on every pair. See Results.")
        return
    mine = sum(each.voter == voter for each in said)
    st.caption(f"Your votes: {mine}. All votes: {len(said)}. Only Results shows the names.")
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
    """Return a random name of a question, which does not tell whose images it shows."""
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
    """Return addresses that do not tell whose images they show; they stay for a question."""
    known = st.session_state.setdefault("blinds", {})
    if identity not in known:
        known.clear()
        known[identity] = {
            side: _blind(entry, ballot) for side, entry in (("a", ballot.a), ("b", ballot.b))
        }
    assigned: dict[str, str | None] = known[identity]
    return assigned


def _blind(entry: Entry, ballot: Ballot) -> str | None:
    shot = shots_by_place(session.index(), entry)[ballot.prompt, ballot.seed]
    return media.blind(
        full_address(session.index(), entry, shot) or small_address(entry, shot) or ""
    )


def results(board: Board, entries: list[Entry], said: list[Vote]) -> None:
    """Show which results people prefer, and which metrics agree with people."""
    if not said:
        session.stop_with_hint("This board has no votes yet.", "harness dashboard --allow-write")
    if len(said) < FEW:
        st.caption(
            f"{session.counted(len(said), 'vote')} are few. The intervals show the uncertainty."
        )
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
    ranked = [each for each in votes.strengths(said, question) if each.votes >= votes.LEAST]
    if not ranked:
        st.info(f"No result has {votes.LEAST} votes yet.")
        return
    rows = [{**vars(each), "recipe": each.name.rsplit("/", 1)[-1]} for each in ranked]
    st.altair_chart(charts.strengths(rows), key="strengths", alt="how often each is preferred")
    st.caption(
        "Bradley–Terry with one weak tie between any two results; bootstrap intervals over "
        f"prompts. Results with fewer than {votes.LEAST} votes are hidden."
    )


def agreement(board: Board, entries: list[Entry], said: list[Vote], question: Question) -> None:
    st.subheader("Which metrics agree with people")
    rising = {
        column_of(score.metric): score.higher_is_better
        for row in board.rows
        for score in row.result.scores
    }
    licences = {column_of(metric): words for metric, words in board.licences.items()}
    agreements = votes.agreements(session.index(), entries, said, question, rising)
    if not agreements:
        st.info("There is no vote for one of two images that a metric tells apart.")
        return
    rows = [
        {
            "metric": each.metric,
            "agrees": each.share,
            "low": each.low,
            "high": each.high,
            "votes": each.votes,
            "may it judge here?": licences.get(each.metric, "not tested"),
        }
        for each in agreements
    ]
    share = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
    number = st.column_config.NumberColumn(format="percent")
    session.show_table(
        rows,
        alt="agreement of metrics with people",
        column_config={"agrees": share, "low": number, "high": number},
    )
    st.caption(
        "The share of votes for the image with the better value, without ties. A coin would agree "
        "in 50 %. Metrics of image sets, such as FID, have no values of single images."
    )


main()
