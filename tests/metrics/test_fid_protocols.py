"""Fréchet distances by name: resizes, refusals, the extrapolated one, and exactness below d."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mpmath import mp
from PIL import Image
from random_inception import write_random_inception
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torchvision import transforms
from transformers import Dinov2Config, Dinov2Model

from harness.errors import MissingPrerequisite
from harness.extractors.dinov2 import class_token, look
from harness.extractors.inception import bicubic, bilinear, inception
from harness.extractors.specs import Dinov2, Inception
from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.fid import fid, fid_infinity, frechet, nested, protocol
from harness.metrics.specs.fidelity import FdDinov2, FidClean, FidInfinity, FidTtur


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def set_of(images: Array, per_prompt: int = 2) -> FeatureSet:
    ids = [f"p{row // per_prompt}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(len(images))])


def evidence(own: Array, reference: Array) -> Evidence:
    return Evidence(set_of(own), {"reference": set_of(reference, 1)})


def picture(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_random_inception(tmp_path_factory.mktemp("weights") / "inception.pth"))


# resizes


@pytest.mark.parametrize("size", [(1024, 1024), (64, 64), (832, 1216), (299, 299)])
def test_the_clean_resize_is_pils_bicubic_of_floats(size: tuple[int, int]) -> None:
    image = picture(*size, seed=1)
    pixels = np.asarray(image).astype(np.float32)
    bands = [Image.fromarray(pixels[:, :, band], mode="F") for band in range(3)]
    wide = [np.asarray(band.resize((299, 299), Image.Resampling.BICUBIC)) for band in bands]
    theirs = np.clip(np.stack(wide), 0, 255)
    ours = bicubic(torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None])[0].numpy()
    assert np.abs(ours - theirs).max() < 0.01, "of 255"


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["64", "192", "768", "2048"])
@torch.inference_mode()
def test_without_a_resize_both_protocols_see_the_same(weights: str, layer: str) -> None:
    images = [picture(299, 299, seed) for seed in range(3)]
    one, other = (
        inception(
            Inception(use="inception", weights=weights, layer=layer, resize=resize),  # type: ignore[arg-type]
            "cpu",
        ).see(images, [""] * 3)["images"]
        for resize in ("tf1", "bicubic")
    )
    assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("resize", ["tf1", "bicubic"])
@torch.inference_mode()
def test_pictures_of_many_sizes_keep_their_order(weights: str, resize: str) -> None:
    spec = Inception(use="inception", weights=weights, layer="64", resize=resize)  # type: ignore[arg-type]
    network = inception(spec, "cpu")
    images = [picture(*size, seed) for seed, size in enumerate([(64, 64), (80, 48), (64, 64)])]
    together = network.see(images, [""] * 3)["images"]
    alone = np.concatenate([network.see([image], [""])["images"] for image in images])
    assert together == pytest.approx(alone, rel=1e-4, abs=1e-5)
    assert np.abs(alone[0] - alone[2]).max() > 1e-3


class Intruder:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.folder),)


def test_a_weights_file_that_brings_code_is_refused_and_not_run(tmp_path: Path) -> None:
    torch.save({"fc.bias": Intruder(tmp_path / "entered")}, tmp_path / "weights.pth")
    with pytest.raises(MissingPrerequisite, match="Inception weights"):
        inception(Inception(use="inception", weights=str(tmp_path / "weights.pth")), "cpu")
    assert not (tmp_path / "entered").exists()


# protocols


def test_a_protocol_refuses_another_resize_than_its_own() -> None:
    with pytest.raises(ValueError, match="fid-ttur resizes by tf1, not bicubic"):
        FidTtur(use="fid-ttur", features=Inception(use="inception", resize="bicubic"))
    with pytest.raises(ValueError, match="fid-clean resizes by bicubic, not tf1"):
        FidClean(use="fid-clean", features=Inception(use="inception"))
    assert FidTtur(use="fid-ttur").features.resize == "tf1"
    assert FidClean(use="fid-clean").features.resize == "bicubic"


def test_too_few_images_are_refused_with_the_reason() -> None:
    measured = protocol(FidTtur(use="fid-ttur", least=50), evidence(draw(40, 4, 2), draw(60, 4, 3)))
    assert measured.value is None
    assert measured.reason is not None
    assert "needs 50 images, has 40" in measured.reason
    assert FidTtur(use="fid-ttur").least == 500


def test_a_small_reference_is_the_same_for_all_rows_and_no_reason_to_refuse() -> None:
    x, y = draw(60, 4, 2), draw(40, 4, 3)
    measured = protocol(FidTtur(use="fid-ttur", least=50), evidence(x, y))
    assert measured.value == pytest.approx(frechet(x, y))


def test_with_enough_images_a_protocol_is_fid() -> None:
    x, y = draw(50, 4, 4), draw(60, 4, 5, shift=0.2)
    measured = protocol(FidClean(use="fid-clean", least=50), evidence(x, y))
    assert measured.value == pytest.approx(frechet(x, y))
    assert FidClean(use="fid-clean").label(2048) == "fid-clean@n=2048"


# the jackknife


@pytest.mark.parametrize(
    ("n", "m", "d"), [(24, 40, 64), (24, 10, 64), (60, 80, 8), (60, 6, 8), (30, 30, 30), (6, 9, 1)]
)
def test_leaving_out_a_prompt_is_the_distance_of_the_others(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 6, shift=5), draw(m, d, 7, shift=4.5)
    left = [frechet(np.delete(x, [2 * p, 2 * p + 1], 0), y) for p in range(n // 2)]
    measured = fid(FdDinov2(use="fd-dinov2"), evidence(x, y))
    expected = n // 2 * frechet(x, y) - (n // 2 - 1) * np.array(left)
    assert measured.prompts == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_rows_that_repeat_are_measured_too() -> None:
    x, y = np.repeat(draw(3, 20, 8), 8, 0), draw(30, 20, 9)
    root = np.linalg.svd((x - x.mean(0)) @ (y - y.mean(0)).T, compute_uv=False).sum()
    spread = x.var(0, ddof=1).sum() + y.var(0, ddof=1).sum()
    gap = np.square(x.mean(0) - y.mean(0)).sum()
    assert frechet(x, y) == pytest.approx(gap + spread - 2 * root / np.sqrt(23 * 29), rel=1e-11)


# infinity


def test_the_subsets_are_each_within_the_next_from_a_quarter_to_all() -> None:
    subsets = nested(80, 4)
    assert [int(subset.sum()) for subset in subsets] == [20, 40, 60, 80]
    assert all((one <= other).all() for one, other in pairwise(subsets))


def test_infinity_is_where_the_line_over_one_over_n_ends() -> None:
    x, y = draw(80, 6, 10), draw(90, 6, 11, shift=0.4)
    sizes = [int(subset.sum()) for subset in nested(80, 5)]
    values = [frechet(x[subset], y) for subset in nested(80, 5)]
    line = np.polyfit([1 / size for size in sizes], values, 1)
    measured = fid_infinity(FidInfinity(use="fid-infinity"), evidence(x, y))
    assert measured.value == pytest.approx(line[1])
    kept = np.arange(80) // 2 != 3
    without = [frechet(x[subset & kept], y) for subset in nested(80, 5)]
    inverse = [1 / int((subset & kept).sum()) for subset in nested(80, 5)]
    expected = 40 * line[1] - 39 * np.polyfit(inverse, without, 1)[1]
    assert measured.prompts is not None
    assert measured.prompts[3] == pytest.approx(expected, rel=1e-6)


def test_infinity_takes_most_of_the_bias_away_where_images_are_many() -> None:
    y = draw(20000, 8, 12)
    pairs = [
        (fid_infinity(FidInfinity(use="fid-infinity"), evidence(x, y)).value, frechet(x, y))
        for x in (draw(200, 8, seed) for seed in range(20, 40))
    ]
    beyond, plain = np.array(pairs, np.float64).mean(0)
    assert abs(beyond) < 0.3 * plain, "the truth is zero"


def test_infinity_needs_images_to_draw_a_line_through() -> None:
    given = evidence(draw(18, 3, 13), draw(30, 3, 14))
    reason = fid_infinity(FidInfinity(use="fid-infinity"), given).reason
    assert reason == "needs 20 images to draw a line through, has 18"


# dinov2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dinov2")
    Dinov2Model(
        Dinov2Config(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=518,
            patch_size=14,
            mlp_ratio=2,
        )
    ).save_pretrained(folder)
    return folder


@torch.inference_mode()
def test_dinov2_gives_the_class_token_of_a_local_model(tiny: Path) -> None:
    images = [picture(100, 60, 1), picture(64, 64, 2)]
    rows = class_token(Dinov2(use="dinov2", model=str(tiny)), "cpu").see(images, ["", ""])["images"]
    model = Dinov2Model.from_pretrained(tiny).eval()
    transformers = np.stack([model(look(image)).pooler_output[0].numpy() for image in images])
    learned = model.embeddings.position_embeddings.double().numpy()[0]
    hub = np.concatenate([learned[:1], keys_cubic(learned[1:], 37, 16, 37 / 16.1)])
    model.embeddings.position_embeddings.data = torch.from_numpy(hub).float()[None]
    expected = np.stack([model(look(image)).pooler_output[0].numpy() for image in images])
    assert rows == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4
    assert np.abs(rows - transformers).max() > 1e-3, "its positions step by 37 / 16"


def keys_cubic(places: Array, side: int, cells: int, step: float) -> Array:
    """Return a square grid of rows, read at every `step` by Keys' cubic with a = −0.75."""
    weights = np.zeros((cells, side))
    for cell in range(cells):
        centre = (cell + 0.5) * step - 0.5
        for near in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            far = abs(centre - near)
            inner = 1.25 * far**3 - 2.25 * far**2 + 1
            outer = -0.75 * (far**3 - 5 * far**2 + 8 * far - 4)
            weights[cell, np.clip(near, 0, side - 1)] += inner if far <= 1 else outer
    grid = places.reshape(side, side, -1)
    return np.einsum("ai,bj,ijc->abc", weights, weights, grid).reshape(cells * cells, -1)


