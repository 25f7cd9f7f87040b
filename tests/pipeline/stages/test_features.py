"""An image is decoded once for every extractor, and not at all if all of them know it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from harness.errors import MissingPrerequisite, ScoringError
from harness.interfaces import ExtractorSpec, Network, Rows, SplitNetwork, StageContext
from harness.pipeline.stages.cached_extractor import CachedExtractor, ImageFile
from harness.pipeline.stages.feature_cache import FeatureCache
from harness.pipeline.stages.feature_files import features, first_not_finite
from harness.pipeline.stages.feature_pass import (
    PIXELS,
    batches_of,
    exact_convolutions,
    images_at_once,
)
from harness.pipeline.stages.features import fill_caches
from harness.pipeline.stages.files import UNREADABLE, Entry, open_picture, write_index

SHOWN: list[tuple[str, int]] = []
"""Which network saw a picture, and how bright it was."""


class Brightness(ExtractorSpec):
    """Sees how bright a picture is; reads how long a text is."""

    implementation: ClassVar[str] = "not:used"
    reads_text: ClassVar[bool] = True
    use: Literal["brightness"] = "brightness"
    name: str = "one"


class Joint(Brightness):
    """Sees a picture together with its prompt."""

    reads_text: ClassVar[bool] = False
    reads_prompt: ClassVar[bool] = True


class Watched(CachedExtractor):
    """An extractor with its network here, which notes what it sees."""

    def __init__(self, spec: Brightness, rows: Path | None, gives_up_at: int = 1000) -> None:
        super().__init__(spec, StageContext(Path(), {}, rows=rows))
        self._gives_up_at = gives_up_at
        self.texts: list[str] = []

    @property
    def network(self) -> Network:
        assert isinstance(self.spec, Brightness)
        if self.spec.name == "missing":
            raise MissingPrerequisite("there is no such network")
        return Network(self._see, self._read)

    def _see(self, pictures: Sequence[Any], texts: Sequence[str]) -> Rows:
        bright = [int(np.asarray(picture)[0, 0, 0]) for picture in pictures]
        assert isinstance(self.spec, Brightness)
        SHOWN.extend((self.spec.name, each) for each in bright)
        if any(each >= self._gives_up_at for each in bright):
            raise RuntimeError("killed")
        lengths = [len(text) for text in texts] if self.spec.reads_prompt else [0] * len(bright)
        return {"images": np.array(list(zip(bright, lengths, strict=True)), np.float32)}

    def _read(self, texts: Sequence[str]) -> Rows:
        self.texts += texts
        return {"texts": np.array([[len(text)] for text in texts], np.float32)}


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    """Six pictures of brightness 0 to 5, two a batch."""
    SHOWN.clear()
    found = []
    for number in range(6):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (4, 4), (number, 0, 0)).save(file)
        found.append(ImageFile(file, f"digest {number}", "odd" if number % 2 else "even!"))
    return found


def context(rows: Path | None = None, batch: int = 2) -> StageContext:
    return StageContext(Path(), {}, batch=batch, rows=rows)


def test_every_picture_is_decoded_once_and_shown_to_all(images: list[ImageFile]) -> None:
    extractors = [Watched(Brightness(name=name), None) for name in ("one", "two")]
    fill_caches(images, extractors, context())
    pairs = [
        (name, number)
        for at in range(0, 6, 2)
        for name in ("one", "two")
        for number in (at, at + 1)
    ]
    assert pairs == SHOWN


def test_rows_come_back_in_the_order_asked_for(images: list[ImageFile]) -> None:
    extractor = Watched(Brightness(), None)
    fill_caches(images, [extractor], context(batch=4))
    found = extractor.features([images[5], images[0], images[5]])
    assert found["images"][:, 0].tolist() == [5, 0, 5]
    assert found["texts"][:, 0].tolist() == [3, 5, 3]


def test_equal_pictures_are_seen_once(images: list[ImageFile]) -> None:
    again = [ImageFile(image.file, image.content, "another prompt") for image in images[:2]]
    fill_caches([*images[:2], *again], [Watched(Brightness(), None)], context())
    assert [number for _, number in SHOWN] == [0, 1]


def test_an_image_in_the_cache_is_not_seen_again(images: list[ImageFile], tmp_path: Path) -> None:
    fill_caches(images, [Watched(Brightness(), tmp_path)], context())
    SHOWN.clear()
    later = Watched(Brightness(), tmp_path)
    fill_caches(
        [ImageFile(image.file, image.content, "new words") for image in images], [later], context()
    )
    assert SHOWN == []
    assert later.texts == ["new words"]


def test_another_extractor_has_a_cache_of_its_own(images: list[ImageFile], tmp_path: Path) -> None:
    fill_caches(images, [Watched(Brightness(name="one"), tmp_path)], context())
    SHOWN.clear()
    fill_caches(images, [Watched(Brightness(name="two"), tmp_path)], context())
    assert len(SHOWN) == 6


def test_an_extractor_of_prompts_sees_an_image_once_a_prompt(
    images: list[ImageFile],
) -> None:
    extractor = Watched(Joint(), None)
    both = [images[0], ImageFile(images[0].file, images[0].content, "longer words")]
    fill_caches(both, [extractor], context())
    assert extractor.features(both)["images"].tolist() == [[0, 5], [0, 12]]


def test_a_killed_pass_goes_on_where_it_stopped(images: list[ImageFile], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        fill_caches(images, [Watched(Brightness(), tmp_path, gives_up_at=4)], context())
    SHOWN.clear()
    fill_caches(images, [Watched(Brightness(), tmp_path)], context())
    assert [number for _, number in SHOWN] == [4, 5]


def test_a_network_in_parts_is_given_its_inputs_in_other_threads(
    images: list[ImageFile],
) -> None:
    where = {"prepare": set[int](), "gather": set[int](), "compute": set[int]()}

    def prepare(picture: Image.Image) -> int:
        where["prepare"].add(threading.get_ident())
        return int(np.asarray(picture)[0, 0, 0])

    def gather(inputs: Sequence[int]) -> list[list[int]]:
        where["gather"].add(threading.get_ident())
        return [[each] for each in inputs]

    def compute(batch: list[list[int]]) -> Rows:
        where["compute"].add(threading.get_ident())
        return {"images": np.array(batch, np.float32)}

    parts = SplitNetwork(prepare, gather, compute)
    network = Network(lambda pictures, texts: parts.see(pictures), split=parts)
    extractor = CachedExtractor(Joint(), context(), network)
    fill_caches(images, [extractor], context())
    assert extractor.features(images)["images"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert where["compute"] == {threading.get_ident()}
    assert len(where["gather"]) == 1
    assert not where["compute"] & (where["prepare"] | where["gather"])


def test_the_next_batches_are_prepared_while_a_network_computes(images: list[ImageFile]) -> None:
    prepared, waited = {number: threading.Event() for number in range(6)}, []

    def prepare(picture: Image.Image) -> int:
        number = int(np.asarray(picture)[0, 0, 0])
        prepared[number].set()
        return number

    def compute(batch: Sequence[int]) -> Rows:
        waited.append(prepared[5].wait(timeout=60))  # a picture two batches after the first
        return {"images": np.array([[each] for each in batch], np.float32)}

    parts = SplitNetwork(prepare, list, compute)
    network = Network(lambda pictures, texts: parts.see(pictures), split=parts)
    fill_caches(images, [CachedExtractor(Joint(), context(), network)], context())
    assert waited == [True] * 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16"])
def test_a_picture_is_opened_in_rgb_whatever_it_was(mode: str, tmp_path: Path) -> None:
    levels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    made = Image.fromarray(levels)
    made = made.convert("I").convert(mode) if mode == "I;16" else made.convert(mode)
    made.save(tmp_path / "a.png")
    opened = open_picture(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as again:
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(again.convert("RGB")))
    assert opened.mode == "RGB"
    (tmp_path / "a.png").unlink()
    assert opened.resize((2, 2)).size == (2, 2)


def test_a_picture_that_cannot_be_read_stops_the_pass(images: list[ImageFile]) -> None:
    images[3].file.write_bytes(b"no picture")
    with pytest.raises(UNREADABLE):
        fill_caches(images, [Watched(Brightness(), None)], context())
    assert [number for _, number in SHOWN] == [0, 1]


def test_a_network_too_large_for_a_batch_sees_it_in_halves(images: list[ImageFile]) -> None:
    sizes: list[int] = []

    def see(pictures: Sequence[Any], texts: Sequence[str]) -> Rows:
        sizes.append(len(pictures))
        if len(pictures) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"images": np.array([[np.asarray(each)[0, 0, 0]] for each in pictures], np.float32)}

    extractor = CachedExtractor(Joint(), context(), Network(see))
    fill_caches(images, [extractor], context(batch=5))
    assert extractor.features(images)["images"].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert sizes == [5, 2, 2, 1, 1]


def test_a_gpu_sees_more_images_at_once() -> None:
    assert images_at_once(context(batch=16)) == 16
    assert images_at_once(StageContext(Path(), {}, device="cuda", batch=16)) == 64


def test_convolutions_are_exact_only_in_a_pass() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact_convolutions():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_the_network_of_another_step_may_be_missing(images: list[ImageFile]) -> None:
    beside = Watched(Brightness(name="missing"), None)
    fill_caches(images, [Watched(Brightness(), None), beside], context())
    assert len(SHOWN) == 6
    with pytest.raises(MissingPrerequisite):
        fill_caches(images, [beside], context())


def test_a_cache_keeps_numbers_to_the_bit(tmp_path: Path) -> None:
    row = np.random.default_rng(0).normal(size=7).astype(np.float32)
    cache = FeatureCache(tmp_path, "some extractor")
    cache.add({"a": {"images": row, "cut": np.ones(1, np.float32)}})
    cache.close()
    again = FeatureCache(tmp_path, "some extractor")
    assert again.holds(["a", "b"]) == {"a"}
    assert again.get(["a"])["a"]["images"].tobytes() == row.tobytes()
    assert json.dumps(again.get(["b"])) == "{}"


class Broken(Watched):
    """An extractor whose network loses its numbers at one brightness, or at one text."""

    def _see(self, pictures: Sequence[Any], texts: Sequence[str]) -> Rows:
        rows = super()._see(pictures, texts)["images"]
        return {"images": np.where(rows == 4, np.nan, rows)}

    def _read(self, texts: Sequence[str]) -> Rows:
        return {"texts": np.array([[np.inf if "9" in text else 0] for text in texts], np.float32)}


def test_features_that_are_not_finite_are_refused_by_extractor_and_image(
    images: list[ImageFile], tmp_path: Path
) -> None:
    extractor = Broken(Brightness(), tmp_path / "rows")
    with pytest.raises(ScoringError, match=r"brightness gives .* not finite for 4\.png"):
        fill_caches(images, [extractor], StageContext(Path(), {}, batch=2))
    assert extractor.key(images[4]) in extractor.missing(images)
    odd = [replace(images[0], text="9 lives")]
    with pytest.raises(ScoringError, match="not finite for the prompt '9 lives'"):
        extractor.extract_texts(odd)


def test_features_in_a_store_are_refused_by_their_image_too(tmp_path: Path) -> None:
    """A cache that was damaged, or a store that somebody else filled."""
    for name in ("sample", "rows"):
        (tmp_path / name).mkdir()
    entries = [Entry("cat", seed, "a cat", f"{seed}.png") for seed in (1, 2, 3)]
    entries.insert(1, Entry("cat", 9, "a cat", None, "is missing"))
    write_index(tmp_path / "sample", entries)
    inputs = {"sample": tmp_path / "sample", "features/one": tmp_path / "rows"}
    rows = np.ones((3, 4), np.float32)
    save_file({"images": rows}, tmp_path / "rows" / "features.safetensors")
    assert len(features("sample", "one", inputs)) == 3
    rows[1, 2] = np.nan
    save_file({"images": rows}, tmp_path / "rows" / "features.safetensors")
    with pytest.raises(ScoringError, match=r"cat seed 2 .*are not finite"):
        features("sample", "one", inputs)


def test_the_first_row_that_is_not_finite_is_named_whatever_the_shape() -> None:
    maps, rows = np.ones((3, 2, 2), np.float32), np.ones((3, 4), np.float32)
    assert first_not_finite({"maps": maps, "images": rows}) is None
    assert first_not_finite({"images": np.zeros((0, 1), np.float32)}) is None
    maps[2, 1, 0], rows[1, 3] = np.nan, np.inf
    assert first_not_finite({"maps": maps}) == 2
    assert first_not_finite({"maps": maps, "images": rows}) == 1


def test_a_batch_of_large_images_has_fewer_of_them(tmp_path: Path) -> None:
    sides = (8, 8, 8, 8, 3000, 8)
    images = []
    for number, side in enumerate(sides):
        Image.new("L", (side, side)).save(tmp_path / f"{number}.png")
        images.append(ImageFile(tmp_path / f"{number}.png", str(number), ""))
    assert 2 * PIXELS < 3000**2
    assert list(batches_of(images, [0, 1, 2, 3], 3)) == [[0, 1, 2], [3]]
    assert list(batches_of(images, range(6), 2)) == [[0, 1], [2, 3], [4], [5]]
