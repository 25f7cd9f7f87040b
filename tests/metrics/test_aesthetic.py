"""Scores of single images: what they are a mean of, and the damage that they must notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.extractors.classifier import probability
from harness.extractors.clip import embeddings
from harness.extractors.specs import AestheticModel, Head, OpenClip
from harness.interfaces import Evidence, FeatureSet, Measurement, Network, StageContext
from harness.metrics.aesthetic import aesthetic
from harness.metrics.clip_score import clip_score
from harness.metrics.specs.prompt import ClipScore
from harness.metrics.specs.quality import Aesthetic, AestheticHead
from harness.pages.stages import TreatSpec
from harness.pipeline.stages.files import Entry, open_picture, read_index, save_png, write_index
from harness.pipeline.stages.treat import treat
from tools.bake.floors import unseen

LABEL, CLIP = AestheticModel(model="pocket/aesthetic"), OpenClip(model="pocket/clip")
AESTHETIC = Aesthetic(use="aesthetic", features=LABEL)
CLIP_SCORE = ClipScore(use="clip-score", features=CLIP)


def test_a_head_is_averaged_over_images() -> None:
    scores = np.array([[5.0], [7.0], [6.0], [2.0]])
    own = FeatureSet(scores, list("aabb"), list("aabb"), [0, 1, 0, 1])
    spec = AestheticHead(
        use="aesthetic-head", features=Head(use="head", encoder=CLIP, head="h.pth")
    )
    measured = aesthetic(spec, Evidence(own))
    assert measured.value == 5
    assert measured.samples is not None
    assert measured.samples.tolist() == [5, 7, 6, 2]


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 32 clean drawings with their tags, as the stages hand pictures on."""
    folder, entries = tmp_path_factory.mktemp("drawings"), []
    for number, each in enumerate(unseen(32, 60_000)):
        file = f"images/{number:06d}.png"
        save_png(each.image(), folder / file)
        entries.append(Entry(each.id, 0, ", ".join(each.tags), file))
    write_index(folder, entries)
    return folder


@torch.no_grad()
def seen(folder: Path, network: Network) -> Evidence:
    entries = read_index(folder)
    texts, ids = [entry.text for entry in entries], [entry.id for entry in entries]
    pictures = [open_picture(folder / str(entry.file)) for entry in entries]
    images = network.see(pictures, texts)["images"].astype(float)
    read = network.read(texts)["texts"].astype(float) if network.read else None
    return Evidence(FeatureSet(images, texts, ids, [0] * len(ids), read))


def treated(drawings: Path, folder: Path, treatment: str) -> Path:
    spec = TreatSpec.model_validate({"treatment": treatment})
    treat(spec, StageContext(folder, {"images": drawings}))
    return folder


def below(one: Measurement, other: Measurement) -> bool:
    assert one.high is not None
    assert other.low is not None
    return one.high < other.low


@pytest.mark.parametrize("damage", Aesthetic.must_detect)
def test_the_pockets_classifier_feels_what_its_spec_says(
    drawings: Path, tmp_path: Path, damage: str
) -> None:
    network = probability(LABEL, "cpu")
    spoiled = aesthetic(AESTHETIC, seen(treated(drawings, tmp_path, damage), network))
    assert below(spoiled, aesthetic(AESTHETIC, seen(drawings, network)))


@pytest.mark.parametrize("damage", ClipScore.must_detect)
def test_the_clip_score_feels_anothers_caption(drawings: Path, tmp_path: Path, damage: str) -> None:
    network = embeddings(CLIP, "cpu")
    spoiled = clip_score(CLIP_SCORE, seen(treated(drawings, tmp_path, damage), network))
    assert below(spoiled, clip_score(CLIP_SCORE, seen(drawings, network)))
