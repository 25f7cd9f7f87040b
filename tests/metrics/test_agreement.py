"""The same pictures, the same network: torch-fidelity's numbers and ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from random_inception import write_random_inception
from torch_fidelity import calculate_metrics

from harness.extractors.inception import inception
from harness.extractors.specs import Inception
from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.fid import fid
from harness.metrics.kid import kid
from harness.metrics.prdc import precision, recall
from harness.metrics.specs.fidelity import Fid, Kid, Precision, Recall

COUNT = 24
OURS: dict[str, tuple[Any, Callable[..., Measurement], float]] = {
    "frechet_inception_distance": (Fid(use="fid"), fid, 2e-4),
    "kernel_inception_distance_mean": (Kid(use="kid"), kid, 1e-6),
    "precision": (Precision(use="precision", k=3), precision, 1e-6),
    "recall": (Recall(use="recall", k=3), recall, 1e-6),
}
"""With fewer pictures than features, torch-fidelity's eigenvalues lose digits of FID."""


def pictures(seed: int, contrast: float) -> list[Image.Image]:
    """Return smooth pictures in two sizes, neither of them the network's."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(COUNT):
        pixels = 128 + contrast * rng.normal(size=(6, 6, 3)) + 20 * rng.normal(size=3)
        small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        found.append(small.resize((96, 80) if number % 2 else (64, 64), Image.Resampling.BICUBIC))
    return found


def saved(images: list[Image.Image], folder: Path) -> str:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number:03d}.png")
    return str(folder)


@pytest.mark.slow
@torch.inference_mode()
def test_torch_fidelity_says_the_same_of_the_same_pictures(tmp_path: Path) -> None:
    weights = str(write_random_inception(tmp_path / "inception.pth"))
    own, reference = pictures(1, 60), pictures(2, 45)
    theirs = calculate_metrics(
        input1=saved(own, tmp_path / "own"), input2=saved(reference, tmp_path / "reference"),
        cuda=False, feature_extractor="inception-v3-compat", fid=True, kid=True, prc=True,
        kid_subsets=1, kid_subset_size=COUNT,
        prc_neighborhood=3, feature_extractor_weights_path=weights, batch_size=1, cache=False,
        verbose=False, save_cpu_ram=True,
    )  # fmt: skip
    network = inception(Inception(use="inception", weights=weights), "cpu")
    ids = [str(number) for number in range(COUNT)]
    sides = [
        FeatureSet(network.see(side, ids)["images"].astype(np.float64), ids, ids, [0] * COUNT)
        for side in (own, reference)
    ]
    evidence = Evidence(sides[0], {"reference": sides[1]})
    for name, (spec, measure, tolerance) in OURS.items():
        assert measure(spec, evidence).value == pytest.approx(theirs[name], rel=tolerance), name
    assert 0 < theirs["precision"] < 1, "a set that says nothing would prove nothing"
