"""Broken images are found by what damage does to the reference, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.broken import FLAG, LEAST, broken, examples_of, fit
from harness.metrics.specs.broken import Broken

SPEC = Broken(use="broken")
D, N = 48, 60
KINDS = ("blur", "noise", "patches")


def style(seed: int, at: int, n: int = N) -> Array:
    """Return rows around one of several places, each as wide as it is far from the others."""
    place = 2.0 * np.random.default_rng(100 + at).normal(size=D)
    return place + 2.0 * np.random.default_rng(seed).normal(size=(n, D))


def spoiled(rows: Array, kind: int, seed: int = 0) -> Array:
    """Move rows by what all damages have in common, and by what one kind has alone."""
    common = np.random.default_rng(200).normal(size=D)
    own = np.random.default_rng(201 + kind).normal(size=D)
    blur = 0.5 * np.random.default_rng(seed).normal(size=rows.shape)
    return rows + 1.5 * common + 1.0 * own + blur


def set_of(images: Array, name: str = "p", seeds: int = 3) -> FeatureSet:
    ids = [f"{name}{row // seeds}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % seeds for row in range(len(images))])


def sides(first: int = 1, kinds: int = 3, n: int = N) -> dict[str, FeatureSet]:
    """Return the reference in style 0, the base in style 1, and the reference damaged."""
    reference = style(first, 0, n)
    rows = np.concatenate([spoiled(reference, kind, 7 + kind) for kind in range(kinds)])
    ids = [f"r{row}" for _ in range(kinds) for row in range(n)]
    names = [KINDS[kind] for kind in range(kinds) for _ in range(n)]
    return {
        "reference": set_of(reference, "r", 1),
        "base": set_of(style(first + 1, 1), "b"),
        "damaged": FeatureSet(rows, names, ids, [0] * len(rows)),
    }


def judged(images: Array, there: Mapping[str, FeatureSet], without: str = "") -> Measurement:
    kept = {side: each for side, each in there.items() if side != without}
    return broken(SPEC, Evidence(set_of(images), kept))  # type: ignore[arg-type]


def test_spoiled_images_are_found_and_flagged_those_of_an_unseen_damage_too() -> None:
    for kind in (0, 3):
        found = judged(spoiled(style(50, 0), kind, 51), sides())
        assert found.value is not None
        assert found.value > 0.6
        assert found.flag == FLAG
        assert found.samples is not None
        assert found.samples.mean() == found.value
        assert found.notes[0].startswith(f"{found.samples.sum():.0f} of {N} images are more surely")


@pytest.mark.parametrize("at", [0, 1, 2], ids=["the style", "the base", "another style"])
def test_sound_images_are_not_flagged(at: int) -> None:
    found = [judged(style(60 + seed, at), sides(1 + 2 * seed)) for seed in range(20)]
    assert not any(each.flag for each in found)
    assert np.mean([each.value for each in found if each.value is not None]) < 0.03


def test_images_between_the_style_and_the_base_are_sound() -> None:
    between = 0.5 * (style(70, 0) + style(71, 1))
    assert judged(between, sides()).value == 0


def test_a_few_broken_images_are_counted_and_not_flagged() -> None:
    images = style(80, 0)
    images[:2] = spoiled(images[:2], 1)
    found = judged(images, sides())
    assert found.value == pytest.approx(2 / N, abs=1.1 / N)
    assert found.flag is None
    assert found.samples is not None
    assert found.samples[:2].sum() >= 1


def test_without_the_base_nothing_is_flagged_for_it_may_be_another_style() -> None:
    ruined = spoiled(spoiled(style(90, 0), 1, 91), 1, 92)
    all_broken = judged(ruined, sides(), without="base")
    assert (all_broken.flag, "no base is there" in all_broken.notes[0]) == (None, True)
    assert (all_broken.value or 0) > 0.9
    half = np.concatenate([style(92, 0, N // 2), spoiled(style(93, 0, N // 2), 1)])
    assert judged(half, sides()).flag == FLAG
    assert judged(half, sides(), without="base").flag is None


def test_a_probe_does_not_learn_that_pictures_were_made_smaller() -> None:
    there = sides()
    damaged = there["damaged"]
    smaller = 3.0 * np.random.default_rng(300).normal(size=D)
    shrunk = damaged.images + smaller
    real = there["reference"]
    as_it_is = FeatureSet(
        np.concatenate([shrunk, real.images + smaller]),
        [*damaged.prompts, *["none"] * len(real)],
        [*damaged.prompt_ids, *real.prompt_ids],
        [0] * (len(damaged) + len(real)),
    )
    probe = fit(examples_of([real, there["base"]], as_it_is))
    taught = probe(style(99, 0) + smaller)
    misled = fit(examples_of([real, there["base"]], FeatureSet(shrunk, *rest(damaged))))
    assert taught.max() < 0.2
    assert misled(style(99, 0) + smaller).mean() > 0.2


def rest(of: FeatureSet) -> tuple[list[str], list[str], list[int]]:
    return [*of.prompts], [*of.prompt_ids], [*of.seeds]


def test_too_few_pictures_give_a_reason_and_no_value() -> None:
    found = judged(style(1, 0), sides(n=LEAST - 1))
    assert (found.value, found.flag) == (None, None)
    assert found.reason == "needs 20 reference pictures; has 19, 19 of them damaged"


def test_neither_a_unit_nor_a_constant_column_changes_what_is_broken() -> None:
    images = np.concatenate([style(110, 0, 30), spoiled(style(111, 0, 30), 2)])
    before = judged(images, sides())
    factor = np.append(np.full(D, 1000.0), 0.0)

    def changed(each: FeatureSet) -> FeatureSet:
        wider = np.concatenate([each.images, np.ones((len(each), 1))], 1) * factor
        return FeatureSet(wider, *rest(each))

    there = {side: changed(each) for side, each in sides().items()}
    after = broken(SPEC, Evidence(changed(set_of(images)), there))  # type: ignore[arg-type]
    assert before.samples is not None
    assert after.samples is not None
    assert (before.samples == after.samples).all()
