"""Captions as the recipes that are shipped build them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.curation.captions import PIECES, keep_important, write_caption
from harness.interfaces import Picture
from harness.pages import recipe
from harness.pages.data import Caption


def picture(text: str = "", tags: tuple[str, ...] = (), **facts: Any) -> Picture:
    return Picture(id="1", open=lambda: None, text=text, tags=tags, facts=facts or None)


def rules(**page: Any) -> Caption:
    return Caption.model_validate(page, strict=False)


def shipped(name: str) -> Caption:
    data = recipe.load(name).data
    assert data is not None
    return data.caption


def scale_words(facts: dict[str, Any], page: Caption) -> list[str]:
    """Return the pieces that a row's facts alone earn it."""
    row = picture(**facts)
    scales = [piece for piece in PIECES if piece.name not in ("prefix", "tags", "caption")]
    return [words for piece in scales if (words := piece.words(row, page, 0))]


ANIME_BOYS, DANBOORU = shipped("animeboys-xl"), shipped("danbooru-1024")


@pytest.mark.parametrize(
    ("score", "word"),
    [
        (1000, "best"),
        (150, "best"),
        (149.999, "amazing"),
        (100, "amazing"),
        (99.999, "great"),
        (75, "great"),
        (74.999, "normal"),
        (0, "normal"),
        (-0.001, "bad"),
        (-4.999, "bad"),
        (-5, "worst"),
        (-1000, "worst"),
    ],
)
def test_a_score_earns_the_quality_word_of_its_range(score: float, word: str) -> None:
    assert scale_words({"score": score}, ANIME_BOYS) == [f"{word} quality"]


@pytest.mark.parametrize(
    ("aesthetic", "word"),
    [
        (6.675, "best"),
        (6.674, "great"),
        (6.0, "great"),
        (5.999, "normal"),
        (5.0, "normal"),
        (4.999, "bad"),
        (0.0, "bad"),
    ],
)
def test_an_aesthetic_score_earns_the_word_of_its_range(aesthetic: float, word: str) -> None:
    assert scale_words({"aesthetic": aesthetic}, ANIME_BOYS) == [f"{word} aesthetic"]


@pytest.mark.parametrize(
    ("rating", "words"),
    [
        ("general", []),
        ("sensitive", ["slightly nsfw"]),
        ("questionable", ["fairly nsfw"]),
        ("explicit", ["very nsfw"]),
        ("unheard of", []),
        (None, []),
    ],
)
def test_a_rating_earns_its_words_or_none(rating: str | None, words: list[str]) -> None:
    assert scale_words({"rating": rating}, ANIME_BOYS) == words


def test_a_year_is_named_where_it_is_asked_for_and_known() -> None:
    assert scale_words({"year": 2023}, ANIME_BOYS) == ["year 2023"]
    assert scale_words({"year": 2023}, rules()) == []
    assert scale_words({"year": None}, ANIME_BOYS) == []


def test_a_picture_of_which_nothing_is_known_earns_no_words() -> None:
    assert write_caption(picture(tags=("solo",)), ANIME_BOYS) == "solo"


def test_scale_words_come_first_in_the_order_of_the_facts() -> None:
    known = picture(
        tags=("1boy", "blue_hair"), score=200, aesthetic=6.2, rating="explicit", year=2019
    )
    assert write_caption(known, ANIME_BOYS) == (
        "best quality, great aesthetic, very nsfw, year 2019, 1boy, blue hair"
    )


IMPORTANT = {
    "1girl",
    "1boy",
    "solo",
    "looking_at_viewer",
    "smile",
    "long_hair",
    "short_hair",
    "school_uniform",
    "twintails",
    "blue_eyes",
    "brown_hair",
    "blonde_hair",
    "upper_body",
    "full_body",
    "outdoors",
    "indoors",
    "night",
    "day",
}


def prompt_of_the_plan(tags: str, caption: str | None) -> str:
    """Return the prompt as the code of the anime LoRA plan builds it."""
    selected = [tag.replace("_", " ") for tag in tags.split(" ") if tag in IMPORTANT]
    prompt = "masterpiece, best quality"
    if selected:
        prompt += ", " + ", ".join(selected)
    if caption:
        prompt += ", " + caption
    return prompt


def test_a_quality_prefix_the_tags_that_matter_and_the_sentence_make_one_prompt() -> None:
    row = picture(
        text="A girl walks home.",
        tags=("1girl", "commentary_request", "long_hair", "highres", "school_uniform"),
    )
    assert write_caption(row, DANBOORU) == (
        "masterpiece, best quality, 1girl, long hair, school uniform, A girl walks home."
    )


@given(
    tags=st.lists(st.sampled_from([*sorted(IMPORTANT), "highres", "red_eyes", "dayo"])),
    caption=st.text(max_size=20),
)
def test_every_prompt_is_the_one_that_the_plan_builds(tags: list[str], caption: str) -> None:
    row = picture(text=caption, tags=tuple(tags))
    assert write_caption(row, DANBOORU) == prompt_of_the_plan(" ".join(tags), caption)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("caption", "style, a cat"),
        ("tags", "style, cat, red eyes"),
        ("none", "style"),
        ("tags+caption", "style, cat, red eyes, a cat"),
    ],
)
def test_a_recipe_chooses_which_words_are_used(words: str, expected: str) -> None:
    own = picture(text="a cat", tags=("cat", "red_eyes"))
    assert write_caption(own, rules(words=words, prefix="style")) == expected


def test_the_sentence_alone_is_left_as_it_is() -> None:
    own = picture(text="a cat, sitting_there , ", tags=("cat",))
    assert write_caption(own, Caption()) == "a cat, sitting_there , "


def test_parts_that_are_empty_leave_no_commas() -> None:
    assert write_caption(picture(), rules(words="tags+caption")) == ""
    assert write_caption(picture(tags=("cat",)), rules(words="tags+caption")) == "cat"


def test_important_tags_keep_the_order_of_the_picture() -> None:
    assert keep_important(("b_b", "a", "c"), ("c", "b b")) == ["b b", "c"]


def test_without_a_list_of_important_tags_all_are_kept_and_with_an_empty_one_none() -> None:
    assert keep_important(("b_b", "a"), None) == ["b b", "a"]
    assert keep_important(("b_b", "a"), ()) == []
