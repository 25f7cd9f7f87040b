"""Decoys: other styles as they are, and the reference's pictures spoiled."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.interfaces import StageContext
from harness.metrics.style_probe import SPOILED
from harness.pages.stages import DecoysSpec
from harness.pipeline.stages.decoys import collect, evenly
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png, write_index
from harness.pipeline.stages.treat import spoil


def pictures(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(count)
    entries = [Entry(f"gone-{count}", 0, "words", None, reason="no picture")]
    for number in range(count):
        pixels = rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)
        save_png(Image.fromarray(pixels), folder / f"images/{number}.png")
        entries.append(Entry(f"row-{number}", number, "words", f"images/{number}.png"))
    write_index(folder, entries)
    return folder


def test_other_styles_stay_as_they_are_and_real_pictures_are_spoiled(tmp_path: Path) -> None:
    inputs = {name: pictures(tmp_path / name, n) for name, n in (("reference", 7), ("base", 5))}
    (tmp_path / "made").mkdir()
    collect(DecoysSpec(count=6), StageContext(tmp_path / "made", inputs))
    made = read_index(tmp_path / "made")
    assert Counter(entry.text for entry in made) == {**dict.fromkeys(SPOILED, 2), "base": 5}
    assert len({entry.file for entry in made}) == 11
    for entry in made:
        kind = "base" if entry.text == "base" else "reference"
        source = inputs[kind] / f"images/{entry.seed}.png"
        assert entry.id == f"row-{entry.seed}", "relatives stay in one fold"
        file = tmp_path / "made" / str(entry.file)
        if kind == "base":
            assert file.read_bytes() == source.read_bytes()
        else:
            expected = spoil(open_picture(source), entry.text, entry.id)  # type: ignore[arg-type]
            assert np.array_equal(np.asarray(open_picture(file)), np.asarray(expected))


@given(st.integers(0, 50), st.integers(1, 20))
def test_what_is_left_out_is_evenly_spread(count: int, most: int) -> None:
    kept = evenly(list(range(count)), most)
    assert len(kept) == min(count, most)
    gaps = set(np.diff(kept))
    assert not gaps or max(gaps) - min(gaps) <= 1
