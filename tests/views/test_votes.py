"""Votes: none is lost, sides are blind, strengths and agreement follow from them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from harness.views import votes
from harness.views.reports_index import ReportsIndex
from harness.views.votes import Answer, Vote, agreements, next_ballot, strengths

PROGRAM = """
import sys
from pathlib import Path
from harness.views import votes
from harness.views.votes import Vote
file, voter = Path(sys.argv[1]), sys.argv[2]
for number in range(60):
    votes.add(file, Vote(at="now", voter=voter, signature="s", prompt=str(number), seed=1,
                         a="x", b="y", answers={"style": "a", "prompt": "tie"}))
"""


def vote(a: str, b: str, style: Answer, prompt: str = "p", seed: int = 1, voter: str = "v") -> Vote:
    return Vote(
        at="now",
        voter=voter,
        signature="s",
        prompt=prompt,
        seed=seed,
        a=a,
        b=b,
        answers={"style": style},
    )


@pytest.mark.slow
def test_people_who_vote_at_once_lose_no_vote(tmp_path: Path) -> None:
    file = tmp_path / "votes/pocket-v1.jsonl"
    people = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(file), name]) for name in "abcd"]
    assert [one.wait(120) for one in people] == [0, 0, 0, 0]
    said, broken = votes.read(file)
    assert broken == 0
    assert Counter(each.voter for each in said) == dict.fromkeys("abcd", 60)
    assert {each.prompt for each in said} == {str(number) for number in range(60)}


def test_a_line_that_was_cut_short_costs_that_line_alone(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    votes.add(file, vote("x", "y", "a"))
    with file.open("a") as stream:
        stream.write('{"at": "now", "voter": "killed he')
    votes.add(file, vote("x", "y", "b"))
    said, broken = votes.read(file)
    assert [each.answers["style"] for each in said] == ["a", "b"]
    assert broken == 1


def test_votes_under_another_signature_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    votes.add(file, vote("x", "y", "a"))
    assert len(votes.read(file, "s")[0]) == 1
    assert votes.read(file, "another")[0] == []
    assert votes.read(tmp_path / "none.jsonl") == ([], 0)


def test_a_person_sees_every_pair_once_and_the_least_seen_first(index: ReportsIndex) -> None:
    entries = [each for each in index.entries() if each.recipe in ("pocket-base", "pocket-ninja")]
    said: list[Vote] = []
    left: Counter[str] = Counter()
    while (ballot := next_ballot(index, entries, said, "me")) is not None:
        left[ballot.a.recipe] += 1
        said.append(vote(ballot.a.name, ballot.b.name, "a", ballot.prompt, ballot.seed, "me"))
    places = {(each.prompt, each.seed) for each in said}
    assert len(said) == len(places) == 96
    assert 30 <= left["pocket-ninja"] <= 66, "sides are left to chance"
    assert next_ballot(index, entries, said, "somebody else") is not None


def test_pairs_are_shown_evenly(index: ReportsIndex) -> None:
    said: list[Vote] = []
    for _ in range(40):
        ballot = next_ballot(index, index.entries(), said, "me")
        assert ballot is not None
        said.append(vote(ballot.a.name, ballot.b.name, "a", ballot.prompt, ballot.seed, "me"))
    counts = Counter(frozenset((each.a, each.b)) for each in said)
    assert len(counts) == 10
    assert set(counts.values()) == {4}


def test_strengths_are_those_of_bradley_and_terry() -> None:
    said = [vote("x", "y", "a", f"p{n}") for n in range(14)]
    said += [vote("x", "y", "b", f"q{n}") for n in range(6)]
    said += [vote("y", "z", "a", f"r{n}") for n in range(9)]
    said += [vote("z", "y", "a", f"s{n}") for n in range(11)]
    names = ["x", "y", "z"]
    wins = np.zeros((3, 3))
    for each in said:
        winner, loser = (each.a, each.b) if each.answers["style"] == "a" else (each.b, each.a)
        wins[names.index(winner), names.index(loser)] += 1
    wins += votes.PRIOR / 2 * (1 - np.eye(3))

    def loss(free: np.ndarray) -> float:
        theta = np.append(free, 0.0)
        return float(np.sum(wins * np.log1p(np.exp(theta[None, :] - theta[:, None]))))

    theta = np.append(optimize.minimize(loss, np.zeros(2), tol=1e-12).x, 0.0)
    chance = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    expected = (chance.sum(1) - 0.5) / 2
    found = {each.name: each for each in strengths(said, "style", draws=40)}
    assert [found[name].value for name in names] == pytest.approx(expected.tolist(), abs=1e-3)
    assert all(each.low <= each.value <= each.high for each in found.values())
    assert {name: found[name].votes for name in names} == {"x": 20, "y": 40, "z": 20}


def test_intervals_narrow_with_votes_and_ties_pull_together() -> None:
    def spread(count: int) -> float:
        said = [vote("x", "y", "a" if n % 3 else "b", f"p{n}") for n in range(count)]
        return max(each.high - each.low for each in strengths(said, "style", draws=200))

    assert spread(300) < spread(30) / 2
    ties = strengths([vote("x", "y", "tie", f"p{n}") for n in range(30)], "style", draws=20)
    assert [each.value for each in ties] == pytest.approx([0.5, 0.5])


def test_one_who_never_lost_is_not_infinitely_strong() -> None:
    found = strengths([vote("x", "y", "a", f"p{n}") for n in range(12)], "style", draws=20)
    assert found[0].name == "x"
    assert 0.9 < found[0].value < 1.0


def test_a_metric_agrees_where_its_better_value_was_preferred(index: ReportsIndex) -> None:
    entries = index.entries()
    a, b = "pocket-v1/pocket-ninja", "pocket-v1/pocket-base"
    one, other = (index.samples(index.find(name)) for name in (a, b))
    said = []
    for prompt, seed in list(one.rows)[:40]:
        better = one.of(prompt, seed)["style"] < other.of(prompt, seed).get("style", -1)
        said.append(vote(a, b, "a" if better else "b", prompt, seed))
    rising = {"style": False, "clip-score": True}
    found = {each.metric: each for each in agreements(index, entries, said, "style", rising)}
    assert found["style"].share == 1.0
    assert found["style"].low > 0.85
    assert found["style"].high == pytest.approx(1.0)
    turned = {
        each.metric: each.share
        for each in agreements(index, entries, said, "style", {"style": True})
    }
    assert turned["style"] == 0.0
    ties = [each.model_copy(update={"answers": {"style": "tie"}}) for each in said]
    assert agreements(index, entries, ties, "style", rising) == []
