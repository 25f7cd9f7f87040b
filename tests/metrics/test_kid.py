"""The kernel distance against brute force and against the libraries that define it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import KernelInceptionDistance

from harness.interfaces import Array, Evidence, FeatureSet
from harness.metrics.kid import kernel, kid, mmd2
from harness.metrics.specs.fidelity import Kid

SPEC = Kid(use="kid")
ALL = Kid(use="kid", pairs="all")


class AsTheyAre(torch.nn.Module):
    """Takes features for images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def draw(n: int, d: int, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def set_of(images: Array, per_prompt: int = 2) -> FeatureSet:
    ids = [f"p{row // per_prompt}" for row in range(len(images))]
    return FeatureSet(images, ids, ids, [row % per_prompt for row in range(len(images))])


def by_brute_force(x: Array, y: Array) -> float:
    """Return the mean over pairs of different rows, one pair at a time."""

    def similar(a: Array, b: Array) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def among(rows: Array) -> float:
        pairs = [(i, j) for i, j in product(range(len(rows)), repeat=2) if i != j]
        return float(np.mean([similar(rows[i], rows[j]) for i, j in pairs]))

    across = np.mean([similar(a, b) for a, b in product(x, y)])
    return among(x) + among(y) - 2 * float(across)


def test_the_kernel_is_the_cube_of_the_shifted_product() -> None:
    assert kernel(np.array([[1.0, 3.0]]), np.array([[2.0, 0.0]])) == pytest.approx(8.0)
    assert kernel(np.array([[0.0, 0.0]]), np.array([[5.0, 7.0]])) == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (5, 9, 3), (12, 7, 20)])
def test_it_is_the_mean_over_all_pairs(n: int, m: int, d: int) -> None:
    x, y = draw(n, d, 1), draw(m, d, 2, shift=0.5)
    assert mmd2(x, y) == pytest.approx(by_brute_force(x, y), rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(200, 64), (24, 64)])
def test_torch_fidelity_says_the_same_of_the_same_features(n: int, d: int) -> None:
    x, y = draw(n, d, 3), draw(n, d, 4, shift=0.3)
    theirs = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=n, verbose=False
    )
    assert mmd2(x, y) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
@pytest.mark.parametrize(("n", "d"), [(200, 64), (24, 64)])
def test_torchmetrics_says_the_same_of_the_same_features(n: int, d: int) -> None:
    x, y = draw(n, d, 5), draw(n, d, 6, shift=0.3)
    metric = KernelInceptionDistance(feature=AsTheyAre(d), subsets=1, subset_size=n)
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(y), real=True)
    metric.update(torch.from_numpy(x), real=False)
    mean, _ = metric.compute()
    assert mmd2(x, y) == pytest.approx(float(mean), rel=1e-6)


def test_it_is_unbiased_where_both_sets_come_from_one_source() -> None:
    values = np.array([mmd2(draw(10, 8, seed), draw(15, 8, seed + 5000)) for seed in range(1000)])
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean()) < 3 * error
    assert (values < 0).any(), "an unbiased estimate of zero is at times below it"


def test_it_is_as_large_at_few_images_as_at_many() -> None:
    reference = draw(100, 8, 7)
    few = np.array([mmd2(draw(10, 8, seed, 0.5), reference) for seed in range(1000)])
    many = mmd2(draw(4000, 8, 8, shift=0.5), reference)
    assert abs(few.mean() - many) < 4 * few.std(ddof=1) / np.sqrt(len(few))


def test_the_order_of_rows_and_of_sets_does_not_matter() -> None:
    x, y = draw(20, 5, 9), draw(30, 5, 10, shift=0.2)
    turned = np.random.default_rng(0).permutation(x)
    assert mmd2(turned, y) == pytest.approx(mmd2(x, y), rel=1e-9)
    assert mmd2(y, x) == pytest.approx(mmd2(x, y), rel=1e-9)


