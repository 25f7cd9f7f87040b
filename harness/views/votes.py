"""Blind votes between two results' images of one prompt and seed.

A vote is a line that is added to a file under a lock, so that two people who vote at once lose
none. There are two questions, style and prompt, because people answer a single one by polish.

Strengths are Bradley and Terry's (1952), through evalica, with bootstrap intervals over prompts.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from filelock import FileLock
from pydantic import Field, ValidationError
from scipy import special

from harness.files import below, lines_of
from harness.fingerprint import number_of
from harness.interfaces import Array, Page
from harness.views.grids import shots_by_place
from harness.views.reports_index import Entry, ReportsIndex

Answer = Literal["a", "b", "tie", "neither"]
Question = Literal["style", "prompt"]
QUESTIONS: Mapping[Question, str] = {
    "style": "Which one has the style better?",
    "prompt": "Which one shows what the prompt asks for?",
}
DRAWS = 500
PRIOR = 0.5
"""The weight of a tie between any two results: one that never lost has a finite strength."""
LEAST = 10
"""Votes that a result needs before its strength is shown."""


class Vote(Page):
    """One person's answers about two images; `a` and `b` are the names of results."""

    at: str
    voter: Annotated[str, Field(min_length=1, max_length=40)]
    signature: str
    prompt: str
    seed: int
    a: str
    b: str
    answers: dict[Question, Answer]


@dataclass(frozen=True)
class Ballot:
    """Two images to choose between; which is left is left to chance."""

    prompt: str
    seed: int
    text: str
    a: Entry
    b: Entry


@dataclass(frozen=True)
class Strength:
    """How often a result would be preferred to another one of the board's."""

    name: str
    votes: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How often a metric's better value was the image that people preferred."""

    metric: str
    votes: int
    share: float
    low: float
    high: float


def place_of(reports: Path, benchmark: str) -> Path:
    return below(reports / "votes", f"{benchmark}.jsonl")


