"""Tag recall by hand and on the pocket's drawings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.extractors.specs import Tagger, WdTagger
from harness.extractors.tagger import tagger
from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.intervals import mean_of
from harness.metrics.specs.prompt import TagRecall
from harness.metrics.tag_recall import tag_recall
from tools.bake import floors

POCKET = Tagger(use="tagger", model="pocket/tagger")
SPEC = TagRecall(use="tag-recall", features=POCKET)
IDS = ["a", "a", "b", "b", "c"]


def rows(images: list[list[float]], texts: list[list[float]]) -> FeatureSet:
    ids = IDS[: len(images)]
    return FeatureSet(np.array(images), ids, ids, [1, 2, 1, 2, 1], np.array(texts))


SEEN = rows(
    [[0.9, 0.4, 0.1], [0.2, 0.9, 0.9], [0.6, 0.6, 0.9], [0.1, 0.0, 0.9], [0.9, 0.9, 0.9]],
    [[1, 1, 0], [1, 1, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0]],
)


def test_it_is_the_share_of_asked_tags_that_are_seen() -> None:
    measured = tag_recall(SPEC, Evidence(SEEN))
    assert measured.samples is not None
    assert measured.samples[:4].tolist() == [0.5, 0.5, 1.0, 0.5]
    assert np.isnan(measured.samples[4])
    assert measured.value == pytest.approx(2.5 / 4)
    assert measured.n == 4


def test_the_interval_is_that_of_the_prompts_that_ask_for_something() -> None:
    measured = tag_recall(SPEC, Evidence(SEEN))
    alone = mean_of(np.array([0.5, 0.5, 1.0, 0.5]), SEEN.take(np.arange(4)))
    assert (measured.low, measured.high) == (alone.low, alone.high)
    assert measured.prompt_ids == ("a", "b")
    assert measured.prompts is not None
    assert len(measured.prompts) == 2
    assert measured.notes == ("1 of 3 prompts ask for no known tag",)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SPEC, 0.5),
        (TagRecall(use="tag-recall", features=WdTagger(use="wd-tagger", model="any")), 1.0),
        (TagRecall(use="tag-recall", features=POCKET, threshold=0.95), 0.0),
    ],
    ids=["above 0.5", "above WD's 0.35", "above 0.95"],
)
def test_a_tag_is_seen_above_the_threshold(spec: TagRecall, expected: float) -> None:
    measured = tag_recall(spec, Evidence(SEEN))
    assert measured.samples is not None
    assert measured.samples[0] == expected


def test_prompts_without_a_known_tag_give_a_reason_and_no_value() -> None:
    measured = tag_recall(SPEC, Evidence(rows([[0.9], [0.9], [0.9]], [[0], [0], [0]])))
    assert measured.value is None
    assert measured.reason == "no prompt asks for a tag that the tagger knows"


@torch.no_grad()
def drawings(order: Array) -> FeatureSet:
    """Return what the pocket tagger sees in unseen drawings and reads in captions of this order."""
    unseen = floors.unseen(40, 80_000)
    network = tagger(POCKET, "cpu")
    assert network.read is not None
    captions = [", ".join(unseen[int(at)].tags) for at in order]
    ids = [each.id for each in unseen]
    images = network.see([each.image() for each in unseen], captions)["images"]
    texts = network.read(captions)["texts"]
    return FeatureSet(images.astype(float), captions, ids, [0] * 40, texts.astype(float))


def test_drawings_show_their_own_tags_and_not_each_others() -> None:
    own = tag_recall(SPEC, Evidence(drawings(np.arange(40)))).value
    others = tag_recall(SPEC, Evidence(drawings(np.roll(np.arange(40), 1)))).value
    assert own is not None
    assert others is not None
    assert own > 0.95
    assert others < 0.7
