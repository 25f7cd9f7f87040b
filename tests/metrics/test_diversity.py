"""Diversity against hand arithmetic and the definition, and without each prompt."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.specs.diversity import Vendi, WithinPrompt
from harness.metrics.statistics.intervals import skewness_corrected
from harness.metrics.vendi import vendi, vendi_score
from harness.metrics.within_prompt import within_prompt

FEATURES = {"use": "classifier", "model": "pocket/inception"}
VENDI = Vendi.model_validate({"use": "vendi", "features": FEATURES})
WITHIN = WithinPrompt.model_validate({"use": "within-prompt", "features": FEATURES})


def set_of(images: Array, seeds: int = 3) -> FeatureSet:
    ids = [f"p{row // seeds}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % seeds for row in range(len(images))])


def draw(n: int, d: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + 0.5


def by_pairs(rows: Array) -> float:
    """Return the mean of 1 − cosine, one pair at a time."""
    return float(
        np.mean(
            [1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in combinations(rows, 2)]
        )
    )


def test_within_a_prompt_is_the_mean_over_pairs_of_seeds() -> None:
    images = draw(12, 5, 1)
    expected = [by_pairs(images[at : at + 3]) for at in range(0, 12, 3)]
    measured = within_prompt(WITHIN, Evidence(set_of(images)))
    assert measured.value == pytest.approx(np.mean(expected))
    assert measured.prompts == pytest.approx(np.array(expected))
    assert measured.high == pytest.approx(
        np.mean(expected) + skewness_corrected(np.array(expected))[1]
    )


def test_equal_images_of_each_prompt_are_no_diversity_within_it() -> None:
    images = np.repeat(draw(4, 5, 2), 3, axis=0)
    assert within_prompt(WITHIN, Evidence(set_of(images))).value == pytest.approx(0, abs=1e-12)


def test_one_seed_a_prompt_gives_a_reason() -> None:
    measured = within_prompt(WITHIN, Evidence(set_of(draw(6, 5, 3), seeds=1)))
    assert measured.value is None
    assert measured.reason is not None
    assert "2 seeds" in measured.reason


def test_a_prompt_with_one_image_left_does_not_count_and_is_named() -> None:
    measured = within_prompt(WITHIN, Evidence(set_of(draw(7, 5, 4))))
    assert measured.prompt_ids == ("p0", "p1")
    assert measured.n == 6
    assert measured.notes


def test_vendi_counts_pictures_that_share_nothing() -> None:
    assert vendi_score(np.eye(4)) == pytest.approx(4)
    assert vendi_score(np.repeat(np.eye(4), 5, axis=0)) == pytest.approx(4)
    assert vendi_score(np.ones((6, 3)) / np.sqrt(3)) == pytest.approx(1)


@pytest.mark.parametrize(("n", "d"), [(12, 40), (40, 6)], ids=["few images", "few features"])
def test_vendi_is_the_entropy_of_the_kernel_and_its_interval_leaves_prompts_out(
    n: int, d: int
) -> None:
    images = draw(n, d, 5)
    rows = images / np.linalg.norm(images, axis=1, keepdims=True)

    def by_definition(kept: Array) -> float:
        values = np.linalg.svd(kept, compute_uv=False) ** 2 / len(kept)
        return float(np.exp(stats.entropy(values)))

    own = set_of(images)
    measured = vendi(VENDI, Evidence(own))
    value, ids = by_definition(rows), np.array(own.prompt_ids)
    names = list(dict.fromkeys(own.prompt_ids))
    pseudo = np.array(
        [len(names) * value - (len(names) - 1) * by_definition(rows[ids != each]) for each in names]
    )
    assert measured.value == pytest.approx(value)
    assert measured.prompts == pytest.approx(pseudo)
    assert measured.high == pytest.approx(value + skewness_corrected(pseudo)[1])


def test_a_collapsed_set_is_less_diverse() -> None:
    images = draw(96, 16, 6)
    whole = vendi(VENDI, Evidence(set_of(images)))
    collapsed = vendi(VENDI, Evidence(set_of(images[np.arange(96) % 4])))
    assert whole.low is not None
    assert collapsed.high is not None
    assert collapsed.high < whole.low
    assert VENDI.label(96) == "vendi@n=96"
