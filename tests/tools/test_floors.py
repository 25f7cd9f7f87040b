"""The committed weights reach their floors: the pocket world is good enough to judge with."""

from __future__ import annotations

import json

import pytest

from harness.pocket import WEIGHTS
from tools.bake import cards, floors

pytestmark = pytest.mark.slow


def test_the_vae_gives_unseen_faces_back() -> None:
    assert floors.vae_psnr() >= 27.0


def test_the_tagger_reads_unseen_drawings() -> None:
    assert floors.tagger_accuracy() >= 0.97
    assert floors.tagger_recall() >= 0.97


def test_the_base_draws_what_tags_ask_for() -> None:
    follows = floors.base_follows()
    assert follows["hair"] >= 0.85
    assert follows["scene"] >= 0.85
    assert follows["all"] >= 0.70


def test_the_aesthetic_classifier_tells_clean_from_spoiled() -> None:
    assert floors.aesthetic_auc() >= 0.97


def test_clip_finds_the_right_caption_among_32() -> None:
    assert floors.clip_retrieval() >= 0.90


def test_committed_weights_are_what_their_digests_say_and_stay_small() -> None:

    written = json.loads((WEIGHTS / "digests.json").read_text())
    assert written == cards.digests(WEIGHTS)
    assert len(written) > 20
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) <= 25e6
