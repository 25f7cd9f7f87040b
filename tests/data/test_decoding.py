"""Pictures as the wild has them: each kind has a name, a rule and a count, and none stops a run."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import (
    DAMAGES,
    Damage,
    drawing,
    encoded,
    jpeg,
    on_its_side,
    palette,
    png,
    rgba,
    swapped,
    write,
)
from PIL import Image

from harness.data.decoding import DROPPED, RULES, Unfit, decode
from harness.data.prefetch import in_order
from harness.interfaces import Picture, Progress, StageContext
from harness.pages.decoding import Reading
from harness.pages.stages import DataSpec
from harness.pipeline.stages import reading as taking
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.files import read_index


def seen(data: bytes, name: str = "", **rules: Any) -> tuple[Image.Image, tuple[str, ...]]:
    return decode(data, name, Reading(**rules))


def collected(folder: Path, out: Path, **rules: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    source = {"use": "folder", "path": str(folder)}
    collect(DataSpec.model_validate({"source": source, "reading": rules}), StageContext(out, {}))
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return found


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.kind)
def test_each_kind_is_kept_or_dropped_by_its_rule(damage: Damage) -> None:
    data, name = damage.make(drawing(1)), f"a{damage.extension}"
    if damage.shows is None:
        with pytest.raises(Unfit) as found:
            seen(data, name)
        assert found.value.kind == damage.kind
        assert damage.kind in DROPPED
        return
    image, kinds = seen(data, name)
    assert damage.kind in kinds
    assert set(kinds) - {damage.kind} <= {"palette"}, "a GIF has a palette too"
    assert set(kinds) <= set(RULES)
    away = np.abs(np.asarray(image, np.int32) - damage.shows(drawing(1)))
    assert away.max() <= damage.within


@pytest.mark.slow
def test_over_three_hundred_damaged_files_among_three_thousand_are_all_accounted_for(
    tmp_path: Path,
) -> None:
    made = write(tmp_path / "wild", 3000, 15)
    assert len(made) == 315
    report = collected(tmp_path / "wild", tmp_path / "out")
    lost = Counter(damage.kind for damage, _ in made.values() if damage.shows is None)
    assert report["dropped"] == dict(lost)
    assert sum(lost.values()) == 8 * 15
    assert report["kept"] == 3315 - 8 * 15
    pictures = report["pictures"]
    assert {kind: each["count"] for kind, each in pictures["dropped"].items()} == dict(lost)
    for damage in DAMAGES:
        if damage.shows is not None:
            extra = 15 if damage.kind in ("palette", "16-bit") else 0
            assert pictures["kept"][damage.kind]["count"] == 15 + extra
    assert (
        pictures["dropped"]["truncated"]["first"]
        == sorted(name for name, (damage, _) in made.items() if damage.kind == "truncated")[:5]
    )

    index = {entry.id: entry for entry in read_index(tmp_path / "out")}
    assert len(index) == 3315
    assert len(list((tmp_path / "out/images").iterdir())) == report["kept"]
    for name, (damage, pixels) in made.items():
        if damage.shows is None:
            assert index[name].file is None
            assert (index[name].reason or "").startswith(damage.kind)
            continue
        with Image.open(tmp_path / "out" / str(index[name].file)) as image:
            assert image.mode == "RGB"
            away = np.abs(np.asarray(image, np.int32) - damage.shows(pixels))
        assert away.max() <= damage.within, name
    with Image.open(tmp_path / "out" / str(index["00007.png"].file)) as image:
        assert np.array_equal(np.asarray(image), drawing(7))


def test_a_file_with_any_bytes_changed_is_kept_or_named_and_stops_nothing() -> None:
    rng = np.random.default_rng(5)
    ends: Counter[str] = Counter()
    for damage in DAMAGES:
        whole = damage.make(drawing(2))
        for _ in range(40 if len(whole) > 8 else 0):
            data = bytearray(
                whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else whole
            )
            for at in rng.integers(0, len(data), 6):
                data[at] = rng.integers(256)
            try:
                ends[seen(bytes(data))[0].mode] += 1
            except Unfit as error:
                ends[error.kind] += 1
    assert set(ends) <= {"RGB", *DROPPED}
    assert ends["RGB"] > 30
    assert ends["truncated"] > 20
    assert sum(ends.values()) == 20 * 40


def test_what_shows_through_is_white_or_black_or_drops_the_picture() -> None:
    half = rgba(drawing(3))
    assert seen(half)[0].getpixel((0, 0)) == (255, 255, 255)
    assert seen(half, transparent="black")[0].getpixel((0, 0)) == (0, 0, 0)
    with pytest.raises(Unfit, match="transparent"):
        seen(half, transparent="drop")
    opaque = encoded(Image.fromarray(drawing(3)).convert("RGBA"))
    image, kinds = seen(opaque, transparent="drop")
    assert np.array_equal(np.asarray(image), drawing(3))
    assert kinds == ("rgba",)


def test_a_picture_that_moves_is_its_first_frame_or_nothing() -> None:
    moving = next(each for each in DAMAGES if each.kind == "animated").make(drawing(3))
    assert "animated" in seen(moving)[1]
    with pytest.raises(Unfit, match="several frames"):
        seen(moving, animated="drop")
    still = encoded(palette(drawing(3)), "GIF")
    assert seen(still, animated="drop")[1] == ("palette",)


def test_a_picture_is_refused_by_its_head_before_anything_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = encoded_wide()
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(Unfit, match="too-large: 2000x600 pixels"):
        seen(large, megapixels=1.0)
    with pytest.raises(Unfit, match="tiny: 2000x600 pixels"):
        seen(large, smallest=700)


def encoded_wide() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((2000, 600), 9).convert("RGB").save(stream, "BMP")
    return stream.getvalue()


def test_a_profile_that_is_a_screens_own_changes_nothing_and_is_not_counted() -> None:
    from PIL import ImageCms

    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image, kinds = seen(encoded(Image.fromarray(drawing(3)), icc_profile=own))
    assert kinds == ()
    assert np.array_equal(np.asarray(image), drawing(3))
    image, kinds = seen(encoded(Image.fromarray(drawing(3)), icc_profile=b"no profile" * 20))
    assert kinds == ("icc-unusable",)
    assert np.array_equal(np.asarray(image), drawing(3))


def test_pixels_that_were_turned_into_a_screens_own_keep_no_profile(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(swapped(drawing(3)))
    (tmp_path / "in/b.png").write_bytes(encoded(Image.fromarray(drawing(4)), icc_profile=b"?" * 9))
    report = collected(tmp_path / "in", tmp_path / "out")
    assert report["kept"] == 2
    for file in (tmp_path / "out/images").iterdir():
        assert b"iCCP" not in file.read_bytes()


def test_exif_that_cannot_be_read_costs_no_picture() -> None:
    data = jpeg(drawing(3), exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    image, kinds = seen(data)
    assert image.size == (64, 64)
    assert set(kinds) <= {"exif-unusable"}


def test_a_rotated_picture_keeps_no_second_turn(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(on_its_side(drawing(4)))
    collected(tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out/images/00000000.png") as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_a_drawn_picture_is_taken_as_it_is() -> None:
    image = Image.fromarray(drawing(5))
    read, kinds = taking.read(Picture("a", lambda: image, ""), Reading(smallest=100))
    assert kinds == ()
    assert np.array_equal(np.asarray(read), drawing(5))


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({}, ["a.png", "b.png", "c.webp", "d.jpg", "e.png"]),
        ({"duplicates": "same-file"}, ["a.png", "c.webp", "d.jpg", "e.png"]),
        ({"duplicates": "same-pixels"}, ["a.png", "d.jpg", "e.png"]),
        ({"near_duplicates": 4}, ["a.png", "e.png"]),
    ],
)
def test_what_repeats_a_picture_is_left_out_as_far_as_asked(
    tmp_path: Path, rules: dict[str, Any], left: list[str]
) -> None:
    root = tmp_path / "in"
    root.mkdir()
    picture = Image.fromarray(drawing(6))
    (root / "a.png").write_bytes(png(drawing(6)))
    (root / "b.png").write_bytes(png(drawing(6)))
    picture.save(root / "c.webp", lossless=True)
    picture.resize((100, 100), Image.Resampling.BICUBIC).save(root / "d.jpg", quality=80)
    (root / "e.png").write_bytes(png(drawing(7)))
    report = collected(root, tmp_path / "out", **rules)
    index = read_index(tmp_path / "out")
    assert [entry.id for entry in index if entry.file] == left
    assert len(list((tmp_path / "out/images").iterdir())) == len(left) == report["kept"]
    kept = report["pictures"]["kept"].get("duplicate", {"count": 0})["count"]
    assert kept + sum(report["dropped"].values()) >= 2, (
        "what repeats is counted even where it stays"
    )
    if rules.get("duplicates") == "same-pixels":
        assert {entry.reason for entry in index if not entry.file} == {
            "duplicate: the pixels of a.png"
        }


def test_a_killed_reading_goes_on_and_reports_as_one_that_was_not(tmp_path: Path) -> None:
    write(tmp_path / "in", 30, 1)
    whole = collected(tmp_path / "in", tmp_path / "whole", duplicates="same-pixels")
    out = tmp_path / "killed"
    out.mkdir()

    def stop(progress: Progress) -> None:
        if progress.done == 25:
            raise KeyboardInterrupt

    spec = {
        "source": {"use": "folder", "path": str(tmp_path / "in")},
        "reading": {"duplicates": "same-pixels"},
    }
    with pytest.raises(KeyboardInterrupt):
        collect(DataSpec.model_validate(spec), StageContext(out, {}, report=stop))
    with (out / taking.JOURNAL).open("a") as journal:
        journal.write('{"number": 26, "id"')
    before = {file.name: file.stat().st_mtime_ns for file in (out / "images").iterdir()}
    assert len(before) > 10
    assert collected(tmp_path / "in", out, duplicates="same-pixels") == whole
    after = {file.name: file.stat().st_mtime_ns for file in (out / "images").iterdir()}
    kept = [name for name in before if before[name] == after.get(name)]
    assert len(kept) > 10, "what was read before the kill is not read again"
    for file in (tmp_path / "whole/images").iterdir():
        assert (out / "images" / file.name).read_bytes() == file.read_bytes()


def test_work_ahead_keeps_the_order_and_runs_only_a_few_steps_ahead() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    for count, (number, square) in enumerate(in_order(lambda each: each * each, items(), 3), 1):
        assert square == number * number == (count - 1) ** 2
        assert len(asked) - count <= 6
    assert count == 100


def test_a_failure_ahead_comes_to_the_one_who_takes() -> None:
    taken = in_order(lambda each: 1 // (5 - each), range(50), 2)
    assert [next(taken)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        next(taken)
