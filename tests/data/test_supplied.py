"""Folders of pictures that say themselves what they were asked for."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from running import FIXTURES, Command, House

from harness.data.supplied import read_supplied
from harness.errors import UsageError
from harness.pages import benchmark
from harness.pages.benchmark import Judgement
from harness.pages.stages import SuppliedImage
from harness.pipeline.plan import plan_supplied
from harness.pocket.world import row

SUBFOLDERS = ("", "2024-01-01", "2024-01-02/hires")


@pytest.fixture
def judgement(monkeypatch: pytest.MonkeyPatch) -> Judgement:
    monkeypatch.chdir(FIXTURES)
    return benchmark.load("tiny-v1")


def a1111(prompt: str, seed: int) -> dict[str, str]:
    told = f"({prompt}:1.1), <lora:ink:0.8>\nNegative prompt: bad\nSteps: 20, Seed: {seed}, CFG: 7"
    return {"parameters": told}


def comfy(prompt: str, seed: int) -> dict[str, str]:
    nodes = {
        "3": {"class_type": "KSampler", "inputs": {"seed": seed, "positive": ["6", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": prompt, "clip": ["4", 1]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
    }
    return {"prompt": json.dumps(nodes), "workflow": "{}"}


def save(file: Path, chunks: dict[str, str], picture: Image.Image | None = None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value)
    (picture or Image.new("RGB", (8, 8), "red")).save(file, pnginfo=info)


def strange_folder(folder: Path, count: int = 200) -> Path:
    """Write drawn faces, half as A1111 keeps them and half as ComfyUI does, in three folders."""
    for number in range(count):
        face = row("faces", 900 + number)
        tell = (a1111, comfy)[number % 2]
        place = folder / SUBFOLDERS[number % 3] / f"{number:05d}-{face.id}.png"
        save(place, tell(", ".join(face.tags[:3]), number // 4), face.image())
    return folder


def renamed(folder: Path, copy: Path) -> Path:
    """Copy the files of `folder` under other names, in another order, into other folders."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    random.Random(0).shuffle(files)
    for number, file in enumerate(files):
        place = copy / f"set {number % 5}" / f"{number}{file.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return copy


def entries(folder: Path, judgement: Judgement) -> tuple[SuppliedImage, ...]:
    return read_supplied(folder, None, judgement).entries


def keys(folder: Path, judgement: Judgement) -> tuple[str, dict[str, str]]:
    planned = plan_supplied("name", read_supplied(folder, None, judgement), judgement)
    return planned.signature, planned.keys()


def test_a_folder_is_read_whatever_its_files_are_called(
    tmp_path: Path, judgement: Judgement
) -> None:
    save(tmp_path / "2024/x.png", a1111("a cat", 5))
    save(tmp_path / "y.png", comfy("a dog", 6))
    supplied = read_supplied(tmp_path, None, judgement)
    assert {(each.file, each.text, each.seed) for each in supplied.entries} == {
        ("2024/x.png", "a cat", 5),
        ("y.png", "a dog", 6),
    }
    assert not supplied.as_asked


def test_equal_words_are_one_prompt_whoever_wrote_them(
    tmp_path: Path, judgement: Judgement
) -> None:
    save(tmp_path / "x.png", a1111("a cat", 5))
    save(tmp_path / "y.png", comfy("a cat", 6))
    assert len({each.prompt_id for each in entries(tmp_path, judgement)}) == 1


def test_the_benchmarks_own_names_come_first(tmp_path: Path, judgement: Judgement) -> None:
    save(tmp_path / "a_1.png", a1111("a cat", 5))
    save(tmp_path / "x.png", a1111("a dog", 5))
    supplied = read_supplied(tmp_path, None, judgement)
    assert supplied.as_asked
    assert len(supplied.entries) == judgement.images
    assert supplied.entries[0].text == judgement.prompts[0].text


@pytest.mark.parametrize(
    ("style", "shown"), [("webui", "a bad cat"), ("plain", "a (bad:1.05) cat")]
)
def test_weights_are_shown_to_metrics_only_where_prompts_are_plain(
    style: str, shown: str, tmp_path: Path, judgement: Judgement
) -> None:
    save(tmp_path / "x.png", {})
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\nx.png,a (bad:1.05) cat\n")
    sampler = judgement.benchmark.sampler.model_copy(update={"prompt_style": style})
    told = replace(judgement, benchmark=judgement.benchmark.model_copy(update={"sampler": sampler}))
    assert [each.text for each in read_supplied(tmp_path, prompts, told).entries] == [shown]