def add(file: Path, vote: Vote) -> None:
    """Add a vote; it is on the disk when this returns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")), file.open("ab") as stream:
        if stream.tell() and not _ends_whole(file):
            stream.write(b"\n")  # a writer was killed in the middle of a line
        stream.write(vote.model_dump_json().encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _ends_whole(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def read(file: Path, signature: str = "") -> tuple[list[Vote], int]:
    """Return the votes of one signature, and how many lines are none."""
    if not file.is_file():
        return [], 0
    votes, broken = [], 0
    for line in lines_of(file.read_text(encoding="utf-8", errors="replace")):
        try:
            vote = Vote.model_validate_json(line)
        except ValidationError:
            broken += 1
            continue
        if not signature or vote.signature == signature:
            votes.append(vote)
    return votes, broken


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def next_ballot(
    index: ReportsIndex, entries: Sequence[Entry], votes: Sequence[Vote], voter: str
) -> Ballot | None:
    """Return what to vote on next: the pair that was seen least, at a prompt that it was not.

    It follows from the votes and the voter alone; which of the two is left does so by hashing.
    """
    seen = Counter(frozenset((vote.a, vote.b)) for vote in votes)
    mine = sum(vote.voter == voter for vote in votes)
    whole = [each for each in entries if each.result is not None and index.shots(each)]
    ranked = sorted(
        combinations(whole, 2),
        key=lambda pair: (
            seen[frozenset((pair[0].name, pair[1].name))],
            number_of(mine, voter, pair[0].name, pair[1].name),
        ),
    )
    for one, other in ranked:
        ballot = _at_a_prompt(index, one, other, votes, voter)
        if ballot is not None:
            return ballot
    return None


def _at_a_prompt(
    index: ReportsIndex, one: Entry, other: Entry, votes: Sequence[Vote], voter: str
) -> Ballot | None:
    mine, theirs = shots_by_place(index, one), shots_by_place(index, other)
    both = {one.name, other.name}
    done = {
        (vote.prompt, vote.seed)
        for vote in votes
        if {vote.a, vote.b} == both and vote.voter == voter
    }
    left = [
        place
        for place, shot in mine.items()
        if place not in done and shot.picture and place in theirs and theirs[place].picture
    ]
    if not left:
        return None
    prompt, seed = min(left, key=lambda place: number_of(0, voter, *sorted(both), *place))
    turned = number_of(1, voter, *sorted(both), prompt, seed) % 2
    a, b = (other, one) if turned else (one, other)
    return Ballot(prompt, seed, mine[prompt, seed].text, a, b)


def strengths(votes: Sequence[Vote], question: Question, draws: int = DRAWS) -> list[Strength]:
    """Return the chance of each result to be preferred to another one, strongest first."""
    rows = [vote for vote in votes if question in vote.answers]
    names = sorted({name for vote in rows for name in (vote.a, vote.b)})
    if len(names) < 2:
        return []
    value = _chances(rows, names, question)
    prompts = sorted({vote.prompt for vote in rows})
    by_prompt = {prompt: [vote for vote in rows if vote.prompt == prompt] for prompt in prompts}
    random = np.random.default_rng(number_of(0, question, len(rows)))
    drawn = [
        _chances(
            [
                vote
                for at in random.integers(0, len(prompts), len(prompts))
                for vote in by_prompt[prompts[at]]
            ],
            names,
            question,
        )
        for _ in range(draws)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    counts = Counter(name for vote in rows for name in (vote.a, vote.b))
    ranked = [
        Strength(name, counts[name], float(value[at]), float(low[at]), float(high[at]))
        for at, name in enumerate(names)
    ]
    return sorted(ranked, key=lambda each: -each.value)


def _chances(votes: Sequence[Vote], names: Sequence[str], question: Question) -> Array:
    """Return each name's mean chance against the others, with a weak tie between any two."""
    import evalica

    words = {"a": evalica.Winner.X, "b": evalica.Winner.Y}
    xs = [vote.a for vote in votes] + [one for one, _ in combinations(names, 2)]
    ys = [vote.b for vote in votes] + [other for _, other in combinations(names, 2)]
    said = [words.get(vote.answers[question], evalica.Winner.Draw) for vote in votes]
    ties = len(xs) - len(votes)
    estimates = evalica.bradley_terry(
        xs, ys, said + [evalica.Winner.Draw] * ties, weights=[1.0] * len(votes) + [PRIOR] * ties
    )
    scores = np.array([float(estimates.scores[name]) for name in names])
    against = scores[:, None] / (scores[:, None] + scores[None, :])
    return np.asarray((against.sum(1) - 0.5) / (len(names) - 1))


def agreements(
    index: ReportsIndex,
    entries: Sequence[Entry],
    votes: Sequence[Vote],
    question: Question,
    rising: Mapping[str, bool],
) -> list[Agreement]:
    """Return how often each metric of images was of one mind with people; ties do not count.

    `rising` says of each metric's column whether higher is better.
    """
    by_name = {each.name: each for each in entries}
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for metric, agrees in _judged(index, by_name, votes, question, rising):
        total[metric] += 1
        right[metric] += agrees
    all_metrics = [
        Agreement(
            metric,
            total[metric],
            right[metric] / total[metric],
            *_wilson(right[metric], total[metric]),
        )
        for metric in total
    ]
    return sorted(all_metrics, key=lambda each: -each.share)


def _judged(
    index: ReportsIndex,
    entries: Mapping[str, Entry],
    votes: Sequence[Vote],
    question: Question,
    rising: Mapping[str, bool],
) -> Iterator[tuple[str, bool]]:
    for vote in votes:
        answer = vote.answers.get(question)
        if answer not in ("a", "b") or vote.a not in entries or vote.b not in entries:
            continue
        one, other = (
            index.samples(entries[name]).of(vote.prompt, vote.seed) for name in (vote.a, vote.b)
        )
        for metric in one.keys() & other.keys() & rising.keys():
            if one[metric] != other[metric]:
                prefers_a = (one[metric] > other[metric]) == rising[metric]
                yield metric, prefers_a == (answer == "a")


def _wilson(right: int, total: int) -> tuple[float, float]:
    """Return the interval of a share (Wilson 1927)."""
    z = float(special.ndtri(0.975))
    share, shrink = right / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / shrink
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / shrink
    return middle - reach, middle + reach
