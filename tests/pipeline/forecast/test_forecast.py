"""What a plan is said to take, and that it is refused where it cannot fit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import pocket_unet
from running import Command

import harness
from harness.diffusion.adapter_writer import save_adapter
from harness.diffusion.adapters import add_adapter
from harness.diffusion.latents import views
from harness.diffusion.memory import trained_parameters
from harness.errors import UsageError
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.recipe import Recipe
from harness.pipeline.forecast import Forecast, forecast
from harness.pipeline.forecast.costs import RANDOM_CROPS
from harness.pipeline.forecast.gpus import ESTIMATES, gpu_for, gpu_like, gpu_named
from harness.pipeline.request import requested
from harness.report.numbers import duration

TRAINED = (
    "naruto-256",
    "naruto-1024",
    "danbooru-1024",
    "naruto-dreambooth-prodigy",
    "animeboys-xl",
    "animagine-xl-2",
)


def asked(recipe: Recipe, card: str | None = None, stages: Sequence[str] = ()) -> Forecast:
    """Return the forecast of a recipe from nothing, or of some of its stages."""
    steps = requested(recipe).plan().steps
    to_do = [step for step in steps if not stages or step.stage in stages]
    return forecast(recipe, steps, to_do, gpu_named(card) if card else None)


def changed(name: str, **changes: Any) -> Recipe:
    recipe = recipes.load(name)
    assert recipe.train is not None
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=changes)})


def test_naruto_at_full_size_fits_on_the_t4_it_was_made_on() -> None:
    found = asked(recipes.load("naruto-1024"))
    assert (found.card, found.fits, found.complaints) == ("t4", True, ())
    assert 7 < found.memory_gb < 16
    assert found.optimizer_steps == 765
    assert 1.5 * 3600 < found.seconds < 9 * 3600


def test_naruto_at_256_pixels_fits_with_its_whole_batch_in_one_pass() -> None:
    found = asked(recipes.load("naruto-256"))
    assert found.fits
    assert found.samples_per_pass == 96
    assert found.step_seconds is not None
    whole = asked(recipes.load("naruto-1024")).step_seconds
    assert whole is not None
    assert found.step_seconds / 96 < whole / 8 / 10


def test_a_full_fine_tune_does_not_fit_on_a_t4_and_is_told_where_it_does() -> None:
    found = asked(recipes.load("animeboys-xl"), "t4")
    assert not found.fits
    assert "T4 has 15.0 GB: train a LoRA, or take A100 80 GB" in found.complaints[0]
    assert found.complaints[1] == "bf16 needs a card that can (T4 cannot): use precision fp16"


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_fits_on_the_card_it_names(name: str) -> None:
    found = asked(recipes.load(name))
    assert found.fits, found.complaints
    assert found.memory_gb <= found.card_gb


def test_advice_names_a_change_only_where_it_is_enough() -> None:
    greedy = changed("naruto-1024", gradient_checkpointing=False, resolution=1280)
    found = asked(greedy, "t4")
    assert "turn gradient_checkpointing on" in found.complaints[0]
    followed = changed("naruto-1024", gradient_checkpointing=True, resolution=1280)
    assert asked(followed, "t4").fits


def test_the_loss_probe_takes_what_it_asks_and_a_part_of_what_training_takes() -> None:
    few = changed("naruto-1024", checkpoint_every=None)
    probe, train = (asked(few, stages=[stage]) for stage in ("probe", "train"))
    assert 0 < probe.seconds < train.seconds / 20
    kept = asked(changed("naruto-1024", checkpoint_every=255), stages=["probe"])
    assert kept.seconds == pytest.approx(2 * probe.seconds, rel=0.15)  # 2 more beside the base
    every = asked(recipes.load("naruto-1024"), stages=["probe"])
    assert every.seconds < train.seconds / 2, "25 checkpoints"


def test_the_card_is_the_one_the_recipe_names_else_a_t4() -> None:
    named = {name: gpu_for(recipes.load(name)).name for name in (*TRAINED, "sdxl-base")}
    assert named["danbooru-1024"] == named["animeboys-xl"] == "a100"
    assert named["naruto-256"] == named["sdxl-base"] == "t4"
    assert gpu_for(recipes.load("pocket-ninja")).name == "cpu"


def test_an_unknown_card_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"t4, l4, .*a100, .*h200"):
        gpu_named("a101")


def test_a_device_is_known_by_the_word_in_its_name_and_has_its_own_memory() -> None:
    assert gpu_like("Tesla T4", 15 * 10**9).training == ESTIMATES["t4"].training
    assert not gpu_like("Tesla T4", 15 * 10**9).has_bf16
    part = gpu_like("NVIDIA A100-SXM4-80GB MIG 3g.20gb", 20 * 10**9)
    assert (part.name, part.memory) == ("a100", 20 * 10**9)
    assert gpu_like("NVIDIA L40S", 48 * 10**9).name == "cuda"


def test_accumulation_takes_no_more_time_than_the_batch_it_stands_for() -> None:
    split = asked(changed("naruto-1024", batch=1, accumulation=8))
    whole = asked(changed("naruto-1024", batch=8, accumulation=1))
    assert split.step_seconds == whole.step_seconds


@pytest.mark.parametrize("method", ["lora", "full"])
def test_recomputing_costs_one_more_forward_pass(method: str) -> None:
    name = "naruto-1024" if method == "lora" else "animeboys-xl"
    plain, some, every = (
        asked(changed(name, gradient_checkpointing=wanted), "h200").step_seconds or 0
        for wanted in (False, 4, True)
    )
    passes = 2 if method == "lora" else 3
    assert some / plain == pytest.approx((passes + 0.25) / passes, rel=0.01)
    assert every / plain == pytest.approx((passes + 1) / passes, rel=0.01)


def test_the_pocket_takes_the_time_that_was_measured() -> None:
    recipe = recipes.load("pocket-ninja")
    assert recipe.train is not None
    samples = recipe.train.steps * recipe.train.effective_batch
    trained = asked(recipe, stages=["train"])
    assert trained.seconds - 8 == pytest.approx(samples * 0.012, rel=0.05)
    drawn = asked(recipe, stages=["sample"])
    steps = benchmarks.load("pocket-v1").benchmark.sampler.steps
    assert drawn.seconds - 8 == pytest.approx(drawn.images * steps * 0.008, rel=0.15)


def test_the_adapter_on_disk_is_counted_to_the_parameter(tmp_path: Path) -> None:
    recipe = recipes.load("pocket-ninja")
    assert recipe.train is not None
    assert recipe.train.adapter is not None
    unet = pocket_unet()
    add_adapter(unet, recipe.train.adapter, "unet", torch.float32)
    save_adapter({"unet": unet}, tmp_path, {})
    size = next(tmp_path.glob("*.safetensors")).stat().st_size
    counted = 4 * trained_parameters(recipe.train, recipe.base.model)
    assert counted < size < 1.1 * counted  # the rest are names


def test_each_checkpoint_adds_an_adapter_to_the_disk() -> None:
    none = asked(changed("naruto-1024", checkpoint_every=None), stages=["train"])
    some = asked(changed("naruto-1024", checkpoint_every=100), stages=["train"])
    assert some.disk_gb - none.disk_gb == pytest.approx(7 * 4 * 23_224_320 / 1e9, abs=0.002)


def test_latents_are_counted_view_by_view() -> None:
    assert len(views("random", False)) == RANDOM_CROPS
    once, often = (
        asked(changed("pocket-ninja", crop=crop, flip=flip), stages=["latents"]).disk_gb
        for crop, flip in (("center", False), ("random", True))
    )
    assert often == pytest.approx(8 * once, abs=0.005)


def test_a_set_of_unknown_size_is_said_to_be_left_out() -> None:
    assert "unknown size" in asked(recipes.load("naruto-1024")).basis
    assert "unknown size" not in asked(recipes.load("pocket-ninja")).basis


def test_nothing_to_do_takes_nothing() -> None:
    recipe = recipes.load("pocket-ninja")
    steps = requested(recipe, "pocket-v1").plan().steps
    found = forecast(recipe, steps, [])
    assert (found.seconds, found.memory_gb, found.disk_gb, found.step_seconds) == (0, 0, 0, None)


def test_a_plan_that_fits_is_printed_with_rates_memory_and_pace(tmp_path: Path) -> None:
    text = str(harness.plan("naruto-1024", store=tmp_path))
    assert "rate     0% 0.0001" in text
    assert "t4       12.6 of 15 GB, 6 samples a pass" in text
    assert max(map(len, text.splitlines())) < 120


def test_fewer_images_together_take_less_memory_and_more_time() -> None:
    recipe = recipes.load("naruto-1024")
    steps = requested(recipe).plan().steps
    drawing = [step for step in steps if step.stage == "sample"]
    slow_start = replace(gpu_named("h100"), launch=1.0)
    many, few = (forecast(recipe, steps, drawing, slow_start, batch=batch) for batch in (16, 1))
    assert few.memory_gb < many.memory_gb - 1
    assert few.seconds > many.seconds


def test_a_batch_of_images_that_does_not_fit_comes_with_one_that_does() -> None:
    recipe = recipes.load("naruto-1024")
    steps = requested(recipe).plan().steps
    drawing = [step for step in steps if step.stage == "sample"]
    small = replace(gpu_named("t4"), memory=12 * 10**9)
    (complaint,) = forecast(recipe, steps, drawing, small).complaints
    found = re.fullmatch(r"sampling needs .* GB, T4 has 12.0 GB: pass --batch (\d+)", complaint)
    assert found is not None
    fits, larger = int(found[1]), int(found[1]) + 1
    assert not forecast(recipe, steps, drawing, small, fits).complaints
    assert forecast(recipe, steps, drawing, small, larger).complaints


def test_no_batch_fits_where_not_even_one_image_does() -> None:
    recipe = recipes.load("naruto-1024")
    steps = requested(recipe).plan().steps
    drawing = [step for step in steps if step.stage == "sample"]
    tiny = replace(gpu_named("t4"), memory=4 * 10**9)
    (complaint,) = forecast(recipe, steps, drawing, tiny).complaints
    assert complaint.endswith("take a larger card")


@pytest.mark.parametrize("named", ["flag", "variable"])
def test_a_plan_counts_with_the_batch_that_a_run_would_have(
    named: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("plan", "sdxl-base", "--card", "h100", "--store", tmp_path, "--json")
    whole = command(*words).json["forecast"]["memory_gb"]
    if named == "variable":
        monkeypatch.setenv("HARNESS_BATCH", "1")
    else:
        words = (*words, "--batch", "1")
    assert command(*words).json["forecast"]["memory_gb"] < whole


@pytest.mark.slow
def test_a_plan_that_does_not_fit_is_printed_and_fails_unless_told_to(
    command: Command, tmp_path: Path
) -> None:
    words = ("plan", "animeboys-xl", "--card", "t4", "--store", tmp_path)
    ran = command(*words, "--json")
    assert ran.code == 1
    assert "training needs" in ran.err
    assert "--anyway" in ran.err
    assert ran.json["forecast"]["fits"] is False
    assert len(ran.json["forecast"]["complaints"]) == 2
    told = command(*words, "--anyway")
    assert (told.code, told.err) == (0, "")
    assert "does not fit" in told.out
    unknown = command("plan", "animeboys-xl", "--card", "t5")
    assert (unknown.code, unknown.out) == (2, "")
    assert "there is no card 't5' here" in unknown.err


@pytest.mark.slow
def test_planning_and_counting_load_no_network_library(tmp_path: Path) -> None:
    program = (
        "import sys, json; from pathlib import Path; import harness; "
        "from harness.api.make import obstacles; "
        f"found = harness.plan_all(['naruto-1024'], store={str(tmp_path)!r}); "
        "obstacles([], harness.Workspace(Path('s'), Path('r'))); "
        "print(json.dumps([found[0].as_json()['forecast'], sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    document, loaded = json.loads(done.stdout)
    assert not set(loaded) & {"torch", "diffusers", "transformers", "peft"}
    assert set(document) == set(Forecast.__dataclass_fields__)


def test_a_long_time_is_told_in_days() -> None:
    assert [duration(each) for each in (40, 600, 9000, 864_000)] == [
        "40 s",
        "10 min",
        "2.5 h",
        "10 days",
    ]
