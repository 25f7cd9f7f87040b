"""The same pictures, the same network: the numbers of torch-fidelity and torchmetrics, and ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from random_inception import write_random_inception
from torch_fidelity import calculate_metrics
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.kid import KernelInceptionDistance

from harness.extractors.inception import inception
from harness.extractors.specs import Inception
from harness.interfaces import Evidence, FeatureSet, Measurement
from harness.metrics.fid import fid
from harness.metrics.kid import kid
from harness.metrics.prdc import precision, recall
from harness.metrics.specs.fidelity import Fid, Kid, Precision, Recall

COUNT = 24
CUBED = 1e-5
"""Share of KID by which single-precision features may move it: their last digit, to the third."""
OURS: dict[str, tuple[Any, Callable[..., Measurement], float]] = {
    "frechet_inception_distance": (Fid(use="fid"), fid, 2e-4),
    "kernel_inception_distance_mean": (Kid(use="kid"), kid, CUBED),
    "precision": (Precision(use="precision", k=3), precision, 1e-6),
    "recall": (Recall(use="recall", k=3), recall, 1e-6),
}
"""With fewer pictures than features, torch-fidelity's eigenvalues lose digits of FID."""


def pictures(seed: int, contrast: float, count: int = COUNT) -> list[Image.Image]:
    """Return smooth pictures in two sizes, neither of them the network's."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        pixels = 128 + contrast * rng.normal(size=(6, 6, 3)) + 20 * rng.normal(size=3)
        small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        found.append(small.resize((96, 80) if number % 2 else (64, 64), Image.Resampling.BICUBIC))
    return found


def saved(images: list[Image.Image], folder: Path) -> str:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"{number:03d}.png")
    return str(folder)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_random_inception(tmp_path_factory.mktemp("weights") / "inception.pth"))


def seen(weights: str, layer: str, *sides: list[Image.Image]) -> Evidence:
    """Return what our extractor sees of the images and of the reference."""
    network = inception(Inception(use="inception", weights=weights, layer=layer), "cpu")  # type: ignore[arg-type]
    sets = []
    for side in sides:
        ids = [str(number) for number in range(len(side))]
        with torch.inference_mode():
            rows = network.see(side, ids)["images"].astype(np.float64)
        sets.append(FeatureSet(rows, ids, ids, [0] * len(side)))
    return Evidence(sets[0], {"reference": sets[1]})


@dataclass(frozen=True)
class Looked:
    """Two sets of pictures, and what our extractor sees of them."""

    own: list[Image.Image]
    reference: list[Image.Image]
    evidence: Evidence


@pytest.fixture(scope="module")
def few(weights: str) -> Looked:
    own, reference = pictures(1, 60), pictures(2, 45)
    return Looked(own, reference, seen(weights, "2048", own, reference))


@pytest.fixture(scope="module")
def many(weights: str) -> Looked:
    """More pictures than the 64 features of a layer near the network's beginning."""
    own, reference = pictures(3, 60, 66), pictures(4, 45, 68)
    return Looked(own, reference, seen(weights, "64", own, reference))


@pytest.mark.slow
@torch.inference_mode()
def test_torch_fidelity_says_the_same_of_the_same_pictures(
    weights: str, few: Looked, tmp_path: Path
) -> None:
    theirs = calculate_metrics(
        input1=saved(few.own, tmp_path / "own"),
        input2=saved(few.reference, tmp_path / "reference"),
        cuda=False,
        feature_extractor="inception-v3-compat",
        fid=True,
        kid=True,
        prc=True,
        kid_subsets=1,
        kid_subset_size=COUNT,
        prc_neighborhood=3,
        feature_extractor_weights_path=weights,
        batch_size=1,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
    )
    for name, (spec, measure, tolerance) in OURS.items():
        assert measure(spec, few.evidence).value == pytest.approx(theirs[name], rel=tolerance), name
    assert 0 < theirs["precision"] < 1, "a set that says nothing would prove nothing"


@pytest.mark.slow
@torch.inference_mode()
def test_with_more_pictures_than_features_torch_fidelity_agrees_to_a_millionth(
    weights: str, many: Looked, tmp_path: Path
) -> None:
    theirs = calculate_metrics(
        input1=saved(many.own, tmp_path / "own"),
        input2=saved(many.reference, tmp_path / "reference"),
        cuda=False,
        feature_extractor="inception-v3-compat",
        feature_layer_fid="64",
        fid=True,
        feature_extractor_weights_path=weights,
        batch_size=1,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
    )
    found = fid(Fid(use="fid"), many.evidence).value
    assert found == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def shown(metric: Any, both: Looked) -> Any:
    """Show a metric of torchmetrics both sets, one picture at a time; return what it says."""
    metric.set_dtype(torch.float64)
    for side, real in ((both.own, False), (both.reference, True)):
        for image in side:
            pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None]
            metric.update(pixels, real=real)
    return metric.compute()


@pytest.mark.slow
@torch.inference_mode()
def test_torchmetrics_fid_says_the_same_of_the_same_pictures(weights: str, many: Looked) -> None:
    theirs = FrechetInceptionDistance(
        feature=64, antialias=False, feature_extractor_weights_path=weights
    )
    found = fid(Fid(use="fid"), many.evidence).value
    assert found == pytest.approx(float(shown(theirs, many)), rel=1e-6)


class Wide(torch.nn.Module):
    """torchmetrics' network, which stays in single precision while its features are widened."""

    num_features = 2048

    def __init__(self, weights: str) -> None:
        super().__init__()
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"], weights, antialias=False)
        self._hidden = [network.eval()]

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self._hidden[0](pixels).double())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
@torch.inference_mode()
def test_torchmetrics_kid_says_the_same_of_the_same_pictures(weights: str, few: Looked) -> None:
    theirs = KernelInceptionDistance(feature=Wide(weights), subsets=1, subset_size=COUNT)
    found = kid(Kid(use="kid"), few.evidence).value
    assert found == pytest.approx(float(shown(theirs, few)[0]), rel=CUBED)