def test_names_and_order_of_files_change_no_key(tmp_path: Path, judgement: Judgement) -> None:
    folder = strange_folder(tmp_path / "one", 24)
    save(folder / "again.png", a1111("a cat", 5), Image.new("RGB", (8, 8), "blue"))
    save(folder / "twice.png", a1111("a cat", 5), Image.new("RGB", (8, 8), "green"))
    save(folder / "mute.png", {})
    (folder / "torn.png").write_bytes(b"no picture")
    assert keys(folder, judgement) == keys(renamed(folder, tmp_path / "two"), judgement)


@pytest.mark.parametrize("change", ["words", "seed", "pixels", "reason"])
def test_content_changes_the_key(change: str, tmp_path: Path, judgement: Judgement) -> None:
    save(tmp_path / "x.png", a1111("a cat", 5))
    save(tmp_path / "y.png", {})
    before = keys(tmp_path, judgement)[1]["sample"]
    if change == "reason":
        save(tmp_path / "y.png", {"parameters": "who knows"})
    else:
        words, seed = "a dog" if change == "words" else "a cat", 6 if change == "seed" else 5
        colour = "blue" if change == "pixels" else "red"
        save(tmp_path / "x.png", a1111(words, seed), Image.new("RGB", (8, 8), colour))
    assert keys(tmp_path, judgement)[1]["sample"] != before


def test_images_of_one_prompt_and_seed_are_all_kept(tmp_path: Path, judgement: Judgement) -> None:
    for number, (seed, colour) in enumerate([(5, "red"), (5, "blue"), (6, "red"), (5, "green")]):
        save(tmp_path / f"{number}.png", a1111("a cat", seed), Image.new("RGB", (8, 8), colour))
    shutil.copyfile(tmp_path / "0.png", tmp_path / "4.png")
    found = entries(tmp_path, judgement)
    assert [each.seed for each in found] == [5, 6, 7, 8, 9]
    assert next(each.file for each in found if each.seed == 6) == "2.png"
    assert {each.file for each in found} == {f"{number}.png" for number in range(5)}


def test_the_seed_after_the_last_is_the_first(tmp_path: Path, judgement: Judgement) -> None:
    for name, colour in (("x", "red"), ("y", "blue")):
        save(tmp_path / f"{name}.png", a1111("a", 2**63 - 1), Image.new("RGB", (8, 8), colour))
    assert [each.seed for each in entries(tmp_path, judgement)] == [0, 2**63 - 1]


def test_an_image_without_a_seed_gets_a_free_one(tmp_path: Path, judgement: Judgement) -> None:
    save(tmp_path / "x.png", a1111("a cat", 0))
    save(tmp_path / "y.png", {"parameters": json.dumps({"prompt": "a cat"})})
    assert {each.file: each.seed for each in entries(tmp_path, judgement)} == {
        "x.png": 0,
        "y.png": 1,
    }


def test_every_image_that_says_nothing_is_named_with_its_reason(
    tmp_path: Path, judgement: Judgement
) -> None:
    folder = tmp_path / "images"
    save(folder / "x.png", a1111("a cat", 5))
    save(folder / "mute.png", {})
    save(folder / "broken.png", {"prompt": '{"3":'})
    save(tmp_path / "outside.png", a1111("a secret", 5))
    (folder / "torn.png").write_bytes(b"no picture")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    shutil.copyfile(folder / "x.png", folder / os.fsdecode(b"\xff.png"))
    found = entries(folder, judgement)
    assert found[0].reason is None
    assert {each.file: each.reason for each in found[1:]} == {
        "mute.png": "carries no prompt",
        "broken.png": "has 'prompt' metadata that is broken JSON",
        "torn.png": "cannot be read as PNG, JPEG or WebP",
        "link.png": "leads out of the folder (copy the picture itself there)",
        "gone.png": "cannot be read as PNG, JPEG or WebP",
        "\\udcff.png": "has a name that is not UTF-8",
    }
    assert len({(each.prompt_id, each.seed) for each in found}) == 7


