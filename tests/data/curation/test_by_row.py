"""Which rows are kept, and what is said of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.curation import rules as every
from harness.data.curation.by_row import curate as curate_rows
from harness.data.curation.rules import CurationSettings
from harness.interfaces import Picture
from harness.pages import recipe
from harness.pages.data import Curate

DANBOORU = recipe.load("danbooru-1024")


def picture(name: str = "1", **facts: Any) -> Picture:
    def never() -> None:
        raise AssertionError("a row is judged by its facts, without opening its picture")

    return Picture(id=name, open=never, text="", facts=facts or None)


def failed_rule(row: Picture, page: Curate) -> str | None:
    return every.failed_rule(row, every.asked(CurationSettings(curate=page)))


def curate(rows: Iterable[Picture], page: Curate, dropped: Counter[str]) -> Iterator[Picture]:
    return curate_rows(rows, CurationSettings(curate=page), dropped)


def is_good(row: dict[str, Any]) -> bool:
    """Return whether the code of the anime LoRA plan keeps a row."""
    shape = row["width"] / row["height"]
    if min(row["width"], row["height"]) < 768:
        return False
    if not (0.7 <= shape <= 1.4):
        return False
    return row.get("rating") in ["general", "safe"]


sides = st.integers(1, 2000) | st.sampled_from([767, 768, 1000, 1075, 1076, 1400, 1401])


@given(
    width=sides,
    height=sides,
    rating=st.sampled_from(["general", "safe", "sensitive", "explicit", "", None]),
)
def test_the_danbooru_recipe_keeps_the_rows_that_its_plan_keeps(
    width: int, height: int, rating: str | None
) -> None:
    data = DANBOORU.data
    assert data is not None
    row = {"width": width, "height": height, "rating": rating}
    assert (failed_rule(picture(**row), data.curate) is None) == is_good(row)


@pytest.mark.parametrize(
    ("side", "rule"),
    [((512, 512), None), ((512, 900), None), ((511, 900), "min_side"), ((900, 511), "min_side")],
)
def test_the_shorter_side_must_reach_the_least(side: tuple[int, int], rule: str | None) -> None:
    own = picture(width=side[0], height=side[1])
    assert failed_rule(own, Curate(min_side=512)) == rule


@pytest.mark.parametrize(
    ("side", "rule"),
    [
        ((100, 100), None),
        ((50, 100), None),
        ((200, 100), None),
        ((49, 100), "aspect"),
        ((201, 100), "aspect"),
    ],
)
def test_width_by_height_must_lie_between_the_bounds(
    side: tuple[int, int], rule: str | None
) -> None:
    own = picture(width=side[0], height=side[1])
    assert failed_rule(own, Curate(aspect=(0.5, 2.0))) == rule


@pytest.mark.parametrize(
    ("rating", "rule"), [("general", None), ("sensitive", None), ("explicit", "ratings")]
)
def test_a_rating_must_be_one_of_those_wanted(rating: str, rule: str | None) -> None:
    wanted = Curate(ratings=("general", "sensitive"))
    assert failed_rule(picture(rating=rating), wanted) == rule


@pytest.mark.parametrize(
    ("rules", "name"),
    [
        (Curate(min_side=1), "min_side"),
        (Curate(aspect=(0.001, 1000.0)), "aspect"),
        (Curate(ratings=("general",)), "ratings"),
    ],
)
@pytest.mark.parametrize(
    "facts", [{}, {"width": None, "height": None, "rating": None}, {"width": 512}, {"height": 512}]
)
def test_a_fact_that_is_unknown_breaks_its_rule(
    rules: Curate, name: str, facts: dict[str, Any]
) -> None:
    assert failed_rule(picture(**facts), rules) == name


def test_without_rules_a_row_of_which_nothing_is_known_is_kept() -> None:
    assert failed_rule(picture(), Curate()) is None


def test_rows_keep_their_order_and_the_dropped_are_counted_by_rule() -> None:
    rows = [
        picture("a", width=600, height=600, rating="general"),
        picture("b", width=100, height=600, rating="general"),
        picture("c", width=600, height=600, rating="explicit"),
        picture("d", width=600, height=600),
        picture("e", width=700, height=600, rating="general"),
    ]
    dropped: Counter[str] = Counter()
    kept = curate(rows, Curate(min_side=512, ratings=("general",)), dropped)
    assert [row.id for row in kept] == ["a", "e"]
    assert dropped == {"min_side": 1, "ratings": 2}


def test_a_row_that_breaks_several_rules_is_counted_once() -> None:
    dropped: Counter[str] = Counter()
    rules = Curate(min_side=512, aspect=(0.9, 1.1), ratings=("general",))
    assert list(curate([picture(width=10, height=100)], rules, dropped)) == []
    assert dropped.total() == 1


@given(
    sides=st.lists(st.integers(1, 100), max_size=30),
    limit=st.integers(1, 10),
    least=st.integers(1, 100),
)
def test_a_limit_keeps_the_first_rows_that_pass(sides: list[int], limit: int, least: int) -> None:
    rows = [picture(str(number), width=side, height=side) for number, side in enumerate(sides)]
    kept = [row.id for row in curate(rows, Curate(min_side=least, limit=limit), Counter())]
    passing = [str(number) for number, side in enumerate(sides) if side >= least]
    assert kept == passing[:limit]


def endless() -> Iterator[Picture]:
    while True:
        yield picture()


def test_a_limit_ends_an_endless_source() -> None:
    assert len(list(curate(endless(), Curate(limit=3), Counter()))) == 3


def test_a_limit_asks_the_source_for_no_row_it_does_not_need() -> None:
    asked: list[str] = []

    def source() -> Iterator[Picture]:
        for name in ("a", "b", "c"):
            asked.append(name)
            yield picture(name)

    assert len(list(curate(source(), Curate(limit=1), Counter()))) == 1
    assert asked == ["a"]
