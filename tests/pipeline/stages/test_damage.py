"""Damaged pictures: each once a kind, under its own id, the same every time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from harness.interfaces import StageContext
from harness.pages.stages import DamageSpec
from harness.pipeline.stages.damage import damage_each
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png, write_index

KINDS = DamageSpec().kinds


def real(folder: Path, count: int, side: int) -> Path:
    rng = np.random.default_rng(side)
    entries = []
    for number in range(count):
        pixels = rng.integers(0, 255, (side, side, 3)).astype(np.uint8)
        save_png(Image.fromarray(pixels), folder / f"images/{number}.png")
        entries.append(Entry(f"row-{number}", number, "words", f"images/{number}.png"))
    write_index(folder, entries)
    return folder


def damaged(folder: Path, images: Path, **options: int) -> list[Entry]:
    folder.mkdir()
    damage_each(DamageSpec(**options), StageContext(folder, {"images": images}))
    return read_index(folder)


def test_every_picture_is_there_once_a_kind_and_none_as_it_was(tmp_path: Path) -> None:
    images = real(tmp_path / "real", 3, 24)
    made = damaged(tmp_path / "made", images)
    assert Counter(entry.text for entry in made) == dict.fromkeys(KINDS, 3)
    assert Counter(entry.id for entry in made) == {f"row-{at}": len(KINDS) for at in range(3)}
    for entry in made:
        own = np.asarray(open_picture(images / f"images/{entry.seed}.png"))
        assert (np.asarray(open_picture(tmp_path / "made" / str(entry.file))) != own).any()
    assert {entry.text for entry in made if entry.black} == {"black"}


def test_large_pictures_are_made_small_and_also_kept_without_damage(tmp_path: Path) -> None:
    made = damaged(tmp_path / "made", real(tmp_path / "real", 2, 40), largest=16)
    assert Counter(entry.text for entry in made) == dict.fromkeys((*KINDS, "none"), 2)
    sizes = {open_picture(tmp_path / "made" / str(entry.file)).size for entry in made}
    assert sizes == {(16, 16)}


def test_the_same_pictures_are_damaged_alike_and_no_more_than_asked(tmp_path: Path) -> None:
    images = real(tmp_path / "real", 6, 24)
    one, other = (damaged(tmp_path / name, images, count=2) for name in ("one", "other"))
    assert len({entry.id for entry in one}) == 2
    assert one == other
    for entry in one:
        first, second = (tmp_path / name / str(entry.file) for name in ("one", "other"))
        assert first.read_bytes() == second.read_bytes()
