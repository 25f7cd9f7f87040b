"""Results side by side: their pairs, their numbers, and what differs."""

from __future__ import annotations

from harness.views import duels
from harness.views.shelf import Shelf


def test_pairs_are_of_one_prompt_and_seed_and_carry_both_values(shelf: Shelf) -> None:
    a, b = shelf.find("pocket-v1/pocket-ninja"), shelf.find("pocket-v1/pocket-base")
    pairs = duels.pairs(shelf, [a, b])
    assert len(pairs) == 96
    for pair in pairs:
        mine, its = (shelf.samples(each).of(pair["prompt"], pair["seed"]) for each in (a, b))
        assert [metric for metric, _, _ in pair["scores"]] == [name for name in mine if name in its]
        assert pair["shots"][0]["src"].startswith("/pictures/pocket-v1/pocket-ninja/")
        assert pair["shots"][1]["src"].startswith("/pictures/pocket-v1/pocket-base/")


def test_more_than_two_stand_beside_each_other(shelf: Shelf) -> None:
    names = ("pocket-ninja", "pocket-base", "pocket-ninja-short")
    held = [shelf.find(f"pocket-v1/{name}") for name in names]
    for pair in duels.pairs(shelf, held):
        whose = [shot["src"].split("/")[3] for shot in pair["shots"]]
        assert whose == list(names)
        assert all(len(line) == 1 + len(names) for line in pair["scores"])
    results = [each.result for each in held if each.result is not None]
    changes = {change.field: change.values for change in duels.changes(*results)}
    assert changes["recipe.train.phases[0].steps"] == ("300", "–", "40")


def test_the_numbers_are_those_of_compare(shelf: Shelf) -> None:
    a, b = shelf.find("pocket-v1/pocket-ninja"), shelf.find("pocket-v1/pocket-ninja-short")
    found = duels.comparison(a, b)
    assert found.verdict == "better"
    assert duels.said(found).startswith("pocket-ninja is better than pocket-ninja-short: kid")
    lines = {line["metric"]: line for line in duels.findings(found)}
    assert lines["kid"]["verdict"] == "better"
    assert lines["clip-score"]["verdict"] == "worse"


def test_only_what_differs_is_named(shelf: Shelf) -> None:
    a, b = shelf.find("pocket-v1/pocket-ninja"), shelf.find("pocket-v1/pocket-ninja-short")
    assert a.result is not None
    assert b.result is not None
    changes = {change.field: change.values for change in duels.changes(a.result, b.result)}
    assert changes["recipe.train.phases[0].steps"] == ("300", "40")
    assert all(one != other for one, other in changes.values())
    assert duels.changes(a.result, a.result) == []
