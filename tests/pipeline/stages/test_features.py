"""One look at a picture for everyone who asks, and none at a picture that is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from PIL import Image

from harness.errors import MissingPrerequisite
from harness.interfaces import ExtractorSpec, Network, Rows, StageContext
from harness.pipeline.stages.feature_cache import FeatureCache
from harness.pipeline.stages.features import Look, Reader, read_all

SHOWN: list[tuple[str, int]] = []
"""Which network was shown a picture, and how bright it was."""


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


class Watched(Reader):
    """A reader whose network is here, and notes what it is shown."""

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
def looks(tmp_path: Path) -> list[Look]:
    """Six pictures of brightness 0 to 5, two a batch."""
    SHOWN.clear()
    found = []
    for number in range(6):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (4, 4), (number, 0, 0)).save(file)
        found.append(Look(file, f"digest {number}", "odd" if number % 2 else "even!"))
    return found


def place(rows: Path | None = None, batch: int = 2) -> StageContext:
    return StageContext(Path(), {}, batch=batch, rows=rows)


def test_every_picture_is_decoded_once_and_shown_to_all(looks: list[Look]) -> None:
    readers = [Watched(Brightness(name=name), None) for name in ("one", "two")]
    read_all(looks, readers, place())
    pairs = [
        (name, number)
        for at in range(0, 6, 2)
        for name in ("one", "two")
        for number in (at, at + 1)
    ]
    assert pairs == SHOWN


def test_rows_come_back_in_the_order_asked_for(looks: list[Look]) -> None:
    reader = Watched(Brightness(), None)
    read_all(looks, [reader], place(batch=4))
    found = reader.gathered([looks[5], looks[0], looks[5]])
    assert found["images"][:, 0].tolist() == [5, 0, 5]
    assert found["texts"][:, 0].tolist() == [3, 5, 3]


def test_equal_pictures_are_seen_once(looks: list[Look]) -> None:
    again = [Look(look.file, look.content, "another prompt") for look in looks[:2]]
    read_all([*looks[:2], *again], [Watched(Brightness(), None)], place())
    assert [number for _, number in SHOWN] == [0, 1]


def test_a_picture_that_is_known_is_not_looked_at(looks: list[Look], tmp_path: Path) -> None:
    read_all(looks, [Watched(Brightness(), tmp_path)], place())
    SHOWN.clear()
    later = Watched(Brightness(), tmp_path)
    read_all([Look(look.file, look.content, "new words") for look in looks], [later], place())
    assert SHOWN == []
    assert later.texts == ["new words"]


def test_another_extractor_knows_nothing_of_it(looks: list[Look], tmp_path: Path) -> None:
    read_all(looks, [Watched(Brightness(name="one"), tmp_path)], place())
    SHOWN.clear()
    read_all(looks, [Watched(Brightness(name="two"), tmp_path)], place())
    assert len(SHOWN) == 6


def test_who_sees_picture_and_prompt_together_looks_once_a_prompt(looks: list[Look]) -> None:
    reader = Watched(Joint(), None)
    both = [looks[0], Look(looks[0].file, looks[0].content, "longer words")]
    read_all(both, [reader], place())
    assert reader.gathered(both)["images"].tolist() == [[0, 5], [0, 12]]


def test_a_killed_pass_goes_on_where_it_stopped(looks: list[Look], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        read_all(looks, [Watched(Brightness(), tmp_path, gives_up_at=4)], place())
    SHOWN.clear()
    read_all(looks, [Watched(Brightness(), tmp_path)], place())
    assert [number for _, number in SHOWN] == [4, 5]


def test_a_network_that_rides_along_may_be_missing(looks: list[Look]) -> None:
    beside = Watched(Brightness(name="missing"), None)
    read_all(looks, [Watched(Brightness(), None), beside], place())
    assert len(SHOWN) == 6
    with pytest.raises(MissingPrerequisite):
        read_all(looks, [beside], place())


def test_a_shelf_keeps_numbers_to_the_bit(tmp_path: Path) -> None:
    row = np.random.default_rng(0).normal(size=7).astype(np.float32)
    cache = FeatureCache(tmp_path, "some extractor")
    cache.add({"a": {"images": row, "cut": np.ones(1, np.float32)}})
    cache.close()
    again = FeatureCache(tmp_path, "some extractor")
    assert again.holds(["a", "b"]) == {"a"}
    assert again.get(["a"])["a"]["images"].tobytes() == row.tobytes()
    assert json.dumps(again.get(["b"])) == "{}"