def test_the_measurement_is_the_distance_with_its_value_inside_its_interval() -> None:
    own, reference = set_of(draw(40, 6, 11)), set_of(draw(60, 6, 12, shift=0.3))
    measured = kid(ALL, Evidence(own, {"reference": reference}))
    assert measured.value == pytest.approx(mmd2(own.images, reference.images), rel=1e-9)
    assert measured.low is not None
    assert measured.high is not None
    assert measured.value is not None
    assert measured.low < measured.value < measured.high
    assert measured.n == 40


def test_leaving_out_a_prompt_is_the_distance_of_the_others() -> None:
    own, reference = set_of(draw(6, 3, 13)), draw(9, 3, 14)
    left = [mmd2(np.delete(own.images, [2 * p, 2 * p + 1], 0), reference) for p in range(3)]
    measured = kid(ALL, Evidence(own, {"reference": set_of(reference)}))
    value = mmd2(own.images, reference)
    assert measured.value == pytest.approx(value)
    assert measured.prompts == pytest.approx(3 * value - 2 * np.array(left))


def of_unlike(x: Array, prompts: list[str], y: Array) -> float:
    """Return the distance that takes only pairs of unlike prompts, one pair at a time."""
    pairs = [(i, j) for i, j in product(range(len(x)), repeat=2) if prompts[i] != prompts[j]]
    among = float(np.mean([kernel(x[[i]], x[[j]])[0, 0] for i, j in pairs]))
    theirs = kernel(y, y)[~np.eye(len(y), dtype=bool)].mean()
    return float(among + theirs - 2 * kernel(x, y).mean())


def test_images_of_one_prompt_are_no_pair() -> None:
    rows, prompts = draw(7, 3, 22), ["a", "a", "a", "b", "b", "c", "d"]
    own, real = FeatureSet(rows, prompts, prompts, [0] * 7), draw(9, 3, 23)
    measured = kid(SPEC, Evidence(own, {"reference": set_of(real)}))
    assert measured.value == pytest.approx(of_unlike(rows, prompts, real), rel=1e-9)
    without = []
    for name in "abcd":
        kept = [row for row in range(7) if prompts[row] != name]
        without.append(of_unlike(rows[kept], [prompts[row] for row in kept], real))
    assert measured.prompts == pytest.approx(4 * measured.value - 3 * np.array(without))


def test_with_one_image_a_prompt_it_is_what_libraries_say() -> None:
    own, reference = set_of(draw(30, 6, 24), per_prompt=1), set_of(draw(50, 6, 25, shift=0.3))
    measured = kid(SPEC, Evidence(own, {"reference": reference}))
    assert measured.value == pytest.approx(mmd2(own.images, reference.images), rel=1e-9)


@pytest.mark.parametrize("own", [set_of(draw(6, 4, 15), per_prompt=6), set_of(draw(2, 4, 16), 1)])
def test_too_few_prompts_or_images_give_a_reason_and_no_value(own: FeatureSet) -> None:
    measured = kid(SPEC, Evidence(own, {"reference": set_of(draw(20, 4, 17))}))
    assert (measured.value, measured.low, measured.high) == (None, None, None)
    assert measured.reason is not None
    assert "needs 2 prompts and 3 images" in measured.reason


THREE_OF_ONE = FeatureSet(draw(4, 4, 18), [], ["a", "a", "a", "b"], [1, 2, 3, 1])


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize(
    ("own", "reference"),
    [(set_of(draw(6, 4, 19)), set_of(draw(1, 4, 20))), (THREE_OF_ONE, set_of(draw(20, 4, 21)))],
    ids=["a reference of one picture", "one image left without its largest prompt"],
)
def test_a_single_row_on_either_side_gives_a_reason(own: FeatureSet, reference: FeatureSet) -> None:
    measured = kid(ALL, Evidence(own, {"reference": reference}))
    assert (measured.low, measured.high) == (None, None)
    assert measured.reason is not None


def test_its_label_does_not_carry_the_number_of_images() -> None:
    assert SPEC.label(72) == "kid"
