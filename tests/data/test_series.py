"""Folders of six trainers and more, by the names that they write: step, prompt and seed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harness.data.series import Series, is_whole, read_series
from harness.data.series_names import Shot, read_shot, read_weights
from harness.errors import UsageError

STAMP = "20250101120000"
GOLDEN: dict[str, list[tuple[str, str, int, str, int | None]]] = {
    # convention: (name, unit, number, prompt, seed)
    "kohya by epochs": [
        (
            f"sample/ink_e{epoch:06d}_{prompt:02d}_{STAMP}_{40 + prompt}.png",
            "epoch",
            epoch,
            str(prompt),
            40 + prompt,
        )
        for epoch in (2, 4, 6)
        for prompt in (0, 1, 11)
    ],
    "kohya by steps": [
        (f"sample/my_style_v2_{step:06d}_{prompt:02d}_{STAMP}.png", "step", step, str(prompt), None)
        for step in (100, 200, 1000000)
        for prompt in (0, 1)
    ],
    "kohya without a name": [
        (f"e{epoch:06d}_00_{STAMP}_7.png", "epoch", epoch, "0", 7) for epoch in (1, 2)
    ],
    "ai-toolkit": [
        (f"samples/17000000{step:05d}__{step:09d}_{prompt}.jpg", "step", step, str(prompt), None)
        for step in (0, 250, 500)
        for prompt in (0, 1, 2)
    ],
    "OneTrainer": [
        (
            f"samples/{prompt} - a cat, sitting on a mat/2025-01-01_12-0{hour}-00"
            f"-training-sample-{step}-{step // 50}-0.jpg",
            "step",
            step,
            str(prompt),
            None,
        )
        for hour, step in enumerate((50, 100, 150))
        for prompt in (0, 1)
    ],
    "SimpleTuner": [
        (
            f"validation_images/step_{step}_{name}_0_1024x1024.png",
            "step",
            step,
            f"{name}_0_1024x1024",
            None,
        )
        for step in (250, 500)
        for name in ("portrait", "a_long_name")
    ],
    "diffusers": [
        (f"checkpoint-{step}/images/image_{prompt}.png", "step", step, str(prompt), None)
        for step in (500, 1000)
        for prompt in (0, 1)
    ],
    "ComfyUI": [
        (f"ink-{epoch:06d}_{count:05d}_.png", "epoch", epoch, str(count), None)
        for epoch in (4, 8)
        for count in (1, 2)
    ],
    "words": [
        ("ink_step500_1.png", "step", 500, "1", None),
        ("ink_epoch10_2.webp", "epoch", 10, "2", None),
        ("step-1500_prompt_3_seed_42.png", "step", 1500, "3", 42),
        ("epoch_3/sample_0.png", "epoch", 3, "0", None),
        ("steps 20 1.png", "step", 20, "1", None),
    ],
}
WEIGHTS = [
    ("ink-000010.safetensors", None, 10, False),
    ("ink-step00000500.safetensors", 500, None, False),
    ("ink_000000250.safetensors", 250, None, False),
    ("save/2025-01-01_12-00-00-save-250-5-0.safetensors", 250, 5, False),
    ("checkpoint-500/pytorch_lora_weights.safetensors", 500, None, False),
    ("pytorch_lora_weights.safetensors", None, None, True),
    ("lora_1000_steps_00001_.safetensors", 1000, None, False),
    ("ink_epoch10.safetensors", None, 10, False),
    ("ink.safetensors", None, None, True),
]
ODD = [
    "IMG_2041.jpg",
    "grid-0001.png",
    "cover.png",
    "00012-3456789.png",
    "deepstep.png",
    "footstep.png",
    "loss.png",
    "Screenshot 2025-01-01.png",
    "ink.png",
    "1.png",
    "e10.png",
    "ink_e000010.png",
    f"ink_e000010_00_{STAMP[:8]}.png",
    f"ink_e10_00_{STAMP}.png",
    "1700000000__250_0.jpg",
    "1700000000_000000250_0.jpg",
    "training-sample-250-5-10.png",
    "2025-01-01_12-00-00-training-sample-250-5-10.png",
    "samples/custom/2025-01-01_12-00-00-training-sample-250-5-10.png",
    "samples/a cat/2025-01-01_12-00-00-training-sample-250-5-10.png",
    "checkpoint-500/cover.png",
    "checkpoint-500/grid.png",
    "checkpoint-final/image_0.png",
    "stepless_1.png",
    "ComfyUI_00001_.png",
    "ink_00001_.png",
    "step_.png",
    "step_99999999999_a_0_1024x1024.png",
    "épreuve.png",
    "2025-01-01.webp",
    "base.png",
    "validation.png",
]


@pytest.mark.parametrize("trainer", GOLDEN)
def test_names_of_a_trainer_say_step_prompt_and_seed(trainer: str) -> None:
    assert len(GOLDEN[trainer]) > 1
    for name, unit, number, prompt, seed in GOLDEN[trainer]:
        shot = read_shot(name)
        assert isinstance(shot, Shot), (name, shot)
        assert (shot.step if unit == "step" else shot.epoch) == number, name
        assert (shot.prompt, shot.seed) == (prompt, seed), name


@pytest.mark.parametrize(("name", "step", "epoch", "is_last"), WEIGHTS)
def test_names_of_weights_say_step_or_epoch(
    name: str, step: int | None, epoch: int | None, is_last: bool
) -> None:
    said = read_weights(name)
    assert not isinstance(said, str)
    assert (said.step, said.epoch, said.is_last) == (step, epoch, is_last)


def test_thirty_odd_names_are_each_told_with_a_reason(tmp_path: Path) -> None:
    assert len(set(ODD)) >= 30
    for name in ODD:
        said = read_shot(name)
        assert isinstance(said, str), (name, said)
        draw(tmp_path / name)
    series = read_series(tmp_path)
    assert {name for name, _ in series.odd} == set(ODD)
    assert all(why for _, why in series.odd)
    assert series.points == ()


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_name_is_read_or_told(name: str) -> None:
    assert isinstance(read_shot(name), Shot | str)
    assert read_weights(name)


def draw(file: Path, shade: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(file)


def folder_of(trainer: str, root: Path) -> Series:
    for name, *_ in GOLDEN[trainer]:
        draw(root / name)
    return read_series(root)


@pytest.mark.parametrize("trainer", [name for name in GOLDEN if name != "words"])
def test_a_folder_of_a_trainer_becomes_points_with_the_same_samples(
    trainer: str, tmp_path: Path
) -> None:
    series = folder_of(trainer, tmp_path)
    rows = GOLDEN[trainer]
    assert (series.odd, series.waiting) == ((), ())
    assert series.unit == rows[0][1]
    assert [point.at for point in series.points] == sorted({row[2] for row in rows})
    for point in series.points:
        assert {prompt for prompt, _ in point.shots} == {row[3] for row in rows}


def test_kohyas_list_gives_words_and_seeds(tmp_path: Path) -> None:
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "prompt.txt").write_text(
        "# mine\na cat --n bad --w 1024 --d 42 --s 28\n\n1girl, red --dress --d 7\n"
    )
    series = folder_of("kohya by steps", tmp_path)
    assert series.asked == {"0": ("a cat", 42), "1": ("1girl, red", 7)}
    first = series.supplied(series.points[0], None).entries
    assert [(each.prompt_id, each.seed, each.text) for each in first] == [
        ("sample-0", 42, "a cat"),
        ("sample-1", 7, "1girl, red"),
    ]


def test_a_job_of_ai_toolkit_gives_words_and_walking_seeds(tmp_path: Path) -> None:
    job = "config: {process: [{sample: {seed: 42, walk_seed: true, prompts: [a, b, c]}}]}\n"
    (tmp_path / "config.yaml").write_text(job)
    series = folder_of("ai-toolkit", tmp_path)
    assert series.asked == {"0": ("a", 42), "1": ("b", 43), "2": ("c", 44)}


def test_onetrainers_folders_give_words(tmp_path: Path) -> None:
    series = folder_of("OneTrainer", tmp_path)
    entries = series.supplied(series.points[0], 64).entries
    assert {each.text for each in entries} == {"a cat, sitting on a mat"}


def test_a_step_waits_until_all_its_samples_are_there_and_whole(tmp_path: Path) -> None:
    folder_of("ai-toolkit", tmp_path)
    last = tmp_path / "samples" / "1700000000500__000000500_2.jpg"
    whole = last.read_bytes()
    last.write_bytes(whole[:-20])
    series = read_series(tmp_path)
    assert [point.at for point in series.points] == [0, 250]
    assert series.waiting == (
        "samples/1700000000500__000000500_2.jpg is still being written, or cut short",
        "step 500 has 2 of 3 samples",
    )
    last.write_bytes(whole)
    assert [point.at for point in read_series(tmp_path).points] == [0, 250, 500]


def test_a_sample_that_was_drawn_again_counts_once(tmp_path: Path) -> None:
    folder_of("kohya by epochs", tmp_path)
    again = "sample/ink_e000002_00_20260101120000_40.png"
    draw(tmp_path / again, 9)
    series = read_series(tmp_path)
    assert series.points[0].shots["0", 40].file == again
    [(older, why)] = series.odd
    assert older == f"sample/ink_e000002_00_{STAMP}_40.png"
    assert "drawn again later" in why


def test_samples_of_another_run_are_told_apart(tmp_path: Path) -> None:
    folder_of("kohya by epochs", tmp_path)
    draw(tmp_path / f"sample/other_e000002_00_{STAMP}_40.png")
    series = read_series(tmp_path)
    assert len(series.points) == 3
    assert series.odd[0][1] == "belongs to the run other, and most to ink"


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_picture_is_whole_at_its_last_byte_only(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{ending}"
    draw(file)
    data = file.read_bytes()
    assert is_whole(file)
    for cut in (0, 4, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:cut])
        assert not is_whole(file), cut


def test_weights_are_whole_where_they_are_as_long_as_their_header_says(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    data = struct.pack("<Q", len(header)) + header + bytes(8)
    file = tmp_path / "ink-000002.safetensors"
    file.write_bytes(data)
    (tmp_path / "ink-000004.safetensors").write_bytes(data)
    (tmp_path / "ink.safetensors").write_bytes(data)
    assert [at for at, _ in read_series(tmp_path).weights] == [2, 4, 5]
    for cut in (0, 5, 20, len(data) - 1):
        file.write_bytes(data[:cut])
        assert not is_whole(file), cut
    assert [at for at, _ in read_series(tmp_path).weights] == [4, 5]


def inscribed(file: Path, key: str, text: str) -> None:
    info = PngInfo()
    info.add_text(key, text)
    Image.new("RGB", (8, 8)).save(file, pnginfo=info)


def test_a_picture_of_a_webui_is_placed_by_the_adapter_that_its_metadata_names(
    tmp_path: Path,
) -> None:
    for number, (epoch, seed) in enumerate([(2, 7), (2, 8), (4, 7), (4, 8)]):
        words = f"a cat <lora:ink-{epoch:06d}:0.8>\nSteps: 20, Sampler: Euler, Seed: {seed}"
        inscribed(tmp_path / f"{number:05d}-{seed}.png", "parameters", words)
    inscribed(tmp_path / "plain.png", "parameters", "a cat\nSteps: 20, Sampler: Euler, Seed: 7")
    two = "a <lora:ink-000002:1> <lora:wash-000004:1>\nSteps: 20, Sampler: Euler, Seed: 7"
    inscribed(tmp_path / "two.png", "parameters", two)
    series = read_series(tmp_path)
    assert (series.unit, [point.at for point in series.points]) == ("epoch", [2, 4])
    assert sorted(seed for _, seed in series.points[0].shots) == [7, 8]
    assert {each.text for each in series.supplied(series.points[0], None).entries} == {"a cat"}
    assert [name for name, _ in series.odd] == ["plain.png", "two.png"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        read_series(tmp_path / "nowhere")
