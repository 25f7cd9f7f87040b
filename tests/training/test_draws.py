"""Randomness by counter: numbers belong to samples, not to the order of asking."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.diffusion.dropout import SampleDropout
from harness.training.draws import Purpose, SampleRandom, random_key

SEED = random_key(0)


def test_a_sample_draws_the_same_numbers_whatever_was_drawn_before():
    random = SampleRandom(SEED, step=3, sample=5)
    first = random.normal(Purpose.NOISE, (4, 8, 8))
    SampleRandom(SEED, step=9, sample=1).normal(Purpose.NOISE, (100,))
    torch.manual_seed(123)
    assert torch.equal(random.normal(Purpose.NOISE, (4, 8, 8)), first)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**40),
            st.integers(0, 5000),
            st.sampled_from([0, 1]),
            st.sampled_from(list(Purpose)),
        ),
        min_size=2,
        max_size=6,
        unique=True,
    )
)
def test_no_two_counters_share_numbers(places):
    drawn = [
        SampleRandom(SEED, step, sample, side).normal(purpose, (6,)).tolist()
        for step, sample, side, purpose in places
    ]
    assert len({tuple(numbers) for numbers in drawn}) == len(places)


def test_another_seed_gives_other_numbers():
    assert SampleRandom(random_key(0), 0, 0).uniform(4) != SampleRandom(
        random_key(1), 0, 0
    ).uniform(4)


def test_draws_are_normal_across_samples_and_steps():
    drawn = np.concatenate(
        [
            SampleRandom(SEED, step, s).normal(Purpose.NOISE, (64,)).numpy()
            for step in range(40)
            for s in range(8)
        ]
    )
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02


def dropout(share: float, salts: list[int], layer: int = 1) -> SampleDropout:
    return SampleDropout(share, layer, [torch.tensor(salts, dtype=torch.int32)])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(share):
    x = torch.ones(4, 64, 320)
    dropped = dropout(share, [SampleRandom(SEED, 0, s).salt() for s in range(4)])(x)
    assert abs(float((dropped == 0).float().mean()) - share) < 0.01
    assert abs(float(dropped.mean()) - 1) < 0.03


def test_a_sample_is_dropped_alike_in_any_company():
    salts = [SampleRandom(SEED, 2, s).salt() for s in range(3)]
    x = torch.randn(3, 16, 32)
    together = dropout(0.4, salts)(x)
    alone = torch.cat([dropout(0.4, [salt])(x[i : i + 1]) for i, salt in enumerate(salts)])
    assert torch.equal(together, alone)


def test_layers_and_samples_drop_differently():
    x = torch.ones(2, 400)
    one = dropout(0.5, [7, 8])(x)
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one, dropout(0.5, [7, 8], layer=2)(x))


def test_two_windows_of_one_sample_share_its_salt():
    x = torch.ones(4, 100)
    dropped = dropout(0.5, [7, 8])(x)
    assert torch.equal(dropped[0], dropped[1])
    assert not torch.equal(dropped[1], dropped[2])


def test_dropout_rests_outside_training():
    x = torch.randn(2, 10)
    assert torch.equal(dropout(0.5, [1, 2]).eval()(x), x)


def test_neighbouring_places_drop_independently():
    """A weak hash would drop in stripes: the chance of two in a row is that of one, squared."""
    gone = dropout(0.3, [11], layer=5)(torch.ones(1, 200_000))[0] == 0
    for distance in (1, 2, 32, 320, 1024):
        both = float((gone[distance:] & gone[:-distance]).float().mean())
        assert abs(both - 0.09) < 0.005
