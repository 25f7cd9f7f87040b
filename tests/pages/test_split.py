"""The held-out fifth: one rule for recipes and references, stated and counted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.specs import Folder, Hub, Pocket
from harness.interfaces import SourceSpec, StageContext
from harness.pages import benchmark, recipe
from harness.pages.benchmark import Benchmark, Judgement
from harness.pages.recipe import Recipe
from harness.pages.split import is_held_out, is_in_split, size_of
from harness.pages.stages import DataSpec
from harness.pipeline.forecast.costs import pictures_of
from harness.pipeline.plan import plan
from harness.pipeline.stages.data import collect
from harness.pipeline.stages.files import read_index

NARUTO = Hub(use="hub", id="lambdalabs/naruto-blip-captions", limit=1221)


@given(st.text(max_size=20))
def test_the_rule_is_the_stated_one(name: str):
    number = int(hashlib.sha256(b"harness held-out v1\n" + name.encode()).hexdigest()[:16], 16)
    assert is_held_out(name) == (number < 2**64 / 5)


def test_the_rule_never_changes():
    held = [row for row in range(40) if is_held_out(f"{row:08d}")]
    assert held == [3, 5, 13, 17, 20, 28]


def test_each_row_is_in_one_part():
    for row in range(1000):
        name = f"ninja-{row:06d}"
        assert is_in_split(name, "all")
        assert is_in_split(name, "train") != is_in_split(name, "held-out")


def test_sizes_are_counted_where_ids_are_known_and_shares_elsewhere(tmp_path: Path):
    pocket = Pocket(use="pocket", set="ninja", count=1221)
    for name in ("a.png", "b.jpg", "c.webp", "notes.txt"):
        (tmp_path / name).touch()
    folder = Folder(use="folder", path=str(tmp_path))
    for source in (pocket, folder, NARUTO):
        parts = [size_of(source, part) for part in ("train", "held-out")]
        assert sum(size or 0 for size in parts) == source.size()
        assert size_of(source, "all") == source.size()
    assert size_of(NARUTO, "held-out") == 223
    assert size_of(Stranger(use="stranger"), "train") == 80
    assert size_of(Stranger(use="stranger"), "held-out") == 20
    assert size_of(Hub(use="hub", id="x"), "train") is None
    assert size_of(Hub(use="hub", id="x", rows=900), "train") is None, "about is not known"
    assert Hub(use="hub", id="x", rows=900).fingerprint() == Hub(use="hub", id="x").fingerprint()


class Stranger(SourceSpec):
    """A source that tells its size and no ids."""

    def size(self) -> int:
        return 100


def page(**data: object) -> Recipe:
    source = {"use": "pocket", "set": "ninja", "count": 100}
    whole = {
        "name": "ink",
        "summary": "-",
        "base": {"model": "pocket/sdxl"},
        "data": {"source": source, **data},
        "train": {
            "method": "lora",
            "adapter": {"rank": 4},
            "resolution": 64,
            "batch": 2,
            "optimizer": {"use": "adamw"},
            "phases": [{"steps": 3, "rate": 1e-3}, {"steps": 3, "rate": 1e-3}],
        },
    }
    return Recipe.model_validate(whole, strict=False)


def test_a_part_is_in_the_key_and_all_of_them_is_not():
    judgement = benchmark.load("pocket-v1")
    keys = [
        plan(page(**data), judgement).step("data").key
        for data in ({}, {"part": "all"}, {"part": "train"})
    ]
    assert keys[0] == keys[1] != keys[2]


def test_a_phase_may_learn_from_another_part():
    whole = page(part="train")
    assert whole.data is not None
    assert whole.train is not None
    phase = whole.train.phases[0]
    assert phase.of(whole.data).part == "train"
    assert phase.model_copy(update={"part": "all"}).of(whole.data).part == "all"
    elsewhere = phase.model_copy(update={"source": NARUTO})
    assert elsewhere.of(whole.data).part == "train"


def test_a_set_is_as_large_as_its_part():
    train, all_ = page(part="train").data, page().data
    assert train is not None
    assert all_ is not None
    assert all_.most == 100
    assert train.most == sum(is_in_split(f"ninja-{row:06d}", "train") for row in range(100))


def test_a_forecast_counts_the_rows_that_are_trained_on():
    step = plan(page(part="train"), benchmark.load("pocket-v1")).step("data")
    assert pictures_of(step) == sum(is_in_split(f"ninja-{row:06d}", "train") for row in range(100))


def test_a_part_too_small_for_a_batch_is_refused():
    source = {"use": "pocket", "set": "ninja", "count": 4}
    with pytest.raises(ValueError, match="too few for one batch of 2"):
        page(source=source, part="held-out")


def test_a_reference_reads_its_part():
    judgement = benchmark.load("pocket-v1")
    old = judgement.benchmark
    assert old.reference is not None
    shown = old.reference.model_copy(update={"part": "held-out"})
    other = Judgement(
        Benchmark.model_validate(old.model_copy(update={"reference": shown})), judgement.suites
    )
    base = recipe.load("pocket-base")
    before, after = plan(base, judgement), plan(base, other)
    spec = after.step("reference").spec
    assert isinstance(spec, DataSpec)
    assert spec.part == "held-out"
    assert before.step("reference").key != after.step("reference").key
    assert before.signature != after.signature


def collected(part: str, out: Path) -> tuple[set[str], dict[str, object]]:
    out.mkdir()
    source = {"use": "pocket", "set": "ninja", "count": 40}
    spec = DataSpec.model_validate({"source": source, "part": part, "curate": {"limit": 30}})
    collect(spec, StageContext(out, {}))
    return {entry.id for entry in read_index(out)}, json.loads((out / "report.json").read_text())


def test_training_and_reference_never_share_a_picture(tmp_path: Path):
    train, left = collected("train", tmp_path / "train")
    held, taken = collected("held-out", tmp_path / "held-out")
    assert not train & held
    assert all(is_held_out(name) for name in held)
    assert left["dropped"].keys() == {"held-out"}
    assert taken["kept"] == len(held)
    assert taken["dropped"] == {"train": 40 - len(held)}


@pytest.mark.parametrize("name", ["naruto-256", "naruto-1024", "naruto-dreambooth-prodigy"])
def test_naruto_recipes_never_see_what_naruto_v1_shows(name: str):
    data, shown = recipe.load(name).data, benchmark.load("naruto-v1").benchmark.reference
    assert data is not None
    assert shown is not None
    assert data.source.id == shown.source.id
    assert (data.part, shown.part) == ("train", "held-out")
