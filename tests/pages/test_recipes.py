"""Every page that ships is valid, and the real recipes carry the figures of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.data.prompt_weights import plain
from harness.extractors.specs import Lite0, Lite0Style
from harness.pages import benchmark, recipe
from harness.pages.benchmark import Benchmark, PromptSuite
from harness.pages.recipe import Recipe
from harness.pages.train import Train
from harness.pages.yaml import load_page
from harness.pipeline.results.read import headline

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
SUITES = sorted((ROOT / "prompts/suites").glob("*.yaml"))
BENCHMARKS = sorted((ROOT / "prompts/benchmarks").glob("*.yaml"))
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
FIXED_VAE = "madebyollin/sdxl-vae-fp16-fix"
WORDS = "masterpiece, best quality"
NARUTO = "lambdalabs/naruto-blip-captions"

FIGURES: dict[str, dict[str, Any]] = {
    "naruto-256": {
        "method": "lora",
        "rank": 16,
        "alpha": 16.0,
        "dropout": 0.0,
        "resolution": 256,
        "crop": "random",
        "flip": False,
        "batch": (12, 8, 1),
        "effective_batch": 96,
        "optimizer": "adamw-8bit",
        "precision": "fp16",
        "phases": [(200, 1e-4, "constant", 0, None)],
        "steps": 200,
        "snr_gamma": None,
        "noise_offset": 0.0,
        "checkpoint_every": 30,
    },
    "naruto-1024": {
        "method": "lora",
        "rank": 16,
        "alpha": 16.0,
        "dropout": 0.0,
        "resolution": 1024,
        "crop": "random",
        "flip": False,
        "batch": (1, 8, 1),
        "effective_batch": 8,
        "optimizer": "adamw-8bit",
        "precision": "fp16",
        "phases": [(300, 1e-4, "constant", 0, None), (465, 3e-5, "cosine", 0, None)],
        "steps": 765,
        "snr_gamma": None,
        "noise_offset": 0.0,
        "checkpoint_every": 30,
    },
    "danbooru-1024": {
        "method": "lora",
        "rank": 64,
        "alpha": 64.0,
        "dropout": 0.05,
        "resolution": 1024,
        "crop": "center",
        "flip": True,
        "batch": (4, 2, 1),
        "effective_batch": 8,
        "optimizer": "adamw-8bit",
        "precision": "bf16",
        "phases": [(18000, 1e-4, "cosine", 500, None)],
        "steps": 18000,
        "snr_gamma": 5.0,
        "noise_offset": 0.03,
        "checkpoint_every": 500,
    },
    "naruto-dreambooth-prodigy": {
        "method": "lora",
        "rank": 4,
        "alpha": 4.0,
        "dropout": 0.0,
        "resolution": 256,
        "crop": "center",
        "flip": False,
        "batch": (1, 4, 1),
        "effective_batch": 4,
        "optimizer": "prodigy",
        "precision": "fp16",
        "phases": [(500, 1.0, "constant", 0, (1.0, 1.0))],
        "steps": 500,
        "snr_gamma": 5.0,
        "noise_offset": 0.0,
        "checkpoint_every": None,
    },
    "animeboys-xl": {
        "method": "full",
        "rank": None,
        "alpha": None,
        "dropout": None,
        "resolution": 1024,
        "crop": "center",
        "flip": False,
        "batch": (4, 8, 4),
        "effective_batch": 128,
        "optimizer": "adafactor",
        "precision": "bf16",
        "phases": [(80640, 8e-6, "constant", 250, (5.2e-6, 4.8e-6))],
        "steps": 80640,
        "snr_gamma": None,
        "noise_offset": 0.0,
        "checkpoint_every": 4032,
    },
    "animagine-xl-2": {
        "method": "full",
        "rank": None,
        "alpha": None,
        "dropout": None,
        "resolution": 1024,
        "crop": "center",
        "flip": False,
        "batch": (32, 1, 1),
        "effective_batch": 32,
        "optimizer": "adamw",
        "precision": "fp16",
        "phases": [
            (106260, 1e-6, "constant", 0, (1e-6, 1e-6)),
            (51880, 1e-6, "constant", 0, (1e-6, 1e-6)),
        ],
        "steps": 158140,
        "snr_gamma": None,
        "noise_offset": 0.0,
        "checkpoint_every": 5313,
    },
}

SAMPLERS: dict[str, tuple[str, int, float, int, int, str | None]] = {
    "naruto-v1": ("euler", 30, 7.5, 1024, 1024, FIXED_VAE),
    "naruto-legacy": ("euler", 30, 7.5, 1024, 1024, FIXED_VAE),
    "anime-v1": ("euler-a", 28, 5.0, 832, 1216, FIXED_VAE),
    "quality-v1": ("euler-a", 50, 12.0, 832, 1216, FIXED_VAE),
    "animagine-v1": ("euler-a", 50, 12.0, 832, 1216, FIXED_VAE),
    "animeboys-v1": ("euler-a", 28, 5.0, 832, 1216, "stabilityai/sdxl-vae"),
}


def real(name: str) -> Recipe:
    return recipe.load(ROOT / "recipes" / f"{name}.yaml")


def figures(train: Train) -> dict[str, Any]:
    """Return what the table pins, under its words."""
    adapter = train.adapter
    return {
        "method": train.method,
        "rank": adapter.rank if adapter else None,
        "alpha": adapter.effective_alpha if adapter else None,
        "dropout": adapter.dropout if adapter else None,
        "resolution": train.resolution,
        "crop": train.crop,
        "flip": train.flip,
        "batch": (train.batch, train.accumulation, train.processes),
        "effective_batch": train.effective_batch,
        "optimizer": train.optimizer.use,
        "precision": train.precision,
        "phases": [
            (each.steps, each.rate, each.schedule, each.warmup, each.text_encoder_rates)
            for each in train.phases
        ],
        "steps": train.steps,
        "snr_gamma": train.snr_gamma,
        "noise_offset": train.noise_offset,
        "checkpoint_every": train.checkpoint_every,
    }


def test_the_shipped_pages_are_found() -> None:
    assert (len(RECIPES), len(SUITES), len(BENCHMARKS)) == (14, 13, 7)


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_shipped_recipe_is_valid_and_named_after_its_file(file: Path) -> None:
    assert recipe.load(file).name == file.stem


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_a_shipped_suite_is_valid_and_named_after_its_file(file: Path) -> None:
    assert load_page(PromptSuite, file).name == file.stem


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_shipped_benchmark_is_valid_and_named_after_its_file(file: Path) -> None:
    assert benchmark.load(file).benchmark.name == file.stem


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_tells_its_schema_and_the_command_that_runs_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../harness/schemas/recipe.v1.json\n")
    assert f"harness run {file.stem}\n" in text


def test_every_real_recipe_that_trains_is_in_the_table() -> None:
    trained = {file.stem for file in RECIPES if recipe.load(file).train}
    assert {name for name in trained if not name.startswith("pocket")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_real_recipe_has_the_figures_of_its_source(name: str) -> None:
    train = real(name).train
    assert train is not None
    assert figures(train) == FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_a_real_recipe_saves_memory_and_takes_the_correct_reading(name: str) -> None:
    train = real(name).train
    assert train is not None
    assert train.gradient_checkpointing
    assert (train.lr_schedule_unit, train.adapter_dtype) == ("optimizer-step", "float32")


@pytest.mark.parametrize("name", [file.stem for file in RECIPES if "pocket" not in file.stem])
def test_every_real_recipe_starts_from_sdxl(name: str) -> None:
    assert real(name).base.model == SDXL


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("animagine-xl-2-released", "Linaqruf/animagine-xl-2.0"),
        ("animeboys-xl-released", "Koolchh/AnimeBoysXL-v1.0"),
    ],
)
def test_a_released_model_is_loaded_and_not_trained(name: str, model: str) -> None:
    page = real(name)
    assert page.load is not None
    assert (page.load.model, page.train, page.data) == (model, None, None)


@pytest.mark.parametrize("name", ["naruto-256", "naruto-1024", "naruto-dreambooth-prodigy"])
def test_the_naruto_recipes_learn_from_the_same_pictures(name: str) -> None:
    data = real(name).data
    assert data is not None
    assert (data.source.use, data.source.id) == ("hub", NARUTO)


def test_danbooru_rows_are_curated_as_the_plan_says() -> None:
    data = real("danbooru-1024").data
    assert data is not None
    assert (data.curate.min_side, data.curate.aspect) == (768, (0.7, 1.4))
    assert data.curate.ratings == ("general", "safe")
    assert data.caption.prefix == "masterpiece, best quality"
    assert " ".join(data.caption.important or ()) == (
        "1girl 1boy solo looking_at_viewer smile long_hair short_hair school_uniform twintails "
        "blue_eyes brown_hair blonde_hair upper_body full_body outdoors indoors night day"
    )


def test_dreambooth_keeps_the_class_and_prepends_the_instance_prompt() -> None:
    page = real("naruto-dreambooth-prodigy")
    assert page.data is not None
    assert page.train is not None
    assert page.train.prior is not None
    assert page.data.caption.prefix == page.train.prior.prompt == "a naruto anime character"
    assert (page.train.prior.sampler_steps, page.train.prior.size) == (50, None)
    assert page.base.vae == FIXED_VAE


def first(name: str, kind: str, value: float) -> str:
    data = real(name).data
    assert data is not None
    scale = getattr(data.caption, kind)
    return str(next(bound.tag for bound in scale if bound.holds(value)))


@pytest.mark.parametrize(
    ("name", "kind", "steps"),
    [
        (
            "animeboys-xl",
            "score_tags",
            (
                "150 best quality|149 amazing quality|100 amazing quality|99 great quality|"
                "75 great quality|74 normal quality|0 normal quality|-1 bad quality|-4 bad quality|"
                "-5 worst quality"
            ),
        ),
        (
            "animeboys-xl",
            "aesthetic_tags",
            (
                "6.675 best aesthetic|6.67 great aesthetic|6.0 great aesthetic|"
                "5.99 normal aesthetic|5.0 normal aesthetic|4.99 bad aesthetic"
            ),
        ),
        (
            "animagine-xl-2",
            "score_tags",
            (
                "151 masterpiece|150 best quality|100 best quality|99 high quality|75 high quality|"
                "74 medium quality|25 medium quality|24 normal quality|0 normal quality|"
                "-1 low quality|-5 low quality|-6 worst quality"
            ),
        ),
    ],
)
def test_a_scale_changes_its_word_at_the_bounds_of_the_card(
    name: str, kind: str, steps: str
) -> None:
    for value, _, word in (step.partition(" ") for step in steps.split("|")):
        assert first(name, kind, float(value)) == word


def test_animagine_trains_in_buckets_on_a_set_a_stage() -> None:
    train = real("animagine-xl-2").train
    assert train is not None
    assert train.buckets is not None
    assert (train.buckets.longest, train.buckets.shortest, train.buckets.step) == (2048, 512, 64)
    page = real("animagine-xl-2")
    assert page.data is not None
    sets = [phase.of(page.data) for phase in train.phases]
    assert [each.source.path for each in sets] == ["data/animagine", "data/animagine-aesthetic"]
    assert [each.curate.limit for each in sets] == [170_000, 83_000]
    assert sets[0].caption == sets[1].caption


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_real_benchmark_samples_as_its_source_does(name: str) -> None:
    sampler = benchmark.load(ROOT / "prompts/benchmarks" / f"{name}.yaml").benchmark.sampler
    assert SAMPLERS[name] == (
        sampler.scheduler,
        sampler.steps,
        sampler.guidance,
        sampler.width,
        sampler.height,
        sampler.vae,
    )


def page_of(name: str) -> Benchmark:
    return benchmark.load(ROOT / "prompts/benchmarks" / f"{name}.yaml").benchmark


def test_naruto_is_compared_with_pictures_held_out_and_only_for_the_record_with_all() -> None:
    held, all_ = page_of("naruto-v1"), page_of("naruto-legacy")
    assert held.reference is not None
    assert all_.reference is not None
    assert (held.reference.part, all_.reference.part) == ("held-out", "all")
    assert all_.reference == held.reference.model_copy(update={"part": "all"})
    same = ("suites", "seeds", "sampler")
    assert [getattr(held, each) for each in same] == [getattr(all_, each) for each in same]
    by_column = {metric.column: metric for metric in held.metrics}
    words = {metric.column: metric for metric in all_.metrics}
    assert set(words) == {"kid", "fid", "clip-score", "aesthetic"}, "what the sources report"
    assert all(words[each] == by_column[each] for each in ("clip-score", "aesthetic"))
    assert words["kid"].features == by_column["kid-inception"].features


RANKS = {
    "animagine-v1": "clip-score",
    "anime-v1": "clip-score",
    "animeboys-v1": "clip-score",
    "naruto-legacy": "kid",
    "naruto-v1": "kid-lite0",
    "pocket-v1": "kid",
    "quality-v1": "clip-score",
}
"""The metric that ranks, where every metric has a value and may judge."""


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_network_that_ships_judges_beside_a_benchmarks_own(file: Path) -> None:
    page = page_of(file.stem)
    assert min((each.column for each in page.metrics), key=headline) == RANKS[file.stem]
    shipped = {
        each.column: each.use
        for each in page.metrics
        if isinstance(each.extractor(), Lite0 | Lite0Style)
        and each.use not in ("style-probe", "broken")  # these look through no other network
    }
    if file.stem == "naruto-legacy":
        assert shipped == {}, "it reproduces what the sources measured"
        return
    assert shipped == {f"{use}-lite0": use for use in shipped.values()}
    if page.reference is not None:
        assert {"kid-lite0", "precision-lite0", "recall-lite0", "style-lite0"} <= set(shipped)
    else:
        assert {"vendi-lite0", "within-prompt-lite0"} <= set(shipped)
        assert "artefacts" in {each.use for each in page.metrics}


def test_anime_boys_are_drawn_with_the_heavy_negative_and_its_weight() -> None:
    sampler = page_of("animeboys-v1").sampler
    assert sampler.prompt_style == "webui"
    assert sampler.negative == (
        "lowres, (bad:1.05), text, error, missing, extra, fewer, cropped, jpeg artifacts, "
        "worst quality, bad quality, watermark, bad aesthetic, unfinished, chromatic aberration, "
        "scan, scan artifacts, 1girl, breasts"
    )


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_only_prompts_that_say_so_have_weights(file: Path) -> None:
    judgement = benchmark.load(file)
    weighed = {
        prompt.id
        for prompt in judgement.prompts
        for text in (prompt.text, prompt.negative or "")
        if plain(text) != text.strip()
    }
    told = {prompt.id for prompt in judgement.prompts if "weights" in prompt.tags}
    assert weighed == told
    assert not weighed or judgement.benchmark.sampler.prompt_style == "webui"


def test_the_ablation_shows_each_prompt_at_every_level() -> None:
    suite = load_page(PromptSuite, ROOT / "prompts/suites/quality-ablation.yaml")
    by_id = {prompt.id: prompt for prompt in suite.prompts}
    full = page_of("animagine-v1").sampler.negative
    few = "worst quality, low quality, normal quality"
    levels = {
        "plain": ("", ""),
        "light": (WORDS, few),
        "heavy": (WORDS, full),
        "against": ("", few),
    }
    for number in range(1, 7):
        text = by_id[f"q{number:02d}a"].text
        for level, (words, negative) in levels.items():
            prompt = by_id[f"q{number:02d}-{level}"]
            assert prompt.text == ", ".join(each for each in (words, text) if each)
            assert prompt.negative == negative
            assert prompt.tags[0] == level
