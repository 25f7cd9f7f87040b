"""Lists of prompts as strangers write them: each line is an image, or refused by its number."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from running import FIXTURES
from strangers.pictures import EPS

from harness.data.supplied import FreeSeeds, read_supplied
from harness.errors import HarnessError, PageError, UsageError
from harness.pages import benchmark
from harness.pages.benchmark import Judgement
from harness.pages.stages import SuppliedImage


@pytest.fixture
def judgement(monkeypatch: pytest.MonkeyPatch) -> Judgement:
    monkeypatch.chdir(FIXTURES)
    return benchmark.load("tiny-v1")


def listed(folder: Path, judgement: Judgement, text: str) -> tuple[SuppliedImage, ...]:
    """Return what a list beside one picture expects; it is JSONL if it begins with a bracket."""
    images = folder / "images"
    images.mkdir(exist_ok=True)
    (images / "a.png").write_bytes(b"a")
    prompts = folder / ("list.jsonl" if text.startswith("{") else "list.csv")
    prompts.write_text(text, encoding="utf-8", errors="surrogatepass")
    return read_supplied(images, prompts, judgement).entries


def a_row(**cells: object) -> str:
    return json.dumps({"file": "a.png", "prompt": "a cat", **cells})


@pytest.mark.parametrize("seed", ["1.9", "true", '"1.9"', "1e999", "[1]", "-1", '"9e3"', "NaN"])
def test_a_seed_that_is_no_whole_number_is_refused_by_its_line(
    seed: str, tmp_path: Path, judgement: Judgement
) -> None:
    line = a_row()[:-1] + f', "seed": {seed}}}'
    with pytest.raises(PageError, match=r"list.jsonl:1: has the seed"):
        listed(tmp_path, judgement, line)


@pytest.mark.parametrize("seed", [7, 7.0, "7", " 7 "])
def test_a_whole_number_is_a_seed_however_it_is_spelt(
    seed: object, tmp_path: Path, judgement: Judgement
) -> None:
    assert [image.seed for image in listed(tmp_path, judgement, a_row(seed=seed))] == [7]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"file": ' + "[" * 100_000, "is not a JSON object"),
        ('{"seed": ' + "9" * 5000 + "}", "is not a JSON object"),
        (a_row() + "\n[1, 2]", "list.jsonl:2: is not a JSON object"),
        (a_row(prompt="half \ud800"), "holds half a character"),
        (a_row(prompt_id="\udc00"), "holds half a character"),
        (a_row(file="a\0.png"), "a null character"),
        (a_row(prompt={"text": "a cat"}), "has no prompt"),
        (a_row(file=True), "has no file"),
        ("file,prompt\n\ud800.png,x", "is not UTF-8 text"),
        ("file,prompt\na.png,one\n" + "n" * 5000 + ".png,two\n", None),
        (a_row(prompt_id="p") + "\n" + a_row(file="b.png", prompt_id="p", prompt="a dog"), "to 'a"),
    ],
)
def test_a_line_is_an_image_or_is_refused_in_words(
    line: str, words: str | None, tmp_path: Path, judgement: Judgement
) -> None:
    if words is None:
        assert len(listed(tmp_path, judgement, line)) == 2
        return
    with pytest.raises(HarnessError, match=words):
        listed(tmp_path, judgement, line)


@pytest.mark.timeout(10)
def test_pipes_and_links_in_a_circle_are_images_that_are_not_there(
    tmp_path: Path, judgement: Judgement
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    os.mkfifo(images / "pipe.png")
    (images / "loop.png").symlink_to("loop.png")
    (images / "eps.png").write_bytes(EPS)
    rows = "".join(f"{name}.png,{name}\n" for name in ("pipe", "loop", "eps", "a"))
    found = listed(tmp_path, judgement, "file,prompt\n" + rows)
    assert [image.content for image in found][:2] == ["pipe.png", "loop.png"]
    with pytest.raises(UsageError, match="none of its 3 images says"):
        read_supplied(images, None, judgement)


def test_thirty_thousand_images_of_one_prompt_are_numbered_at_once() -> None:
    """A search for each free seed from 0 on took minutes here; 450 million steps."""
    seeds, start = FreeSeeds(), time.process_time()
    assert seeds.take("a", 5)
    assert [seeds.take_next("a", 0) for _ in range(7)] == [0, 1, 2, 3, 4, 6, 7]
    assert not seeds.take("a", 6)
    assert [seeds.take_next("b", 0) for _ in range(30_000)] == list(range(30_000))
    assert [seeds.take_next("b", number % 99) for number in range(30_000)][-1] == 59_999
    assert time.process_time() - start < 10
