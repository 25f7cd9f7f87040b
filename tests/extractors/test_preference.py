"""Preference networks, as far as they can be had: tiny models in the real format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from harness.errors import MissingPrerequisite
from harness.extractors.clip import embeddings
from harness.extractors.preference import pick_score
from harness.extractors.specs import OpenClip, PickScore
from harness.interfaces import Evidence, FeatureSet, Network
from harness.metrics.preference import preference
from harness.metrics.specs import quality
from harness.pocket import WEIGHTS

TOKENIZER = WEIGHTS / "sdxl" / "tokenizer"
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 64, 3), dtype=np.uint8))
    for seed in range(3)
]
TEXTS = ["1girl, solo", "a cat", "forest, " * 60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP in the transformers format with its processor, as PickScore's repository has it."""
    folder = tmp_path_factory.mktemp("pick")
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    text = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    model.logit_scale.data.fill_(np.log(98.5))
    model.save_pretrained(folder)
    sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPProcessor(CLIPImageProcessor(**sizes), tokenizer).save_pretrained(folder)
    return folder


@torch.no_grad()
def own_of(network: Network) -> FeatureSet:
    assert network.read is not None
    rows = {**network.see(PICTURES, TEXTS), **network.read(TEXTS)}
    found = {name: values.astype(np.float64) for name, values in rows.items()}
    return FeatureSet(
        found.pop("images"), TEXTS, ["a", "b", "c"], [0, 0, 0], found.pop("texts"), found
    )


@torch.no_grad()
def test_pick_score_is_the_logit_of_the_model_itself(folder: Path) -> None:
    own = own_of(pick_score(PickScore(model=str(folder), processor=str(folder)), "cpu"))
    measured = preference(quality.PickScore(use="pickscore"), Evidence(own))
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPProcessor.from_pretrained(folder)
    words = {"padding": True, "truncation": True, "max_length": 77}
    given = processor(text=TEXTS, images=PICTURES, return_tensors="pt", **words)
    expected = model(**given).logits_per_image.diagonal().numpy()
    assert measured.samples == pytest.approx(expected, abs=1e-4)
    assert measured.notes == ("1 of 3 prompts are cut",)


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        (PickScore(), "hf download yuvalkirstain/PickScore_v1"),
        (PickScore(model="/no/pick"), "correct the path /no/pick"),
    ],
)
def test_an_absent_model_comes_with_the_command_that_fetches_it(
    spec: PickScore, command: str
) -> None:
    with pytest.raises(MissingPrerequisite, match=command):
        pick_score(spec, "cpu")


def test_an_absent_processor_is_named_itself(folder: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="hf download laion/CLIP-ViT-H-14"):
        pick_score(PickScore(model=str(folder)), "cpu")


@torch.no_grad()
def test_hpsv2_sees_whole_pictures_padded_and_is_a_hundred_cosines(tmp_path: Path) -> None:
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 8,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 2,
        },
    }
    (tmp_path / "tiny-hps.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-hps.json")
    torch.manual_seed(0)
    model = open_clip.CLIP(**config).eval()
    torch.save({"state_dict": model.state_dict()}, tmp_path / "HPS_v2_compressed.pt")
    encoder = OpenClip(model="tiny-hps", pretrained=str(tmp_path / "HPS_v2_compressed.pt"))
    spec = quality.Hpsv2(use="hpsv2", features=encoder)
    extractor = spec.extractor()
    assert isinstance(extractor, OpenClip)
    measured = preference(spec, Evidence(own_of(embeddings(extractor, "cpu"))))
    look = open_clip.image_transform(32, is_train=False, resize_mode="longest")
    seen = model.encode_image(torch.stack([look(each) for each in PICTURES]), normalize=True)
    read = model.encode_text(open_clip.tokenize(TEXTS), normalize=True)
    assert measured.samples == pytest.approx(100 * (seen * read).sum(1).numpy(), abs=1e-4)
