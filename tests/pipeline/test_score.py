"""Judging what was made elsewhere: folders of images, and adapter files."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from pathlib import Path

import pytest
from PIL import Image
from running import Command, House

from harness.pocket.world import row

pytestmark = pytest.mark.slow
ARGUMENTS = ("--benchmark", "tiny-v1", "--json")


def folder_of_faces(folder: Path, count: int = 12) -> Path:
    """Write drawn faces and a prompts file; one is missing, one is cut short, one is black."""
    folder.mkdir()
    with (folder / "prompts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "prompt"])
        for number in range(count):
            each = row("faces", 900 + number)
            each.image().save(folder / f"{number:02d}.png")
            writer.writerow([f"{number:02d}.png", f"{', '.join(each.tags)}, {{{{7*7}}}}"])
    (folder / "03.png").unlink()
    whole = (folder / "05.png").read_bytes()
    (folder / "05.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (64, 64)).save(folder / "07.png")
    return folder


def test_a_strange_folder_is_scored_and_every_bad_image_is_named(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = folder_of_faces(tmp_path / "faces")
    ran = command(
        "score",
        "--images",
        folder,
        "--prompts",
        folder / "prompts.csv",
        "--name",
        "strange",
        "--store",
        house.store,
        "--reports",
        tmp_path,
        *ARGUMENTS,
    )
    assert ran.code == 0, ran.err
    document = json.loads(Path(ran.json["results"][0]["path"]).read_text())
    images = document["images"]
    assert (images["expected"], images["generated"], images["failed"]) == (12, 10, 2)
    assert (images["black"], images["scored"]) == (1, 10)
    named = " ".join(images["named"])
    assert "03.png is missing" in named
    assert "05.png cannot be read" in named
    assert "07.png is black" in named
    assert document["origin"] == "images supplied"
    assert all(score["n"] == 10 and score["value"] is not None for score in document["scores"])


def test_supplied_images_never_rank_with_sampled_ones(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = folder_of_faces(tmp_path / "faces")
    reports = tmp_path / "reports"
    shutil.copytree(house.reports, reports)
    command(
        "score",
        "--images",
        folder,
        "--prompts",
        folder / "prompts.csv",
        "--name",
        "strange",
        "--store",
        house.store,
        "--reports",
        reports,
        *ARGUMENTS,
    )
    board = command("leaderboard", "--reports", reports, "--json").json
    assert {row["recipe"] for row in board["rows"]} == {"tiny", "pocket-base"}
    assert [row["recipe"] for row in board["others"][0]["rows"]] == ["strange"]


def test_an_adapter_file_scores_as_it_did_where_it_was_trained(
    house: House, command: Command, tmp_path: Path
) -> None:
    trained = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())
    key = trained["keys"]["train"]
    copy = tmp_path / "lora.safetensors"
    shutil.copyfile(house.store / "train" / key[:2] / key / "adapter.safetensors", copy)
    ran = command(
        "score",
        "--adapter",
        copy,
        "--base",
        "pocket/sdxl",
        "--name",
        "stranger",
        "--store",
        house.store,
        "--reports",
        tmp_path,
        *ARGUMENTS,
    )
    assert ran.code == 0, ran.err
    judged = json.loads(Path(ran.json["results"][0]["path"]).read_text())
    assert judged["scores"] == trained["scores"]
    assert judged["signature"] == trained["signature"]
    assert judged["origin"] == "adapter supplied"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"not tensors at all", "is not a safetensors file"), (b"", "is not a safetensors file")],
)
def test_a_file_that_is_no_adapter_is_refused(
    content: bytes, says: str, house: House, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "lora.safetensors"
    file.write_bytes(content)
    ran = command(
        "score",
        "--adapter",
        file,
        "--base",
        "pocket/sdxl",
        "--name",
        "broken",
        "--store",
        tmp_path / "store",
        "--reports",
        tmp_path,
        *ARGUMENTS,
    )
    assert ran.code == 1
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_images_outside_the_folder_are_out_of_reach(command: Command, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\n../../etc/passwd,a secret\n")
    ran = command(
        "score",
        "--images",
        tmp_path / "images",
        "--prompts",
        prompts,
        "--name",
        "sly",
        "--store",
        tmp_path / "store",
        *ARGUMENTS,
    )
    assert ran.code == 2
    assert "lies outside" in ran.err


def test_a_folder_of_nothing_but_junk_fails_and_takes_no_older_results_place(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "junk"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"no picture")
    (folder / "prompts.csv").write_text("file,prompt\na.png,a cat\nb.png,a cat\n")
    ran = command(
        "score",
        "--images",
        folder,
        "--prompts",
        folder / "prompts.csv",
        "--name",
        "junk",
        "--store",
        house.store,
        "--reports",
        tmp_path,
        *ARGUMENTS,
    )
    assert ran.code == 1
    assert "none of the 2 images of junk was scored: " in ran.err
    assert "a.png cannot be read" in ran.err
    assert "b.png is missing" in ran.err
    assert not (tmp_path / "tiny-v1").exists()


def test_pictures_that_are_all_alike_are_scored_without_a_word_of_numpys(
    house: House, command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "alike"
    folder.mkdir()
    lines = [f"{number:02d}.png,a cat number {number}" for number in range(12)]
    (folder / "prompts.csv").write_text("\n".join(["file,prompt", *lines]))
    for number in range(12):
        row("faces", 900).image().save(folder / f"{number:02d}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        ran = command(
            *("score", "--images", folder, "--prompts", folder / "prompts.csv"),
            *("--name", "alike", "--store", house.store, "--reports", tmp_path, *ARGUMENTS),
        )
    assert ran.code == 0, ran.err
    document = json.loads(Path(ran.json["results"][0]["path"]).read_text())
    assert document["images"]["scored"] == 12
    for score in document["scores"]:
        assert score["low"] <= score["value"] <= score["high"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a.png,a cat,7\na.png,a dog,8", "names a.png twice"),
        ("a.png,a cat,7\nb.png,a cat,7", "names 'a cat' seed 7 twice"),
        ("a.png,a cat,seven", "has the seed 'seven', which is no whole number"),
        ("a.png,a cat,99999999999999999999", "which is not below 2^63"),
        ('a.png,"a cat,7', "is not CSV"),
        (",a cat,7", "has no file"),
    ],
)
def test_a_prompts_file_that_does_not_hold_is_refused_before_any_work(
    line: str, says: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    prompts = tmp_path / "prompts.csv"
    prompts.write_text(f"file,prompt,seed\n{line}\n")
    ran = command(
        "score",
        "--images",
        tmp_path / "images",
        "--prompts",
        prompts,
        "--name",
        "odd",
        "--store",
        tmp_path / "store",
        *ARGUMENTS,
    )
    assert ran.code == 2
    assert says in ran.err
    left = [file.name for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert all(name.endswith(".lock") for name in left), "no more than a lock was made"


def test_where_a_folder_lies_is_not_part_of_what_it_is(
    house: House, command: Command, tmp_path: Path
) -> None:
    results = []
    for place in ("one", "two"):
        folder = folder_of_faces(tmp_path / place)
        ran = command(
            "score",
            "--images",
            folder,
            "--prompts",
            folder / "prompts.csv",
            "--name",
            place,
            "--store",
            house.store,
            "--reports",
            tmp_path,
            *ARGUMENTS,
        )
        results.append(json.loads(Path(ran.json["results"][0]["path"]).read_text()))
    assert results[0]["keys"] == results[1]["keys"]
    assert results[0]["signature"] == results[1]["signature"]
