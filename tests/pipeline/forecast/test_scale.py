"""A plan on many GPUs: what divides, what does not, and the bottleneck."""

from __future__ import annotations

import pytest
from running import Command

from harness.errors import UsageError
from harness.pages import recipe as recipes
from harness.pipeline.forecast.costs import cost_of
from harness.pipeline.forecast.gpus import GB, gpu_named
from harness.pipeline.forecast.scale import (
    DECODE,
    HASH,
    RAW,
    RESIZE,
    SOURCE,
    WRITE_PNG,
    Scale,
    StageHours,
    scale,
    scales_of,
    table,
)
from harness.pipeline.request import requested

MILLIONS = 5_000_000
MEGA = 1024**2 / 1e6


def asked(cards: int, name: str = "danbooru-1024", pictures: int | None = MILLIONS) -> Scale:
    recipe = recipes.load(name)
    steps = requested(recipe).plan().steps
    return scale(recipe, steps, cards, pictures, gpu_named("a100"))


def stage(found: Scale, name: str) -> StageHours:
    return next(each for each in found.stages if each.stage == name)


def test_bytes_are_those_of_so_many_pictures_whatever_the_cards() -> None:
    one, many = asked(1), asked(64)
    assert one.bytes == many.bytes
    assert one.bytes.raw == pytest.approx(MILLIONS * 1024**2 * SOURCE * RAW)
    assert one.bytes.pictures == pytest.approx(MILLIONS * 1024**2 * 1.6)
    # Two views, four channels, an eighth a side, mean and spread in two bytes each.
    assert one.bytes.latents == pytest.approx(MILLIONS * 2 * 4 * 128**2 * 2 * 2)


def test_one_process_collects_and_more_cards_do_not_help() -> None:
    each = (DECODE + RESIZE) * SOURCE * MEGA + WRITE_PNG * MEGA + 1.6 * 1024**2 * HASH
    for cards in (1, 8, 64):
        found = stage(asked(cards), "data")
        assert found.cards == 1
        assert found.decode == pytest.approx(MILLIONS * each / 3600)


def test_class_images_count_as_drawn_at_their_own_size_beside_the_sample() -> None:
    page = recipes.load("naruto-dreambooth-prodigy")
    assert page.train is not None
    steps = requested(page).plan().steps
    alone = [step for step in steps if step.name != "class"]
    both, sample = (
        stage(scale(page, each, 1, 998, gpu_named("a100")), "sample").gpu for each in (steps, alone)
    )
    more = next(step for step in steps if step.name == "class")
    assert both - sample == pytest.approx(cost_of(more, page, {}, gpu_named("a100")).seconds / 3600)
    assert both > sample


def test_latents_divide_among_the_cards() -> None:
    one, many = stage(asked(1), "latents"), stage(asked(8), "latents")
    assert many.gpu == pytest.approx(one.gpu / 8)
    assert many.decode == pytest.approx(one.decode / 8)
    assert many.disk == pytest.approx(one.disk)


def test_training_uses_no_more_cards_than_a_step_has_samples() -> None:
    found = stage(asked(64), "train")
    assert found.cards == 8
    assert found.gpu == pytest.approx(stage(asked(1), "train").gpu / 8)


def test_what_takes_longest_is_named_with_what_it_waits_for() -> None:
    assert asked(64).bottleneck.stage == "data"
    assert asked(64).bottleneck.slowest_use == "decode"
    slow = StageHours("latents", 1, gpu=3, decode=2, disk=4)
    assert (slow.hours, slow.slowest_use) == (5, "disk")


def test_a_set_whose_size_is_not_known_asks_for_it() -> None:
    with pytest.raises(UsageError, match="how many pictures animeboys-xl has is not known"):
        asked(1, "animeboys-xl", None)
    assert asked(1, pictures=None).pictures == 1_430_000, "its page says about how many"
    known = asked(1, "pocket-ninja", None)
    assert known.pictures == 1221


@pytest.mark.parametrize("words", ["8,x", "", "1;8"])
def test_numbers_of_cards_are_numbers(words: str) -> None:
    with pytest.raises(UsageError, match="are no numbers"):
        scales_of(words)
    with pytest.raises(UsageError, match="no number of GPUs"):
        asked(0)


def test_the_table_has_a_column_a_number_of_cards_and_says_that_it_is_a_forecast() -> None:
    lines = list(table([asked(cards) for cards in (1, 8, 64)]))
    assert "5,000,000 pictures" in lines[0]
    assert lines[0].count(" GB ") == 4
    assert [line.split()[0] for line in lines[1:]] == [
        "hours",
        "data",
        "texts",
        "latents",
        "train",
        "sample",
        "together",
        "slowest",
        "(a",
    ]
    assert all(len(line.split()) == 4 for line in lines[2:7])
    assert "estimated" in lines[-1]
    assert "assumed" in lines[-1]


@pytest.mark.slow
def test_the_plan_shows_it_and_gives_it_as_json(command: Command) -> None:
    words = ("plan", "danbooru-1024", "--nodes", "1,8,64", "--pictures", f"{MILLIONS}")
    found = command(*words, "--json").json["forecast"]["scale"]
    assert [each["cards"] for each in found] == [1, 8, 64]
    assert found[2]["bottleneck"] == {"stage": "data", "use": "decode"}
    assert found[0]["gigabytes"]["latents"] == pytest.approx(MILLIONS * 2 * 2**18 / GB, rel=1e-3)
    assert "64 × a100" in command(*words).out
    assert "scale" not in command("plan", "danbooru-1024", "--json").json["forecast"]
