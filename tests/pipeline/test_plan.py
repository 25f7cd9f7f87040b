"""What moves a key, and what moves a signature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.keys import described
from harness.metrics.specs.style import StyleProbe
from harness.pages import benchmark, recipe
from harness.pages.benchmark import Judgement, Reference
from harness.pages.decoding import Reading
from harness.pages.recipe import Attached, Base, Load, Recipe
from harness.pages.stages import SampleSpec, SuppliedImage, SuppliedSpec, TextsSpec
from harness.pipeline.plan import RunPlan, plan, plan_supplied
from harness.pipeline.stages import STAGES, Stage

POCKET = "pocket-v1"


def planned(name: str = "pocket-ninja", **changes: object) -> RunPlan:
    return plan(recipe.load(name).model_copy(update=changes), benchmark.load(POCKET))


def test_rows_of_one_benchmark_and_base_share_a_signature() -> None:
    signatures = {planned(name).signature for name in ("pocket-base", "pocket-ninja")}
    assert len(signatures) == 1


def with_other_captions() -> RunPlan:
    """Return the plan of pocket-ninja where captions are drawn with another seed."""
    judgement = benchmark.load(POCKET)
    asked = judgement.benchmark.extraction
    changes = {"extraction": asked and asked.model_copy(update={"seeds": (7,)})}
    changed = replace(judgement, benchmark=judgement.benchmark.model_copy(update=changes))
    return plan(recipe.load("pocket-ninja"), changed)


def test_what_is_drawn_beside_the_sample_is_in_the_signature_and_moves_no_sample() -> None:
    one, other = planned(), with_other_captions()
    assert one.signature != other.signature
    assert one.step("captions").key != other.step("captions").key
    assert one.step("sample").key == other.step("sample").key


def test_the_base_draws_captions_and_nothing_beside_itself() -> None:
    drawn = {"base", "bare", "bare-base", "captions"}
    names = {
        name: {step.name for step in planned(name).steps} & drawn
        for name in ("pocket-base", "pocket-ninja")
    }
    assert names == {"pocket-base": {"captions"}, "pocket-ninja": drawn}
    assert planned("pocket-base").step("sample").key == planned("pocket-ninja").step("base").key


@pytest.mark.parametrize("stage", ["data", "sample", "features", "score"])
def test_a_stage_that_works_otherwise_moves_the_signature(
    stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planned().signature
    monkeypatch.setitem(STAGES, stage, Stage(99, "nowhere:nothing"))  # type: ignore[arg-type]
    assert planned().signature != before


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (1, 2)},
        {"sampler": {"steps": 21}},
        {"sampler": {"adapter_scale": 0.5}},
        {"sampler": {"prompt_style": "webui"}},
    ],
)
def test_whatever_judges_otherwise_moves_the_signature(change: dict[str, object]) -> None:
    judgement = benchmark.load(POCKET)
    old = judgement.benchmark
    update = dict(change)
    if isinstance(change.get("sampler"), dict):
        update["sampler"] = old.sampler.model_copy(update=change["sampler"])  # type: ignore[arg-type]
    other = Judgement(old.model_copy(update=update), judgement.suites)
    ninja = recipe.load("pocket-ninja")
    assert plan(ninja, judgement).signature != plan(ninja, other).signature


def test_another_base_never_shares_a_board() -> None:
    stranger = Base(model="someone/else")
    assert planned(base=stranger).signature != planned().signature


def test_a_training_seed_moves_the_adapter_and_not_the_signature() -> None:
    ninja, judgement = recipe.load("pocket-ninja"), benchmark.load(POCKET)
    first, second = plan(ninja, judgement), plan(ninja.with_seed(5), judgement)
    assert first.step("train").key != second.step("train").key
    assert first.step("latents").key == second.step("latents").key
    assert first.signature == second.signature


def test_what_only_saves_memory_moves_no_key() -> None:
    ninja = recipe.load("pocket-ninja")
    assert ninja.train is not None
    small = ninja.train.model_copy(
        update={"gradient_checkpointing": 2, "attention_slicing": True, "tracker": "tensorboard"}
    )
    assert planned(train=small).keys() == planned().keys()


def test_checkpoints_are_part_of_what_is_trained_and_can_be_judged_one_by_one() -> None:
    ninja, judgement = recipe.load("pocket-ninja"), benchmark.load(POCKET)
    assert ninja.train is not None
    kept = ninja.model_copy(
        update={"train": ninja.train.model_copy(update={"checkpoint_every": 100})}
    )
    whole, half = plan(kept, judgement), plan(kept, judgement, checkpoint=100)
    assert whole.step("train").key == half.step("train").key != planned().step("train").key
    assert whole.step("sample").key != half.step("sample").key
    assert half.recipe == "pocket-ninja.step100"
    assert half.signature == whole.signature


@pytest.mark.parametrize(("size", "drawn"), [(None, 1024), (512, 512)])
def test_class_images_are_drawn_at_the_bases_size_or_the_pages(
    size: int | None, drawn: int
) -> None:
    page = recipe.load("naruto-dreambooth-prodigy")
    assert page.train is not None
    assert page.train.prior is not None
    prior = page.train.prior.model_copy(update={"size": size})
    train = page.train.model_copy(update={"prior": prior})
    step = planned("naruto-dreambooth-prodigy", train=train).step("class")
    assert isinstance(step.spec, SampleSpec)
    assert (step.spec.sampler.width, step.spec.sampler.height) == (drawn, drawn)


def test_captions_are_embedded_in_the_numbers_of_the_run_and_latents_always_in_fp32() -> None:
    ninja = recipe.load("pocket-ninja")
    assert ninja.train is not None
    plans = {
        precision: planned(train=ninja.train.model_copy(update={"precision": precision}))
        for precision in ("fp32", "fp16", "bf16")
    }
    for precision, each in plans.items():
        spec = each.step("texts").spec
        assert isinstance(spec, TextsSpec)
        assert spec.precision == precision
    assert len({each.step("texts").key for each in plans.values()}) == 3
    assert len({each.step("latents").key for each in plans.values()}) == 1
    assert plans["fp32"].step("texts").key == planned().step("texts").key


def test_text_encoders_that_train_embed_nothing_ahead_whatever_the_numbers_of_the_run() -> None:
    page = recipe.load("naruto-dreambooth-prodigy")
    assert page.train is not None
    whole = page.train.model_copy(update={"precision": "fp32"})
    keys = {planned(page.name, train=train).step("texts").key for train in (page.train, whole)}
    assert len(keys) == 1


def test_recipes_share_what_they_prepare_in_the_same_way() -> None:
    good, short = planned("pocket-ninja"), planned("pocket-ninja-short")
    assert good.step("latents").key == short.step("latents").key
    assert good.step("texts").key == short.step("texts").key
    assert good.step("train").key != short.step("train").key


def test_other_weights_in_the_same_folder_are_another_model(tmp_path: Path) -> None:
    weights = tmp_path / "model" / "unet.safetensors"
    weights.parent.mkdir()
    keys = []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        keys.append(planned(base=Base(model=str(tmp_path / "model"))).step("sample").key)
    assert keys[0] != keys[1]


def test_an_adapter_is_its_bytes_wherever_it_lies(tmp_path: Path) -> None:
    keys = []
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
        stranger = Recipe(
            name="s",
            summary="-",
            base=Base(model="pocket/sdxl"),
            load=Load(adapter=str(tmp_path / name)),
        )
        keys.append(plan(stranger, benchmark.load(POCKET)).step("sample").key)
    assert keys[0] == keys[1] != keys[2]


def test_several_adapters_are_their_bytes_and_scales_wherever_they_lie(tmp_path: Path) -> None:
    def key(*adapters: tuple[str, float]) -> str:
        named = tuple(Attached(file=str(tmp_path / name), scale=scale) for name, scale in adapters)
        stranger = Recipe(
            name="s", summary="-", base=Base(model="pocket/sdxl"), load=Load(adapters=named)
        )
        return plan(stranger, benchmark.load(POCKET)).step("sample").key

    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    assert key(("a", 1.0), ("c", 1.0)) == key(("b", 1.0), ("c", 1.0))
    others = [key(("a", 1.0), ("c", 0.5)), key(("a", 1.0)), key(("a", 1.0), ("a", 1.0))]
    assert len({key(("a", 1.0), ("c", 1.0)), *others}) == 4
    with pytest.raises(UsageError, match="there is no adapter file"):
        key(("a", 1.0), ("nowhere", 1.0))


def test_options_that_say_as_before_are_in_no_key_and_no_signature() -> None:
    judgement = benchmark.load(POCKET)
    plain = planned()
    assert described(judgement.prompts[0]).keys() == {"id", "text"}
    assert "prompt_style" not in plain.protocol["sampler"]
    assert "part" not in described(plain.step("data").spec)
    assert "part" not in plain.protocol["reference"]


def test_a_rule_of_reading_moves_the_key_of_the_data_and_its_default_does_not() -> None:
    data = recipe.load("pocket-ninja").data
    assert data is not None
    plain = planned().step("data")
    assert "reading" not in described(plain.spec)
    keys = {
        planned(data=data.model_copy(update={"reading": Reading(**rule)})).step("data").key
        for rule in ({}, {"transparent": "drop"}, {"duplicates": "same-file"}, {"smallest": 64})
    }
    assert plain.key in keys
    assert len(keys) == 4


def test_a_pocket_model_that_does_not_exist_is_told_at_once() -> None:
    with pytest.raises(UsageError, match="there is no model pocket/sdxxl"):
        planned(base=Base(model="pocket/sdxxl"))


def test_the_bare_base_is_drawn_beside_an_adapter_and_not_beside_itself() -> None:
    judgement = benchmark.load("pocket-v1")
    wide = replace(judgement, benchmark=judgement.benchmark.model_copy(update={"base": True}))
    base = plan(recipe.load("pocket-base"), wide)
    trained = plan(recipe.load("pocket-ninja"), wide)
    assert [step.name for step in base.steps].count("base") == 0
    assert trained.keys()["base"] == base.keys()["sample"], "one drawing serves both"
    assert trained.signature == base.signature


def test_a_base_that_is_named_beside_images_draws_as_it_does_beside_a_recipe() -> None:
    judgement = benchmark.load(POCKET)
    entries = tuple(
        SuppliedImage(prompt_id=each.id, seed=seed, text=each.text, file="-", content="-")
        for each in judgement.prompts
        for seed in judgement.benchmark.seeds
    )
    supplied = SuppliedSpec(folder="-", entries=entries, as_asked=True)
    alone = plan_supplied("mine", supplied, judgement)
    beside = plan_supplied("mine", supplied, judgement, recipe.load("pocket-base"))
    of_recipe = plan(recipe.load("pocket-ninja"), judgement)
    assert beside.step("base").key == of_recipe.step("base").key
    assert beside.step("sanity").key == of_recipe.step("sanity").key, "the same licences"
    assert alone.step("sanity").key != beside.step("sanity").key
    assert "other" not in alone.step("sanity").inputs
    assert alone.signature == beside.signature


def with_probe(base: bool = True, decoys: tuple[Reference, ...] = ()) -> Judgement:
    judgement = benchmark.load(POCKET)
    kept = tuple(each for each in judgement.metrics if "decoys" not in each.reads)
    kept = kept if base else tuple(each for each in kept if "base" not in each.reads)
    changes = {"metrics": (*kept, StyleProbe(use="style-probe")), "base": base, "decoys": decoys}
    return replace(judgement, benchmark=judgement.benchmark.model_copy(update=changes))


def test_decoys_are_collected_where_a_metric_asks_for_them() -> None:
    ninja, judgement = recipe.load("pocket-ninja"), with_probe()
    probed = plan(ninja, judgement)
    made = probed.step("decoys")
    assert made.inputs == {
        "reference": probed.step("reference").key,
        "base": probed.step("base").key,
    }
    of_base = plan(recipe.load("pocket-base"), judgement)
    assert of_base.step("decoys").key == made.key, "one probe judges every recipe and the base"
    assert of_base.step("sanity").key == probed.step("sanity").key
    assert probed.score.inputs["decoys"] == made.key

    artist = judgement.benchmark.reference
    assert artist is not None
    named = plan(ninja, with_probe(decoys=(artist,)))
    assert named.step("decoys").inputs["decoys-1"] == named.step("decoys-1").key
    assert named.step("sanity").inputs["decoys-1"] == named.step("decoys-1").key
    assert named.signature != probed.signature
    order = [step.name for step in named.steps]
    assert order.index("decoys-1") < order.index("decoys") < order.index("sanity")
    alone = plan(ninja, with_probe(base=False, decoys=(artist,)))
    assert set(alone.step("decoys").inputs) == {"reference", "decoys-1"}
