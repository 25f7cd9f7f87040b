"""Near pictures are found by their hashes as brute force finds them, and flat ones never."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.data.hashes import dhash, pixels_of
from harness.data.near_duplicates import Neighbours

Codes = st.integers(0, 2**64 - 1)


@settings(max_examples=60, deadline=None)
@given(Codes, st.lists(st.sets(st.integers(0, 63), max_size=14), max_size=12), st.integers(0, 11))
def test_what_is_found_is_what_comparing_with_each_finds(
    code: int, flips: list[set[int]], distance: int
) -> None:
    codes = [code ^ sum(1 << bit for bit in each) for each in flips]
    known = Neighbours(distance)
    for number, each in enumerate(codes):
        known.add(each, str(number))
    near = [(each ^ code).bit_count() for each in codes]
    found = known.near(code)
    if min(near, default=99) > distance:
        assert found is None
    else:
        assert found is not None
        assert (codes[int(found)] ^ code).bit_count() == min(near)


def bits_between(one: Image.Image, other: Image.Image) -> int:
    a, b = dhash(one), dhash(other)
    assert a is not None
    assert b is not None
    return (a ^ b).bit_count()


def test_a_picture_is_near_its_copies_and_far_from_others() -> None:
    rng = np.random.default_rng(3)
    pictures = [
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize((200, 160))
        for _ in range(40)
    ]
    for at, picture in enumerate(pictures):
        for copy in (picture.resize((64, 64)), picture.point(lambda level: level * 0.9)):
            assert bits_between(picture, copy) <= 6
        assert all(bits_between(picture, other) > 11 for other in pictures[at + 1 :])


def test_a_plain_sheet_has_no_hash() -> None:
    for colour in ("white", "black", "red"):
        assert dhash(Image.new("RGB", (64, 64), colour)) is None


@pytest.mark.slow
def test_thirty_thousand_hashes_are_not_compared_with_each_other() -> None:
    codes = [int(each) for each in np.random.default_rng(1).integers(1, 2**63, 30_000)]

    def seconds(count: int) -> float:
        known, began = Neighbours(3), time.process_time()
        for each in codes[:count]:
            if known.near(each) is None:
                known.add(each, "")
        return time.process_time() - began

    few, many = (min(seconds(count) for _ in range(3)) for count in (3_000, 30_000))
    assert many < 40 * max(few, 0.005), "ten times as many, not a hundred"


def test_pixels_are_known_whatever_file_they_came_in() -> None:
    picture = Image.effect_noise((32, 16), 50).convert("RGB")
    assert pixels_of(picture) == pixels_of(picture.copy())
    assert pixels_of(picture) != pixels_of(picture.transpose(Image.Transpose.ROTATE_90))
    blank = [pixels_of(Image.new("RGB", size)) for size in ((4, 2), (2, 4))]
    assert blank[0] != blank[1]


@pytest.mark.parametrize("distance", [0, 3, 8, 11])
def test_equal_hashes_are_near_at_any_distance(distance: int) -> None:
    known = Neighbours(distance)
    known.add(12345, "first")
    known.add(12345, "second")
    assert known.near(12345) == "first"
