"""Classifiers of the transformers format, with and without a pooler of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from harness.extractors.classifier import load_classifier, pooled
from harness.extractors.specs import Classifier
from harness.pocket.world import row

FACES = [row("ninja", number).image(96) for number in range(3)]
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 56,
    "patch_size": 14,
    "num_labels": 5,
}
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "num_labels": 5}


@torch.inference_mode()
@pytest.mark.parametrize(
    "model",
    [
        lambda: ViTForImageClassification(ViTConfig(**SMALL)),
        lambda: BeitForImageClassification(BeitConfig(**SMALL)),
        lambda: ResNetForImageClassification(ResNetConfig(**RESNET, layer_type="basic")),
    ],
    ids=["vit", "beit", "resnet"],
)
def test_its_labels_follow_from_the_vector_by_the_last_layer_alone(
    model: type[PreTrainedModel], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model().save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 56, "width": 56}).save_pretrained(tmp_path)
    name = str(tmp_path)
    rows = pooled(Classifier(use="classifier", model=name), "cpu").see(FACES, [""] * 3)["images"]
    assert rows.shape == (3, 16)
    loaded, look = load_classifier(name, "cpu")
    last = [each for each in loaded.modules() if isinstance(each, torch.nn.Linear)][-1]
    expected = loaded(look(FACES)).logits.numpy()
    np.testing.assert_allclose(last(torch.from_numpy(rows)).numpy(), expected, atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-5
