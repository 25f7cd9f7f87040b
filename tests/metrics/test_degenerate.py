"""Sets with nothing in them to measure: every metric gives a finite value, or says why it cannot.

All pictures alike, one picture, two, features of nothing but zeros, one prompt, one seed: numpy
divides by zero there, and a NaN would reach a user as somebody else's words.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import plugins
from harness.interfaces import Array, Evidence, FeatureSet, Measurement, MetricSpec, Side
from harness.pipeline.stages.score import Judged, measure, sound

CLIP = {"use": "open-clip", "model": "pocket/clip"}
FEATURES: dict[str, dict[str, Any]] = {
    "cmmd": CLIP,
    "clip-score": CLIP,
    "clip-i": CLIP,
    "hpsv2": CLIP,
    "aesthetic": {"use": "label", "model": "pocket/aesthetic"},
    "tag-recall": {"use": "tagger", "model": "pocket/tagger"},
    "tag-likeness": {"use": "tagger", "model": "pocket/tagger"},
    "memorization": {"use": "thumbnail"},
    "extraction": {"use": "thumbnail"},
    "authenticity": {"use": "thumbnail"},
    "within-prompt": CLIP,
    "vendi": CLIP,
    "vendi-within": CLIP,
    "base-shift": CLIP,
    "leakage": CLIP,
}
"""What metrics are given whose features have no default."""
OTHERS: dict[str, dict[str, Any]] = {
    "aesthetic-head": {"features": {"use": "head", "encoder": CLIP, "head": "h.safetensors"}},
    "fid-ttur": {"least": 3},
    "fid-clean": {"least": 3},
}
WIDTH = 4
HELD_OUT = 60
"""Reference pictures; copies take 50 to be told from others."""


def spec_of(word: str) -> MetricSpec:
    options = OTHERS.get(word, {})
    if word in FEATURES:
        options = {"features": FEATURES[word]}
    found = plugins.specs("metrics")[word].model_validate({"use": word, **options})
    assert isinstance(found, MetricSpec)
    return found


def rows(kind: str, count: int, seed: int = 0) -> Array:
    """Return features of pictures of one kind."""
    rng = np.random.default_rng(seed)
    each = rng.normal(size=(count, WIDTH))
    return {
        "any": each,
        "alike": np.repeat(each[:1], count, axis=0),
        "zeros": np.zeros((count, WIDTH)),
        "two kinds": each[np.arange(count) % min(2, count)] if count else each,
        "all but one alike": np.concatenate([np.repeat(each[:1], max(count - 1, 0), 0), each[1:2]])[
            :count
        ],
        "on a line": each[:, :1] * np.ones(WIDTH),
        "all but alike": 1 + 1e-9 * each,
        "huge": 1e12 * each,
        "minute": 1e-200 * each,
        "whole": (each > 0).astype(np.float64),
    }[kind]


KINDS = (
    *("any", "alike", "zeros", "two kinds", "all but one alike", "on a line"),
    *("all but alike", "huge", "minute", "whole"),
)


def asked(how: str, count: int) -> tuple[list[str], list[int]]:
    """Return the prompt and the seed of each of so many pictures."""
    if how == "one prompt":
        return ["p0"] * count, list(range(count))
    if how == "one seed":
        return [f"p{at}" for at in range(count)], [7] * count
    if how == "all but one of one prompt":
        return ["p0"] * (count - 1) + ["p1"] * min(1, count), list(range(count))
    return [f"p{at // 2}" for at in range(count)], [at % 2 for at in range(count)]


HOW = ("one prompt", "one seed", "all but one of one prompt", "two seeds")


def set_of(images: Array, how: str) -> FeatureSet:
    ids, seeds = asked(how, len(images))
    return FeatureSet(images, ids, ids, seeds, texts=images[:, ::-1])


def pictures(images: Array) -> FeatureSet:
    """Return real pictures, which answer no prompt."""
    names = ["real"] * len(images)
    return FeatureSet(images, names, names, list(range(len(images))))


def judged(word: str, own: FeatureSet, others: Array) -> Judged:
    spec = spec_of(word)
    partner = FeatureSet(rows("any", len(own), 9), own.prompts, own.prompt_ids, own.seeds)
    real: dict[Side, FeatureSet] = {
        "reference": pictures(others),
        "originals": pictures(np.concatenate([rows("any", 40, 3), own.images])),
    }
    sides = {side: real.get(side, partner) for side in spec.reads}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if len(own):  # the plugin itself, for the stage is kinder
            plugins.implementation(spec)(spec, Evidence(own, sides))
        return Judged(spec, measure(spec, own, sides), own)


def is_sound(found: Judged) -> bool:
    """Return whether a score is a finite value in its interval, or none with the reason."""
    score, told = found.score(), found.measured
    list(found.prompts())
    assert all(math.isfinite(value) for *_, value in found.samples())
    if score.value is None:
        return score.reason is not None and score.low is None and score.high is None
    assert score.low is not None
    assert score.high is not None
    assert told.prompts is not None
    assert np.isfinite(told.prompts).all()
    slack = 1e-9 * max(1.0, abs(score.value))
    return score.low - slack <= score.value <= score.high + slack


WORDS = plugins.words("metrics")


def test_every_shipped_metric_is_looked_at() -> None:
    assert len(WORDS) > 25


@pytest.mark.parametrize("word", WORDS)
def test_a_set_with_nothing_to_measure_has_a_sound_value_or_a_reason(word: str) -> None:
    unsound = [
        (kind, how, count, len(reference))
        for kind in KINDS
        for how in HOW
        for count in (0, 1, 2, 3, 24)
        for reference in (rows(kind, HELD_OUT), rows("any", HELD_OUT, 1), rows(kind, 1))
        if not is_sound(judged(word, set_of(rows(kind, count), how), reference))
    ]
    assert unsound == []


@given(
    word=st.sampled_from(WORDS),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    reference=st.sampled_from(KINDS),
    how=st.sampled_from(HOW),
    count=st.integers(1, 30),
    held_out=st.integers(0, HELD_OUT),
)
@settings(max_examples=150, deadline=None)
def test_so_has_any_mixture_of_them(
    word: str, kinds: list[str], reference: str, how: str, count: int, held_out: int
) -> None:
    parts = [rows(kind, count, at) for at, kind in enumerate(kinds)]
    own = set_of(np.concatenate(parts), how)
    assert is_sound(judged(word, own, rows(reference, held_out, 5)))


def test_a_metric_of_somebody_else_that_returns_no_number_has_a_reason() -> None:
    """A plugin's value that is not finite never reaches the record, whose words are pydantic's."""
    own = set_of(rows("any", 8), "two seeds")
    spec = spec_of("aesthetic")
    for bad in (math.nan, math.inf):
        for told in (
            Measurement(bad, 0.0, 1.0, 8),
            Measurement(0.5, bad, 1.0, 8),
            Measurement(0.5, 0.0, 1.0, 8, prompts=np.array([0.1, bad])),
        ):
            found = Judged(spec, sound(told), own)
            assert is_sound(found)
            assert found.score().reason == "its value or its interval is not a finite number"
    fine = Measurement(0.5, 0.4, 0.6, 8, prompts=np.array([0.4, 0.6]))
    assert sound(fine) is fine
