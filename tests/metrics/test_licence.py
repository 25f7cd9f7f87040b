"""A metric earns the right to judge: what its answers to known damage allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.licence import Answer, licence
from harness.records import is_licensed

DUTY = ("blur", "other-style")
SHARES = ("other-25", "other-50", "other-style")


def answer(delta: float, reach: float, rises: bool = False) -> Answer:
    worse = -delta if rises else delta
    response = "worse" if worse > reach else "better" if -worse > reach else "none"
    return Answer(delta, delta, delta - reach, delta + reach, response)  # type: ignore[arg-type]


def test_a_metric_that_finds_its_whole_duty_may_judge() -> None:
    answers = {"blur": answer(3, 1), "other-style": answer(9, 1), "noise": answer(0, 1)}
    said = licence(DUTY, answers, 96, rises=False)
    assert str(said) == said.state == "licensed"


def test_a_licence_says_what_was_not_asked() -> None:
    said = licence(DUTY, {"blur": answer(3, 1)}, 96, rises=False)
    assert (said.state, said.unasked) == ("licensed", ("other-style",))
    assert str(said) == "licensed, not asked about other-style"
    assert is_licensed(str(said))
    blind = licence(DUTY, {"blur": answer(-3, 1)}, 96, rises=False)
    assert str(blind) == "blind to blur"
    assert not any(map(is_licensed, (str(blind), "licensed to nobody", "unavailable: no card")))


def test_a_damage_that_changes_nothing_is_one_that_the_metric_is_blind_to() -> None:
    answers = {"blur": answer(0.01, 1), "other-style": answer(9, 1)}
    said = licence(DUTY, answers, 96, rises=False)
    assert str(said) == "blind to blur", "it would take a million pictures"


@pytest.mark.parametrize("rises", [False, True])
def test_a_damage_that_is_found_better_is_one_that_the_metric_is_blind_to(rises: bool) -> None:
    change = 5.0 if rises else -5.0
    said = licence(("blur",), {"blur": answer(change, 1, rises)}, 96, rises)
    assert (said.state, said.missed) == ("blind", ("blur",))


def test_a_damage_that_more_pictures_would_show_says_how_many() -> None:
    answers = {"blur": answer(0.8, 1), "other-style": answer(0.5, 1)}
    said = licence(DUTY, answers, 40, rises=False)
    # 40 · (1.43 · 1 / 0.5)² = 327.2
    assert said.needed == 328
    assert str(said) == "too few pictures to say (blur, other-style): about 328 would do"


def test_a_damage_that_may_still_be_large_wants_more_pictures() -> None:
    sure, wide, narrow = answer(100, 10), answer(-1, 60), answer(-1, 40)
    # half of the largest is 50; 40 · (1.43 · 60 / 50)² = 117.8
    said = licence(("other-style",), {"blur": sure, "other-style": wide}, 40, rises=False)
    assert (said.state, said.needed) == ("too-few", 118)
    said = licence(("other-style",), {"blur": sure, "other-style": narrow}, 40, rises=False)
    assert said.state == "blind", "it is at most 39 worse"
    assert licence(("other-style",), {"other-style": wide}, 40, rises=False).state == "blind"


def test_being_blind_to_one_damage_outweighs_too_few_pictures_for_another() -> None:
    answers = {"blur": answer(0.8, 1), "other-style": answer(-0.5, 1)}
    assert str(licence(DUTY, answers, 40, rises=False)) == "blind to other-style"


def test_what_has_no_value_has_no_licence() -> None:
    lost = Answer(None, None, None, None, "unavailable", "no such network")
    said = licence(DUTY, {"blur": lost}, 40, rises=False)
    assert str(said) == "unavailable: no such network"


def test_a_value_that_turns_between_shares_of_another_style_has_no_licence() -> None:
    shares = {"other-25": answer(6, 1), "other-50": answer(3, 1), "other-style": answer(9, 1)}
    said = licence(("other-style",), shares, 96, rises=False, mixtures=SHARES)
    assert str(said) == "blind to the share of another style at other-50"
    assert licence((), shares, 96, rises=False, mixtures=SHARES).state == "licensed", "no duty"


def test_a_turn_within_the_intervals_is_chance() -> None:
    shares = {"other-25": answer(4, 1), "other-50": answer(3, 1), "other-style": answer(9, 1)}
    said = licence(("other-style",), shares, 96, rises=False, mixtures=SHARES)
    assert said.state == "licensed"


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(0.1, 5)), min_size=3, max_size=3),
    st.integers(2, 500),
)
def test_turning_the_sign_of_a_metric_changes_nothing(
    changes: list[tuple[float, float]], n: int
) -> None:
    names = ("other-25", "other-50", "other-style")
    falls = {name: answer(*each) for name, each in zip(names, changes, strict=True)}
    rises = {
        name: answer(-delta, reach, rises=True)
        for name, (delta, reach) in zip(names, changes, strict=True)
    }
    said = [
        licence(("other-50", "other-style"), each, n, up, SHARES)
        for each, up in ((falls, False), (rises, True))
    ]
    assert said[0] == said[1]
