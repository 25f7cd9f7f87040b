"""Likeness to the reference against all pairs, and the Gram matrices of drawings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.extractors.maps import gram, unit_gram
from harness.extractors.specs import Gram
from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.likeness import likeness
from harness.metrics.specs.style import ClipI, Style
from harness.metrics.style import style
from harness.pocket.world import HELD_OUT, row

CLIP_I = ClipI.model_validate({"use": "clip-i", "features": {"model": "pocket/clip"}})
GRAM = Gram(use="gram", model="pocket/inception")
STYLE = Style.model_validate({"use": "style", "features": GRAM.model_dump()})


def set_of(images: Array) -> FeatureSet:
    ids = [f"p{row // 2}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % 2 for row in range(len(images))])


def draw(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(n, 5)) + 1


def test_likeness_is_the_mean_cosine_over_all_pairs() -> None:
    own, reference = draw(8, 1), draw(11, 2)
    pairs = [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a in own for b in reference]
    measured = likeness(CLIP_I, Evidence(set_of(own), {"reference": set_of(reference)}))
    assert measured.value == pytest.approx(np.mean(pairs))
    assert measured.samples == pytest.approx(np.reshape(pairs, (8, 11)).mean(1))
    assert measured.low is not None
    assert measured.low < np.mean(pairs)


def test_an_empty_reference_gives_a_reason() -> None:
    nothing = set_of(np.zeros((0, 5)))
    for measured in (
        likeness(CLIP_I, Evidence(set_of(draw(8, 1)), {"reference": nothing})),
        style(STYLE, Evidence(set_of(draw(8, 1)), {"reference": nothing})),
    ):
        assert measured.value is None
        assert measured.reason is not None


def test_fresh_real_pictures_come_to_one_however_few_the_reference_has() -> None:
    values = [
        style(
            STYLE, Evidence(set_of(draw(20, seed)), {"reference": set_of(draw(5, 900 + seed))})
        ).value
        for seed in range(300)
    ]
    assert np.mean(np.array(values, np.float64)) == pytest.approx(1, abs=0.15)


def test_a_gram_matrix_forgets_where_things_are() -> None:
    layer = torch.from_numpy(np.random.default_rng(1).random((2, 3, 4, 4))).float()
    shuffled = layer.flatten(2)[
        :, :, torch.randperm(16, generator=torch.Generator().manual_seed(0))
    ]
    torch.testing.assert_close(unit_gram(layer), unit_gram(shuffled.reshape(2, 3, 4, 4)))
    by_hand = layer[0].flatten(1) @ layer[0].flatten(1).T
    torch.testing.assert_close(unit_gram(layer)[0], (by_hand / by_hand.norm()).flatten())


@torch.inference_mode()
def test_another_style_is_farther_than_real_pictures_of_this_one() -> None:
    see = gram(GRAM, "cpu").see

    def seen(name: str, first: int, count: int) -> FeatureSet:
        pictures = [row(name, first + at).image() for at in range(count)]  # type: ignore[arg-type]
        return set_of(np.asarray(see(pictures, [""] * count)["images"], np.float64))

    reference = {"reference": seen("ninja", HELD_OUT, 60)}
    same = style(STYLE, Evidence(seen("ninja", HELD_OUT + 100, 40), reference))
    other = style(STYLE, Evidence(seen("faces", HELD_OUT, 40), reference))
    assert same.high is not None
    assert other.low is not None
    assert other.low > same.high, "lower is nearer to the style"
    assert not STYLE.higher_is_better