def test_what_is_hidden_or_no_image_is_not_expected(tmp_path: Path, judgement: Judgement) -> None:
    save(tmp_path / "x.png", a1111("a cat", 5))
    save(tmp_path / "._x.png", a1111("a cat", 6))
    save(tmp_path / ".thumbnails/x.png", a1111("a cat", 7))
    (tmp_path / "x.txt").write_text("a cat")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    (tmp_path / "round").symlink_to(tmp_path)
    assert [each.file for each in entries(tmp_path, judgement)] == ["x.png"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_that_says_nothing_is_refused_with_what_was_looked_for(
    count: int, tmp_path: Path, judgement: Judgement
) -> None:
    for number in range(count):
        save(tmp_path / f"{number}.png", {})
    with pytest.raises(UsageError) as caught:
        read_supplied(tmp_path, None, judgement)
    said = str(caught.value)
    assert "such as a_1.png" in said
    assert f"none of its {count} images says in its metadata what it was asked for" in said
    assert ("0.png carries no prompt" in said) == (count > 0)
    assert "give --prompts a CSV with the columns file and prompt" in said


def test_two_hundred_large_files_are_read_at_once(tmp_path: Path, judgement: Judgement) -> None:
    large = Image.frombytes("RGB", (640, 560), random.Random(0).randbytes(640 * 560 * 3))
    save(tmp_path / "0.png", a1111("a cat", 5), large)
    assert (tmp_path / "0.png").stat().st_size > 1_000_000
    for number in range(1, 200):
        shutil.copyfile(tmp_path / "0.png", tmp_path / f"{number}.png")
    began = time.process_time()
    assert len(entries(tmp_path, judgement)) == 200
    assert time.process_time() - began < 2


def score(command: Command, folder: Path, store: Path, reports: Path) -> dict[str, Any]:
    ran = command(
        "score",
        "--images",
        folder,
        "--name",
        "strange",
        "--benchmark",
        "tiny-v1",
        "--store",
        store,
        "--reports",
        reports,
        "--device",
        "cpu",
        "--json",
    )
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(Path(ran.json["results"][0]["path"]).read_text())
    return found


@pytest.mark.slow
def test_a_strange_folder_is_scored_alike_under_any_names(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = strange_folder(tmp_path / "one")
    save(folder / "mute.png", {})
    stores = [tmp_path / "store one", tmp_path / "store two"]
    for store in stores:
        shutil.copytree(house.store, store)
    first = score(command, folder, stores[0], tmp_path / "first")
    again = score(command, renamed(folder, tmp_path / "two"), stores[1], tmp_path / "again")
    images = first["images"]
    assert (images["expected"], images["failed"], images["scored"]) == (201, 1, 200)
    assert images["named"] == ["unknown seed 0: mute.png carries no prompt"]
    assert first["signature"] == again["signature"]
    assert first["keys"] == again["keys"]
    for one, other in zip(first["scores"], again["scores"], strict=True):
        assert one["n"] == other["n"] == 200
        for bound in ("value", "low", "high"):
            assert one[bound] == pytest.approx(other[bound], abs=1e-6)


@pytest.mark.slow
def test_a_prompt_in_the_image_scores_as_it_does_in_a_file(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = strange_folder(tmp_path / "faces", 12)
    told = {
        score["metric"]: score["value"]
        for score in score(command, folder, house.store, tmp_path)["scores"]
    }
    lines = ["file,prompt,seed"]
    for number in range(12):
        face = row("faces", 900 + number)
        place = Path(SUBFOLDERS[number % 3]) / f"{number:05d}-{face.id}.png"
        lines.append(f'{place},"{", ".join(face.tags[:3])}",{number}')
    (tmp_path / "prompts.csv").write_text("\n".join(lines))
    ran = command(
        "score",
        "--images",
        folder,
        "--prompts",
        tmp_path / "prompts.csv",
        "--name",
        "listed",
        "--benchmark",
        "tiny-v1",
        "--store",
        house.store,
        "--reports",
        tmp_path,
        "--json",
    )
    listed = json.loads(Path(ran.json["results"][0]["path"]).read_text())["scores"]
    assert {score["metric"]: score["value"] for score in listed} == pytest.approx(told, abs=1e-5)
