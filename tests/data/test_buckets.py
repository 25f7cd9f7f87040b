"""Aspect buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.buckets import nearest, shapes
from harness.pages.train import Buckets

SDXL = Buckets(step=64, longest=2048, shortest=512)


def test_every_shape_is_whole_steps_within_bounds_and_area():
    found = shapes(SDXL, 1024)
    assert len(found) >= 20
    for height, width in found:
        assert height % 64 == width % 64 == 0
        assert 512 <= height <= 2048
        assert 512 <= width <= 2048
        assert height * width <= 1024 * 1024
        assert (width, height) in found


@pytest.mark.parametrize(
    "shape",
    [(1024, 1024), (1152, 896), (1216, 832), (1344, 768), (1536, 640), (832, 1216), (640, 1536)],
)
def test_the_resolutions_that_animagine_names_are_among_them(shape):
    assert shape in shapes(SDXL, 1024)


@given(st.floats(0.2, 5))
def test_a_picture_goes_to_the_shape_of_nearest_proportion(ratio):
    allowed = shapes(SDXL, 1024)
    chosen = nearest(ratio, allowed)
    distance = abs(math.log(chosen[0] / chosen[1]) - math.log(ratio))
    assert all(distance <= abs(math.log(h / w) - math.log(ratio)) + 1e-12 for h, w in allowed)


def test_a_square_picture_stays_square_at_full_size():
    assert nearest(1.0, shapes(SDXL, 1024)) == (1024, 1024)


def test_the_pocket_has_its_own_small_shapes():
    wide = [(32, 96), (32, 112), (32, 128), (48, 80)]
    tall = [(width, height) for height, width in wide]
    found = shapes(Buckets(step=16, longest=128, shortest=32), 64)
    assert found == sorted([*wide, (64, 64), *tall])
