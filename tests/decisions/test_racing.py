"""A race stops what is surely worse, and asks the others everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from contenders import contender, normal, with_score

from harness.decisions.racing import Look, behind, looks_of, part_of, prompts_in_turn, race
from harness.decisions.sweep import Point
from harness.interfaces import Array
from harness.pages.benchmark import Judgement, load

LOOKS = [Look(8, 1), Look(16, 1), Look(32, 1), Look(32, 3)]
MEANS = {100: 9.0, 200: 3.0, 300: 3.0, 400: 3.2, 500: 9.0}


def values(at: float, look: Look, means: dict[int, float], noise: float = 1.0) -> Array:
    """Return KIDs by prompt: what all points share, and noise that more seeds lessen."""
    own = normal(int(at) + 7, 96).reshape(3, 32)[: look.seeds].mean(0)
    return (means[int(at)] + normal(0) + noise * own)[: look.prompts]


def judge_by(
    means: dict[int, float], flagged: Callable[[float, Look], bool] = lambda at, look: False
) -> tuple[Callable[[float, Look], Point], list[tuple[float, Look]]]:
    asked: list[tuple[float, Look]] = []

    def judge(at: float, look: Look) -> Point:
        asked.append((at, look))
        kid = values(at, look, means)
        side = contender({}, f"step-{at:g}", kid=kid, memorization=np.zeros(look.prompts))
        if flagged(at, look):
            side = with_score(side, "memorization", flag="copies training pictures")
        return Point(at, side.result, side.prompts)

    return judge, asked


def test_looks_double_the_prompts_and_end_with_the_whole() -> None:
    assert looks_of(32, 3) == LOOKS
    assert looks_of(32, 1) == [Look(8, 1), Look(16, 1), Look(32, 1)]
    assert looks_of(20, 2) == [Look(8, 1), Look(16, 1), Look(20, 1), Look(20, 2)]
    assert looks_of(4, 1) == [Look(4, 1)], "too few prompts for a race: all are asked"


def test_points_that_are_surely_worse_are_stopped_and_the_others_are_judged_in_full() -> None:
    judge, asked = judge_by(MEANS)
    ran = race([*MEANS], LOOKS, "kid", judge)
    assert {100, 500} <= ran.stopped.keys()
    assert {200, 300}.isdisjoint(ran.stopped)
    assert all(ran.looks[at] == LOOKS[-1] for at in MEANS if at not in ran.stopped)
    assert [point.at for point in ran.points] == [*MEANS], "what was known is still there"
    assert 200 in ran.stopped[100].rivals
    assert ran.images < 0.75 * LOOKS[-1].images * len(MEANS)
    assert len(asked) == len(set(asked)), "no point is asked the same twice"


def test_equal_points_are_all_judged_in_full() -> None:
    judge, _ = judge_by(dict.fromkeys(MEANS, 3.0))
    ran = race([*MEANS], LOOKS, "kid", judge)
    assert not ran.stopped
    assert ran.images == LOOKS[-1].images * len(MEANS)


def test_a_copying_point_stops_nobody_however_good() -> None:
    """500 is best by far until, at the whole, its images turn out to be copies."""
    means = MEANS | {500: -5.0}
    judge, _ = judge_by(means, lambda at, look: at == 500 and look == LOOKS[-1])
    ran = race([*means], LOOKS, "kid", judge)
    assert {200, 300}.isdisjoint(ran.stopped)
    assert ran.looks[200] == LOOKS[-1]
    early, _ = judge_by(means, lambda at, look: at == 500)
    ran = race([*means], LOOKS, "kid", early)
    assert ran.stopped[500].rivals == ()
    assert ran.looks[500] == LOOKS[0]


def test_a_look_is_stricter_the_more_of_them_there_are() -> None:
    judge, _ = judge_by({100: 3.75, 200: 3.0})
    points = [judge(at, LOOKS[2]) for at in (100, 200)]
    found = [bool(behind(points, "kid", looks)) for looks in (1, 100_000)]
    assert found == [True, False]


@pytest.fixture(scope="module")
def judgement() -> Judgement:
    return load("pocket-v1")


def test_a_part_has_its_share_of_every_suite_and_parts_are_nested(judgement: Judgement) -> None:
    turn = prompts_in_turn(judgement)
    assert sorted(turn) == sorted(prompt.id for prompt in judgement.prompts)
    small, large = (part_of(judgement, look) for look in LOOKS[:2])
    assert {each.id for each in small.prompts} < {each.id for each in large.prompts}
    assert len(small.prompts) == 8
    assert small.benchmark.seeds == judgement.benchmark.seeds[:1]
    for suite in judgement.suites:
        kept = next(each for each in small.suites if each.name == suite.name)
        share = 8 * len(suite.prompts) / len(judgement.prompts)
        assert abs(len(kept.prompts) - share) <= 1


def test_the_best_is_stopped_at_most_once_in_twenty() -> None:
    """All points are equal: any that is stopped is one too many, and the first is looked at."""
    rng, lost, tries = np.random.default_rng(5), 0, 300
    for _ in range(tries):
        drawn = rng.normal(size=(6, 32)) + rng.normal(size=32)

        def judge(at: float, look: Look, drawn: Array = drawn) -> Point:
            side = contender({}, f"step-{at:g}", kid=drawn[int(at)][: look.prompts])
            return Point(at, side.result, side.prompts)

        lost += 0 in race(range(6), LOOKS[:3], "kid", judge).stopped
    assert lost / tries <= 0.05
