"""Maps, Gram matrices, thumbnails and the sketch that makes long rows short."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from harness.errors import ScoringError
from harness.extractors.maps import gram, maps
from harness.extractors.sketch import sketch
from harness.extractors.specs import Gram, Maps, Thumbnail
from harness.extractors.thumbnail import thumbnail
from harness.interfaces import Network
from harness.pocket.world import row

MODEL = "pocket/inception"
FACES = [row("ninja", number).image() for number in range(6)]


@torch.inference_mode()
def seen(network: Network, pictures: list[Image.Image] = FACES) -> np.ndarray:
    return np.asarray(network.see(pictures, [""] * len(pictures))["images"])


def test_maps_know_where_on_the_grid_something_is() -> None:
    network = maps(Maps(use="maps", model=MODEL, layer=-2, grid=2), "cpu")
    covered = [face.copy() for face in FACES]
    for face in covered:
        face.paste("white", (0, 0, 32, 32))
    before, after = (seen(network, each).reshape(6, -1, 2, 2) for each in (FACES, covered))
    change = np.abs(before - after).mean((0, 1))
    assert change[0, 0] > 2 * np.delete(change.ravel(), 0).max()


def test_maps_on_a_grid_of_one_are_the_mean_over_places() -> None:
    coarse, fine = (
        seen(maps(Maps(use="maps", model=MODEL, layer=-2, grid=grid), "cpu")) for grid in (1, 2)
    )
    np.testing.assert_allclose(fine.reshape(6, -1, 4).mean(2), coarse, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [5, -6])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(ScoringError, match="has 5 layers"):
        seen(maps(Maps(use="maps", model=MODEL, layer=layer), "cpu"))


@pytest.mark.parametrize(
    "network",
    [
        maps(Maps(use="maps", model=MODEL, grid=16), "cpu"),
        gram(Gram(use="gram", model=MODEL), "cpu"),
        thumbnail(Thumbnail(side=26), "cpu"),
    ],
    ids=["maps", "gram", "thumbnail"],
)
def test_no_row_is_longer_than_2048_or_depends_on_its_batch(network: Network) -> None:
    together, alone = seen(network), np.concatenate([seen(network, [face]) for face in FACES])
    assert together.shape[1] <= 2048
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_gram_tells_styles_apart_that_show_the_same() -> None:
    network = gram(Gram(use="gram", model=MODEL), "cpu")
    ninja = seen(network, [row("ninja", number).image() for number in range(40)])
    faces = seen(network, [row("faces", number).image() for number in range(40)])
    centre = ninja[:20].mean(0)
    assert np.square(ninja[20:] - centre).sum(1).max() < np.square(faces - centre).sum(1).min()


def test_a_thumbnail_does_not_see_brightness() -> None:
    dark, bright = (Image.new("RGB", (64, 48), (level,) * 3) for level in (40, 200))
    rows = seen(thumbnail(Thumbnail(side=4), "cpu"), [dark, bright])
    assert rows.shape == (2, 48)
    np.testing.assert_allclose(rows, 0, atol=1e-6)


def test_a_sketch_keeps_squared_distances_within_a_few_percent() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 20_000)).astype(np.float32)
    short = sketch(rows)
    assert short.shape == (40, 2048)
    whole, kept = (np.square(each[::2] - each[1::2]).sum(1) for each in (rows, short))
    assert np.abs(kept / whole - 1).max() < 0.15
    assert abs((kept / whole).mean() - 1) < 0.03


def test_a_sketch_is_the_same_each_time_and_leaves_short_rows_alone() -> None:
    rows = np.random.default_rng(1).normal(size=(3, 5000)).astype(np.float32)
    np.testing.assert_array_equal(sketch(rows)[1:2], sketch(rows[1:2]))
    assert sketch(rows[:, :2048]) is not rows
    np.testing.assert_array_equal(sketch(rows[:, :2048]), rows[:, :2048])
