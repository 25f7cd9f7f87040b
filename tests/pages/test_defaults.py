"""The benchmark of a recipe that names none."""

from __future__ import annotations

import pytest

from harness.pages import recipe
from harness.pages.defaults import IN_WORDS, default_benchmark, default_for_adapter


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pocket-ninja", "pocket-v1"),
        ("naruto-1024", "naruto-v1"),
        ("naruto-dreambooth-prodigy", "naruto-v1"),
        ("sdxl-base", "naruto-v1"),
        ("danbooru-1024", "anime-v1"),
        ("animagine-xl-2", "anime-v1"),
        ("animeboys-xl-released", "anime-v1"),
    ],
)
def test_a_recipe_is_judged_by_the_benchmark_of_its_base_and_pictures(
    name: str, expected: str
) -> None:
    assert default_benchmark(recipe.load(name)) == expected


@pytest.mark.parametrize(
    ("base", "expected"),
    [("pocket/sdxl", "pocket-v1"), ("stabilityai/stable-diffusion-xl-base-1.0", "anime-v1")],
)
def test_an_adapter_without_a_recipe_is_judged_by_its_base(base: str, expected: str) -> None:
    assert default_for_adapter(base) == expected


def test_the_help_names_every_benchmark_that_may_be_chosen() -> None:
    for name in ("pocket-v1", "naruto-v1", "anime-v1"):
        assert name in IN_WORDS
