"""The caches of training: shared by what they hold, kept through kills, divided among processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from schooling import recipe, school

from harness.diffusion.load import load_text_encoders
from harness.diffusion.text_embeddings import embed
from harness.fingerprint import digest_file
from harness.interfaces import Progress, StageContext
from harness.pages import benchmark as benchmarks
from harness.pages.recipe import Base, Recipe
from harness.pages.stages import LatentsSpec, TextsSpec
from harness.pages.train import Buckets
from harness.pipeline.plan import plan
from harness.pipeline.stages import latents, texts
from harness.pipeline.stages.files import Entry, write_index
from harness.training.sets import mapped, read_set

BASE = Base(model="pocket/sdxl")
COUNT = 11


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures of three proportions, as the data stage leaves them."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    sizes = [(64, 64), (40, 80), (96, 48)]
    entries = []
    for number in range(COUNT):
        file = f"images/{number}.png"
        (folder / "images").mkdir(exist_ok=True)
        width, height = sizes[number % 3]
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / file)
        tags = ("1girl", f"tag {number}", "smile", "night")
        entries.append(Entry(f"{number}", 0, f"a face {number % 4}", file, tags=tags))
    write_index(folder, entries)
    return folder


def latents_spec(**changes: object) -> LatentsSpec:
    spec = LatentsSpec(
        vae=BASE,
        pins={},
        resolution=64,
        crop="random",
        flip=True,
        buckets=Buckets(step=16, longest=128, shortest=32),
    )
    return spec.model_copy(update=changes)


def texts_spec(**caption: object) -> TextsSpec:
    return TextsSpec.model_validate({"base": {"model": "pocket/sdxl"}, "caption": caption})


class Killed(BaseException):
    pass


def files_of(folder: Path) -> dict[str, str]:
    return {
        file.name: digest_file(file)
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith("scratch")
    }


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("strike", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("stage", ["latents", "texts"])
def test_a_cache_killed_half_way_ends_as_if_it_had_not_been(
    stage, strike, pictures, tmp_path, monkeypatch
):
    """At the last strike, a bit of what was finished flips before the work goes on."""
    monkeypatch.setattr(latents, "SHARD", 3)
    monkeypatch.setattr(texts, "SHARD", 3)
    work = {
        "latents": lambda place: latents.encode(latents_spec(), place),
        "texts": lambda place: texts.write(texts_spec(words="tags", shuffle=True), place),
    }[stage]
    reports: list[Progress] = []

    def kill(progress: Progress) -> None:
        reports.append(progress)
        if len(reports) == strike:
            raise Killed

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    work(StageContext(tmp_path / "whole", {"data": pictures}, batch=2))
    with pytest.raises(Killed):
        work(StageContext(tmp_path / "killed", {"data": pictures}, report=kill, batch=2))
    if strike == 6:
        flip_a_bit(min((tmp_path / "killed").glob("*.safetensors")))
    work(StageContext(tmp_path / "killed", {"data": pictures}, batch=2))
    whole = files_of(tmp_path / "whole")
    assert len(whole) >= 4
    assert files_of(tmp_path / "killed") == whole


@pytest.mark.slow
def test_processes_that_share_a_cache_leave_the_same_files(pictures, tmp_path):
    """Eleven pictures of three shapes are three shards: two for one process, one for the other."""
    for name, processes in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        place = StageContext(tmp_path / name, {"data": pictures}, processes=processes)
        latents.encode(latents_spec(), place)
    whole = files_of(tmp_path / "one")
    shared = {
        name: digest
        for name, digest in files_of(tmp_path / "two").items()
        if not name.startswith("scratch")
    }
    assert len([name for name in whole if name.startswith("latents")]) == 3
    assert shared == whole


def test_every_picture_keeps_its_own_shape_crop_and_size(pictures, tmp_path):
    (tmp_path / "latents").mkdir()
    (tmp_path / "texts").mkdir()
    latents.encode(latents_spec(), StageContext(tmp_path / "latents", {"data": pictures}))
    texts.write(texts_spec(), StageContext(tmp_path / "texts", {"data": pictures}))
    names = [f"{number}" for number in range(COUNT)]
    found = read_set(tmp_path / "latents", tmp_path / "texts", names, [1.0] * COUNT)
    expected = {0: (64, 64, (64, 64)), 1: (80, 40, (112, 32)), 2: (48, 96, (32, 112))}
    for number in range(COUNT):
        shard, row = found.where[number]
        ids = found.shards[shard].ids[row]
        height, width, _ = expected[number % 3]
        assert {tuple(each) for each in ids[:, :2].tolist()} == {(height, width)}
        target = tuple(int(side) for side in ids[0, 4:])
        assert found.shape(number) == (16, target[0] // 8, target[1] // 8)
        assert (target[0] - target[1]) * (height - width) >= 0
        assert len(ids) == 8  # four crops, each both ways round
        assert (ids[:, 2:4] >= 0).all()
    shapes = json.loads((tmp_path / "latents/shapes.json").read_text())
    assert sum(shapes.values()) == COUNT
    assert shapes["64x64"] == 4


def test_mean_and_deviation_are_kept_in_half_precision(pictures, tmp_path):
    latents.encode(latents_spec(buckets=None), StageContext(tmp_path, {"data": pictures}))
    stored = mapped(tmp_path / "latents-64x64-00000.safetensors")
    assert stored["mean"].dtype == stored["std"].dtype == np.float16
    assert stored["mean"].shape == stored["std"].shape == (COUNT, 8, 16, 8, 8)
    assert (stored["std"] > 0).all()


def test_a_text_stands_once_and_the_empty_one_first(pictures, tmp_path):
    texts.write(texts_spec(), StageContext(tmp_path, {"data": pictures}))
    table = json.loads((tmp_path / "texts.json").read_text())
    assert table == ["", "a face 0", "a face 1", "a face 2", "a face 3"]
    rows = json.loads((tmp_path / "readings.json").read_text())
    assert rows == [[1 + number % 4] for number in range(COUNT)]
    stored = mapped(tmp_path / "embeddings-00000.safetensors")
    encoders = load_text_encoders(BASE, "cpu", torch.float32)
    with torch.no_grad():
        sequence, pooled = embed(["", "a face 2"], encoders)
    for row, place in ((0, 0), (3, 1)):
        assert np.allclose(stored["sequences"][row], sequence[place].numpy(), atol=2e-2)
        assert np.allclose(stored["pooled"][row], pooled[place].numpy(), atol=2e-2)


def test_readings_shuffle_and_drop_but_keep_the_first(pictures, tmp_path):
    spec = texts_spec(words="tags", shuffle=True, keep_first=1, tag_dropout=0.3, prefix="best")
    texts.write(spec, StageContext(tmp_path, {"data": pictures}))
    table = json.loads((tmp_path / "texts.json").read_text())
    rows = json.loads((tmp_path / "readings.json").read_text())
    several = [[table[row] for row in own] for own in rows]
    assert all(2 <= len(own) <= 8 for own in several)
    for number, own in enumerate(several):
        for text in own:
            assert text.startswith("best, 1girl")
            assert set(text.split(", ")) <= {"best", "1girl", f"tag {number}", "smile", "night"}
    assert any("smile" not in text for own in several for text in own)


def test_chunks_read_what_one_window_cuts_off():
    encoders = load_text_encoders(BASE, "cpu", torch.float32)
    long = ", ".join(["1girl", "smile", "night", "twintails"] * 12)
    with torch.no_grad():
        one, pooled = embed([long, "1girl"], encoders)
        two, pooled_two = embed([long, "1girl"], encoders, chunks=2)
        other, _ = embed([long + ", outdoors"], encoders, chunks=2)
    assert two.shape == (2, 154, one.shape[2])
    assert torch.allclose(two[:, :77][1], one[1], atol=1e-5)
    assert torch.allclose(pooled_two[1], pooled[1], atol=1e-5)
    assert not torch.allclose(two[0, 77:], other[0, 77:])


def keys(page: Recipe) -> dict[str, str]:
    return plan(page, benchmarks.load("pocket-v1")).keys()


def test_captions_do_not_touch_latents_and_crops_do_not_touch_texts():
    plain = keys(recipe())
    worded = keys(recipe({"caption": {"prefix": "a ninja"}}))
    assert worded["latents"] == plain["latents"]
    assert worded["data"] == plain["data"]
    assert worded["texts"] != plain["texts"]
    flipped = keys(recipe(flip=True))
    assert flipped["texts"] == plain["texts"]
    assert flipped["latents"] != plain["latents"]


def test_neither_rank_nor_dropout_of_captions_touches_a_cache():
    plain = keys(recipe())
    other = keys(recipe({"caption": {"dropout": 0.3}}, adapter={"rank": 8}, seed=5))
    assert other["texts"] == plain["texts"]
    assert other["latents"] == plain["latents"]
    assert other["train"] != plain["train"]


def test_recipes_with_one_vae_share_latents_whatever_their_base():
    pages = [
        recipe().model_copy(update={"base": Base(model=model, vae="some/vae")})
        for model in ("one/base", "another/base")
    ]
    first, second = map(keys, pages)
    assert first["latents"] == second["latents"]
    assert first["texts"] != second["texts"]


def test_text_encoders_that_learn_have_no_cache_but_keep_their_texts(tmp_path):
    phases = [{"steps": 2, "rate": 1e-3, "text_encoder_rates": [1e-3, 1e-3]}]
    own = school(recipe(phases=phases), tmp_path)
    assert not list(own.inputs["texts-0"].glob("embeddings*"))
    assert (own.inputs["texts-0"] / "texts.json").exists()


def test_class_images_are_drawn_once_as_png_at_the_bases_size_and_then_cut_as_pictures_are(
    tmp_path,
):
    prior = {"prompt": "a face", "images": 3, "sampler_steps": 2}
    first, second = (recipe(prior=prior, seed=seed, resolution=32) for seed in (0, 1))
    assert keys(first)["class"] == keys(second)["class"]
    own = school(first, tmp_path)
    drawn = sorted((own.store.root / "sample").rglob("*.png"))
    assert [path.name for path in drawn] == ["class_0.png", "class_1.png", "class_2.png"]
    with Image.open(drawn[0]) as image:
        assert (image.format, image.size) == ("PNG", (64, 64))
    _, class_set = own.sets()
    assert class_set is not None
    (shard,) = class_set.shards
    assert shard.shape == (16, 4, 4)
    assert shard.ids[0, 0].tolist() == [64, 64, 0, 0, 32, 32]