def test_dinov2_looks_at_224_pixels_in_imagenet_units() -> None:
    grey = look(Image.new("RGB", (50, 90), (124, 116, 104)))
    assert grey.shape == (1, 3, 224, 224)
    assert grey.abs().max() < 0.02, "ImageNet's mean colour is zero"
    image = picture(300, 200, 3)
    paper = transforms.Compose(
        [
            transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    assert look(image)[0].numpy() == pytest.approx(paper(image).numpy(), abs=1e-6)


def test_a_dinov2_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="the DINOv2 model"):
        class_token(Dinov2(use="dinov2", model=str(tmp_path / "none")), "cpu")


def test_fd_dinov2_reads_dinov2_and_carries_its_n() -> None:
    spec = FdDinov2(use="fd-dinov2")
    assert spec.extractor() == Dinov2(use="dinov2", model="facebook/dinov2-large")
    assert spec.label(96) == "fd-dinov2@n=96"


# exactness below d


def turned(rows: Array, seed: int) -> Array:
    """Return the rows in another orthonormal frame."""
    frame = np.linalg.qr(np.random.default_rng(seed).normal(size=(rows.shape[1],) * 2))[0]
    return np.asarray(rows @ frame)


def test_below_d_it_is_the_distance_of_known_spreads_along_shared_axes() -> None:
    a, b = np.array([3.0, 1.0, 0.25, 2.0]), np.array([1.0, 2.0, 0.5, 0.125])
    axes = np.eye(4, 50)
    x = turned(np.concatenate([a[:, None] * axes, -a[:, None] * axes]) + 0.5, 1)
    y = turned(np.concatenate([b[:, None] * axes, -b[:, None] * axes]), 1)
    known = 50 * 0.25 + 2 * np.square(a - b).sum() / 7
    assert frechet(x, y) == pytest.approx(known, rel=1e-13)


def test_below_d_it_is_the_distance_of_two_lines_at_an_angle() -> None:
    u, v = draw(1, 40, 15)[0], draw(1, 40, 16)[0]
    x, y = np.stack([u, -u]), np.stack([v, -v])
    known = 2 * (u @ u) + 2 * (v @ v) - 4 * abs(u @ v)
    assert frechet(x, y) == pytest.approx(known, rel=1e-13)


def in_fifty_digits(x: Array, y: Array) -> float:
    """Return the textbook formula, tr (ΣxΣy)^½ from the d × d eigenvalues, in fifty digits."""
    with mp.workdps(50):
        means, spreads = [], []
        for rows in (x, y):
            n, exact = len(rows), mp.matrix(rows.tolist())
            mean = [sum(exact[i, j] for i in range(n)) / n for j in range(exact.cols)]
            centred = mp.matrix(n, exact.cols)
            for i in range(n):
                for j in range(exact.cols):
                    centred[i, j] = exact[i, j] - mean[j]
            means.append(mean)
            spreads.append(centred.T * centred / (n - 1))
        values, vectors = mp.eigsy(spreads[0])
        roots = mp.diag([mp.sqrt(max(value, 0)) for value in values])
        half = vectors * roots * vectors.T
        inner = mp.eigsy(half * spreads[1] * half, eigvals_only=True)
        root = sum(mp.sqrt(max(value, 0)) for value in inner)
        traces = sum(spreads[0][i, i] + spreads[1][i, i] for i in range(x.shape[1]))
        gap = sum((a - b) ** 2 for a, b in zip(*means, strict=True))
        return float(gap + traces - 2 * root)


def test_below_d_it_is_the_fifty_digit_value_and_torch_fidelitys_is_not() -> None:
    x, y = draw(6, 16, 17), draw(9, 16, 18, shift=0.2)
    exact = in_fifty_digits(x, y)
    both = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    theirs = fid_statistics_to_metric(*both, verbose=False)["frechet_inception_distance"]
    assert frechet(x, y) == pytest.approx(exact, rel=1e-13)
    assert abs(theirs - exact) > 100 * abs(frechet(x, y) - exact)


@pytest.mark.parametrize("size", [(64, 64), (299, 299), (301, 700)])
def test_the_bilinear_resize_is_the_networks_own_to_the_bit(size: tuple[int, int]) -> None:
    drawn = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8, generator=drawn)
    theirs = interpolate_bilinear_2d_like_tensorflow1x(
        levels.permute(0, 3, 1, 2).float(), size=(299, 299), align_corners=False
    )
    assert torch.equal(bilinear(levels), theirs)
