"""Results side by side: their pairs, their numbers, and what differs."""

from __future__ import annotations

from harness.report.comparison import sentence
from harness.views import comparison
from harness.views.reports_index import ReportsIndex


def test_pairs_are_of_one_prompt_and_seed_and_carry_both_values(index: ReportsIndex) -> None:
    a, b = index.find("pocket-v1/pocket-ninja"), index.find("pocket-v1/pocket-base")
    pairs = comparison.pairs(index, [a, b])
    assert len(pairs) == 96
    for pair in pairs:
        mine, its = (index.samples(each).of(pair["prompt"], pair["seed"]) for each in (a, b))
        assert [metric for metric, _, _ in pair["scores"]] == [name for name in mine if name in its]
        assert pair["shots"][0]["src"].startswith("/pictures/pocket-v1/pocket-ninja/")
        assert pair["shots"][1]["src"].startswith("/pictures/pocket-v1/pocket-base/")


def test_more_than_two_stand_beside_each_other(index: ReportsIndex) -> None:
    names = ("pocket-ninja", "pocket-base", "pocket-ninja-short")
    entries = [index.find(f"pocket-v1/{name}") for name in names]
    for pair in comparison.pairs(index, entries):
        whose = [shot["src"].split("/")[3] for shot in pair["shots"]]
        assert whose == list(names)
        assert all(len(line) == 1 + len(names) for line in pair["scores"])
    results = [each.result for each in entries if each.result is not None]
    changes = {change.field: change.values for change in comparison.changes(*results)}
    assert changes["recipe.train.phases[0].steps"] == ("300", "–", "40")


def test_the_numbers_are_those_of_compare(index: ReportsIndex) -> None:
    a, b = index.find("pocket-v1/pocket-ninja"), index.find("pocket-v1/pocket-ninja-short")
    found = comparison.comparison(a, b)
    assert found.verdict == "better"
    assert sentence(found).startswith("pocket-ninja is better than pocket-ninja-short: kid")
    lines = {line["metric"]: line for line in comparison.findings(found)}
    assert lines["kid"]["verdict"] == "better"
    assert lines["clip-score"]["verdict"] == "worse"


def test_only_what_differs_is_named(index: ReportsIndex) -> None:
    a, b = index.find("pocket-v1/pocket-ninja"), index.find("pocket-v1/pocket-ninja-short")
    assert a.result is not None
    assert b.result is not None
    changes = {change.field: change.values for change in comparison.changes(a.result, b.result)}
    assert changes["recipe.train.phases[0].steps"] == ("300", "40")
    assert all(one != other for one, other in changes.values())
    assert comparison.changes(a.result, a.result) == []
