"""The CLIP score against open_clip itself, on a tiny model with random weights."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from harness.errors import MissingPrerequisite
from harness.extractors.clip import embeddings
from harness.extractors.specs import OpenClip
from harness.interfaces import Array, Evidence, FeatureSet, Measurement
from harness.metrics.clip_score import clip_score
from harness.metrics.specs.prompt import ClipScore

NAME = "tiny-test-clip"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 2,
    },
}
TEXTS = ["a cat", "a dog in the rain", "a cat", "", "1girl, solo", "ein Schloß"]


@pytest.fixture(scope="module")
def model() -> open_clip.CLIP:
    torch.manual_seed(0)
    return open_clip.CLIP(**CONFIG).eval()


@pytest.fixture(scope="module")
def spec(model: open_clip.CLIP, tmp_path_factory: pytest.TempPathFactory) -> OpenClip:
    folder = tmp_path_factory.mktemp("clip")
    (folder / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / f"{NAME}.json")
    torch.save(model.state_dict(), folder / "weights.pt")
    return OpenClip(model=NAME, pretrained=str(folder / "weights.pt"))


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(32, 32), (48, 40), (64, 64), (40, 48), (100, 30), (32, 33)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@torch.no_grad()
def by_open_clip(model: open_clip.CLIP, images: list[Image.Image]) -> Array:
    """Return 100 × cosine of each image and its text, one pair at a time."""
    look = open_clip.image_transform(32, is_train=False)
    scores = []
    for image, text in zip(images, TEXTS, strict=True):
        seen = model.encode_image(look(image)[None], normalize=True)
        read = model.encode_text(open_clip.tokenize([text]), normalize=True)
        scores.append(100 * float((seen.double() @ read.double().T).item()))
    return np.array(scores)


@torch.no_grad()
def looked(spec: OpenClip, images: list[Image.Image], batch: int = 16) -> dict[str, Array]:
    """Return what the extractor says of the images and of TEXTS, one row each."""
    network = embeddings(spec, "cpu")
    assert network.read is not None
    parts = [images[at : at + batch] for at in range(0, len(images), batch)]
    seen = np.concatenate([network.see(part, [])["images"] for part in parts])
    return {"images": seen, **network.read(TEXTS)}


def scored(found: dict[str, Array], prompt_ids: list[str]) -> Measurement:
    own = FeatureSet(
        found["images"].astype(np.float64),
        TEXTS,
        prompt_ids,
        [0] * len(TEXTS),
        found["texts"].astype(np.float64),
    )
    features = OpenClip(model=NAME)
    return clip_score(ClipScore(use="clip-score", features=features), Evidence(own))


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_open_clip_says_the_same_of_each_image_and_of_all(
    spec: OpenClip, model: open_clip.CLIP, images: list[Image.Image], batch: int
) -> None:
    found = looked(spec, images, batch)
    measured = scored(found, list("abacde"))
    expected = by_open_clip(model, images)
    assert measured.samples == pytest.approx(expected, abs=1e-5, rel=1e-5)
    assert measured.value == pytest.approx(expected.mean(), abs=1e-5, rel=1e-5)
    assert measured.n == 6


def test_embeddings_are_unit_vectors_one_a_row(spec: OpenClip, images: list[Image.Image]) -> None:
    found = looked(spec, images)
    for name in ("images", "texts"):
        assert found[name].shape == (6, 16)
        assert np.linalg.norm(found[name], axis=1) == pytest.approx(np.ones(6), abs=1e-6)
    assert (found["texts"][0] == found["texts"][2]).all()
    assert not np.allclose(found["texts"][0], found["texts"][1])


@pytest.mark.parametrize(
    ("words", "cut"), [("a " * 75, 0), ("a " * 76, 1), (", ".join(["blue hair"] * 60), 1)]
)
def test_a_prompt_that_the_encoder_sees_only_the_start_of_is_told(
    spec: OpenClip, words: str, cut: int
) -> None:
    network = embeddings(spec, "cpu")
    assert network.read is not None
    with torch.no_grad():
        assert network.read([words])["cut"].tolist() == [[cut]]


def test_a_measurement_says_how_many_prompts_were_cut() -> None:
    own = FeatureSet(
        np.eye(3),
        ["long", "long", "short"],
        ["a", "a", "b"],
        [1, 2, 1],
        np.eye(3),
        {"cut": np.array([[1.0], [1.0], [0.0]])},
    )
    measure = ClipScore(use="clip-score", features=OpenClip(model=NAME))
    assert clip_score(measure, Evidence(own)).notes == ("1 of 2 prompts are cut",)


def test_the_papers_form_is_never_below_zero() -> None:
    paper = ClipScore(use="clip-score", features=OpenClip(model=NAME), form="paper")
    measured = clip_score(paper, Evidence(rows([[5.0, 0.0], [-1.0, 0.0]])))
    assert measured.samples == pytest.approx([2.5, 0.0])


def test_a_model_that_does_not_exist_is_a_missing_prerequisite() -> None:
    with pytest.raises(MissingPrerequisite, match="no-such-model"):
        embeddings(OpenClip(model="no-such-model"), "cpu")


def test_weights_that_do_not_exist_are_a_missing_prerequisite(spec: OpenClip) -> None:
    with pytest.raises(MissingPrerequisite, match=NAME):
        embeddings(OpenClip(model=NAME, pretrained="no-such-tag"), "cpu")


def rows(texts: list[list[float]]) -> FeatureSet:
    images = np.array([[1.0, 0.0]] * len(texts))
    ids = [f"p{row}" for row in range(len(texts))]
    return FeatureSet(images, ids, ids, [0] * len(texts), np.array(texts))


def test_it_is_a_hundred_times_the_cosine_whatever_the_lengths() -> None:
    measure = ClipScore(use="clip-score", features=OpenClip(model=NAME))
    measured = clip_score(
        measure, Evidence(rows([[5.0, 0.0], [0.0, 2.0], [-0.1, 0.0], [3.0, 4.0]]))
    )
    assert measured.samples == pytest.approx([100.0, 0.0, -100.0, 60.0])
    assert measured.value == pytest.approx(15.0)
    assert measured.low is not None
    assert measured.high is not None
    assert measured.low < 15 < measured.high
