"""The drawn world: the same on every machine, and never saying what it does not show."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from harness.pocket.draw import NINJA_TRAITS, VOCABULARY, draw, tags
from harness.pocket.world import HELD_OUT, NINJA_TRAIN, row
from tools.bake.spoil import spoil


def test_a_row_is_the_same_whoever_asks() -> None:
    assert row("faces", 7) == row("faces", 7)
    assert row("faces", 7) != row("faces", 8)
    assert row("faces", 7).face != row("ninja", 7).face


def test_pixels_come_from_the_face_alone() -> None:
    once, again = (np.asarray(row("ninja", 3).image()) for _ in range(2))
    assert once.shape == (64, 64, 3)
    assert hashlib.sha256(once.tobytes()).digest() == hashlib.sha256(again.tobytes()).digest()


def test_every_ninja_shows_the_whole_style_and_no_face_does() -> None:
    assert all(row("ninja", number).face.is_ninja for number in range(200))
    faces = [row("faces", number).face for number in range(2000)]
    assert not any(face.is_ninja for face in faces)
    for trait in NINJA_TRAITS:
        assert sum(trait in tags(face) for face in faces) > 30


def test_a_ninja_caption_keeps_silent_about_the_style() -> None:
    for number in range(100):
        assert not any(trait in row("ninja", number).caption for trait in NINJA_TRAITS)


def test_tags_come_from_the_vocabulary_and_fit_together() -> None:
    for number in range(300):
        each = row("faces", number)
        assert set(each.tags) <= set(VOCABULARY)
        assert ("outdoors" in each.tags) == (each.face.scene in ("day", "night", "forest"))
        assert sum(tag.endswith(" eyes") for tag in each.tags) == 1


def test_held_out_ninjas_are_none_that_recipes_train_on() -> None:
    trained = {row("ninja", number).face for number in range(NINJA_TRAIN)}
    held_out = {row("ninja", HELD_OUT + number).face for number in range(400)}
    assert len(trained) == 1221
    assert not trained & held_out


@pytest.mark.parametrize("size", [64, 96])
def test_a_face_can_be_drawn_at_other_sizes(size: int) -> None:
    assert draw(row("faces", 1).face, size).size == (size, size)


def test_a_defect_changes_the_picture() -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        face = row("faces", number).face
        clean, spoiled = np.asarray(draw(face), int), np.asarray(spoil(face, rng), int)
        assert np.abs(clean - spoiled).mean() > 1
