"""The networks that judge: tagger, Inception, aesthetic classifier and CLIP."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import ResNetConfig, ResNetForImageClassification

from harness.extractors.clip import load_clip, register_local
from harness.pocket.draw import VOCABULARY
from tools.bake import cards
from tools.bake.base import load_vae
from tools.bake.drawings import SEED, Bake, as_tensor, words_of
from tools.bake.fit import Schedule
from tools.bake.spoil import spoil


def _classifier(labels: list[str], problem: str) -> ResNetForImageClassification:
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=32,
            hidden_sizes=[32, 64, 96, 128],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            num_labels=len(labels),
            problem_type=problem,
            id2label=dict(enumerate(labels)),
            label2id={name: i for i, name in enumerate(labels)},
        )
    )


def resized(images: Tensor) -> Tensor:
    """Return images at the classifiers' own 96 px, as their image processor makes them."""
    return F.interpolate(images, size=96, mode="bilinear", antialias=True)


def _save_classifier(model: ResNetForImageClassification, folder: Path) -> None:
    model.half().save_pretrained(folder)
    config = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "resample": 2,
        "size": {"height": 96, "width": 96},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _bake_tag_reader(bake: Bake, name: str, seed: int, steps: int) -> None:
    torch.manual_seed(seed)
    model = _classifier(list(VOCABULARY), "multi_label_classification")
    truth = torch.tensor([[tag in each.tags for tag in VOCABULARY] for each in bake.rows]).float()

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.integers(0, len(bake.rows), 32))
        images = bake.images(index) + 0.06 * torch.randn(32, 3, 64, 64) * float(rng.random())
        logits = model(resized(images)).logits
        return F.binary_cross_entropy_with_logits(logits, truth[index])

    bake.train(name, {"model": model}, loss_of, Schedule(steps, 2e-3, 100, ema=0.995))
    _save_classifier(model, bake.out / name)


def bake_tagger(bake: Bake) -> None:
    """Train the tagger, on drawings alone."""
    _bake_tag_reader(bake, "tagger", SEED + 2, 3500)


def bake_inception(bake: Bake) -> None:
    """Train the feature extractor: a tag reader of its own, whose last layer is what counts."""
    _bake_tag_reader(bake, "inception", SEED + 3, 1500)


def bake_aesthetic(bake: Bake) -> None:
    """Train clean against defective, both as drawn and as the VAE gives them back."""
    torch.manual_seed(SEED + 4)
    vae = load_vae(bake.out)
    model = _classifier(["lq", "hq"], "single_label_classification")

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.integers(0, len(bake.rows), 16))
        good = bake.images(index)
        spoiled = np.stack([np.asarray(spoil(bake.rows[i].face, rng)) for i in index])
        images = torch.cat([good, as_tensor(spoiled)])
        if rng.random() < 0.5:
            with torch.no_grad():
                latents = vae.encode(images).latent_dist.mean
                strength = torch.zeros(32, 1, 1, 1)
                strength[16:] = float(rng.uniform(0, 1)) * torch.rand(16, 1, 1, 1)
                latents = latents + strength * latents.std() * torch.randn_like(latents)
                images = vae.decode(latents).sample.clamp(-1, 1)
        logits = model(resized(images)).logits
        return F.cross_entropy(logits, torch.tensor([1] * 16 + [0] * 16), label_smoothing=0.02)

    bake.train("aesthetic", {"model": model}, loss_of, Schedule(1500, 2e-3, 100, ema=0.995))
    _save_classifier(model, bake.out / "aesthetic")


def bake_clip(bake: Bake) -> None:
    """Train a two-tower CLIP through open_clip's own registered configuration."""
    torch.manual_seed(SEED + 5)
    folder = bake.out / "clip"
    words = len(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))
    (folder / "pocket-clip.json").write_text(json.dumps(cards.clip_config(words), indent=2) + "\n")
    register_local(folder)
    model, tokenize = load_clip("pocket-clip", None, folder)
    centre = torch.tensor(OPENAI_DATASET_MEAN).view(3, 1, 1)
    spread = torch.tensor(OPENAI_DATASET_STD).view(3, 1, 1)

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.choice(len(bake.rows), 64, replace=False))
        texts = [words_of(bake.rows[i], rng) for i in index]
        images = (bake.images(index) / 2 + 0.5 - centre) / spread
        seen = F.normalize(model.encode_image(images), dim=-1)
        read = F.normalize(model.encode_text(tokenize(texts)), dim=-1)
        logits = model.logit_scale.exp().clamp(max=100) * seen @ read.T
        target = torch.arange(len(index))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    bake.train("clip", {"clip": model}, loss_of, Schedule(1200, 1.2e-3, 100, ema=0.99))
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
