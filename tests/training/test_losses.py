"""What a step is punished for, by hand arithmetic, brute force and against diffusers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.pages.train import Huber, Train
from harness.training.losses import (
    add_noise,
    debiased_weight,
    huber_deltas,
    min_snr_weight,
    offset,
    perturbed,
    sample_losses,
    signal_to_noise,
    target_of,
    weights,
    zero_terminal,
)

ALL = torch.arange(1000)


@pytest.fixture(scope="module")
def sdxl() -> DDPMScheduler:
    """The training schedule that SDXL 1.0 ships with."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 4, 8, 8, generator=generator), torch.randn(
        4, 4, 8, 8, generator=generator
    )


TIMES = torch.tensor([0, 146, 147, 999])


def test_the_ratio_is_the_one_of_diffusers(sdxl: DDPMScheduler) -> None:
    ours = signal_to_noise(sdxl.alphas_cumprod, ALL)
    torch.testing.assert_close(ours, compute_snr(sdxl, ALL), rtol=1e-4, atol=0)


def test_the_ratio_falls_with_time(sdxl: DDPMScheduler) -> None:
    assert (signal_to_noise(sdxl.alphas_cumprod, ALL).diff() < 0).all()


def test_the_mean_weight_over_the_timesteps_of_sdxl_is_known(sdxl: DDPMScheduler) -> None:
    weight = min_snr_weight(signal_to_noise(sdxl.alphas_cumprod, ALL), 5.0, "epsilon")
    assert float(weight.double().mean()) == pytest.approx(0.9166, abs=1e-3)


def test_only_the_first_147_timesteps_of_sdxl_are_held_back(sdxl: DDPMScheduler) -> None:
    weight = min_snr_weight(signal_to_noise(sdxl.alphas_cumprod, ALL), 5.0, "epsilon")
    assert (weight[:147] < 1).all()
    assert (weight[147:] == 1).all()


def test_the_weights_of_epsilon_and_v_are_the_ones_of_diffusers_training(
    sdxl: DDPMScheduler,
) -> None:
    ratio = compute_snr(sdxl, ALL)
    clipped = torch.stack([ratio, torch.full_like(ratio, 5.0)], dim=1).min(dim=1)[0]
    ours = min_snr_weight(signal_to_noise(sdxl.alphas_cumprod, ALL), 5.0, "epsilon")
    torch.testing.assert_close(ours, clipped / ratio, rtol=1e-4, atol=0)
    ours = min_snr_weight(signal_to_noise(sdxl.alphas_cumprod, ALL), 5.0, "v_prediction")
    torch.testing.assert_close(ours, clipped / (ratio + 1), rtol=1e-4, atol=0)


FORMS = [
    ("paper", "epsilon", [1.0, 1.0, 0.25]),
    ("paper", "v_prediction", [0.5 / 1.5, 5 / 6, 5 / 21]),
    ("dreambooth-v", "epsilon", [1.0, 1.0, 0.25]),
    ("dreambooth-v", "v_prediction", [2.0, 2.0, 1.25]),
    ("unclamped", "epsilon", [10.0, 1.0, 0.25]),
    ("unclamped", "v_prediction", [5 / 1.5, 5 / 6, 5 / 21]),
]


@pytest.mark.parametrize(("form", "prediction", "expected"), FORMS)
def test_each_form_is_its_formula(form: str, prediction: str, expected: list[float]) -> None:
    ratio = torch.tensor([0.5, 5.0, 20.0])
    assert min_snr_weight(ratio, 5.0, prediction, form).tolist() == pytest.approx(expected)


@given(ratio=st.floats(0, 1e4), gamma=st.floats(0.1, 100))
@settings(deadline=None)
def test_a_weight_of_the_paper_is_a_share(ratio: float, gamma: float) -> None:
    for prediction in ("epsilon", "v_prediction"):
        weight = float(min_snr_weight(torch.tensor([ratio]), gamma, prediction))
        assert 0 <= weight <= 1


@pytest.mark.parametrize("form", ["paper", "dreambooth-v", "unclamped"])
def test_every_weight_of_v_is_finite_at_pure_noise(sdxl: DDPMScheduler, form: str) -> None:
    ratio = signal_to_noise(zero_terminal(sdxl.alphas_cumprod), ALL)
    assert ratio[-1] == 0
    assert min_snr_weight(ratio, 5.0, "v_prediction", form).isfinite().all()
    assert debiased_weight(ratio, "v_prediction").isfinite().all()


def test_a_debiased_weight_stops_falling_at_a_ratio_of_1000() -> None:
    ratio = torch.tensor([0.25, 100.0, 1000.0, 4000.0])
    found = debiased_weight(ratio, "epsilon").tolist()
    assert found == pytest.approx([2.0, 0.1, 1000**-0.5, 1000**-0.5])
    found = debiased_weight(ratio, "v_prediction").tolist()
    assert found == pytest.approx([0.8, 1 / 101, 1 / 1001, 1 / 1001])


def train(**changes: Any) -> Train:
    page = {
        "method": "lora",
        "adapter": {"rank": 4},
        "resolution": 64,
        "batch": 1,
        "optimizer": {"use": "adamw"},
        "phases": [{"steps": 9, "rate": 1e-4}],
    }
    return Train.model_validate({**page, **changes}, strict=False)


def test_a_page_without_a_weight_has_none(sdxl: DDPMScheduler) -> None:
    assert weights(train(), sdxl.alphas_cumprod, TIMES, "epsilon") is None


def test_a_page_chooses_among_the_weights(sdxl: DDPMScheduler) -> None:
    kept = sdxl.alphas_cumprod
    ratio = signal_to_noise(kept, TIMES)
    found = weights(train(snr_gamma=5.0), kept, TIMES, "epsilon")
    assert torch.equal(found, min_snr_weight(ratio, 5.0, "epsilon"))  # type: ignore[arg-type]
    found = weights(train(snr_gamma=2.0, snr_form="unclamped"), kept, TIMES, "v_prediction")
    assert torch.equal(found, 2.0 / (ratio + 1))  # type: ignore[arg-type]
    found = weights(train(debiased=True), kept, TIMES, "epsilon")
    assert torch.equal(found, debiased_weight(ratio, "epsilon"))  # type: ignore[arg-type]


def test_a_plain_loss_is_the_mean_square_error_of_each_sample(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    found = sample_losses(*pair, None)
    assert found.shape == (4,)
    torch.testing.assert_close(found.mean(), torch.nn.functional.mse_loss(*pair))
    for each, predicted, target in zip(found, *pair, strict=True):
        torch.testing.assert_close(each, torch.nn.functional.mse_loss(predicted, target))


def test_a_loss_is_taken_in_full_precision() -> None:
    predicted = torch.full((1, 1, 64, 64), 300.0, dtype=torch.float16)
    found = sample_losses(predicted, torch.zeros_like(predicted), None)
    assert found.dtype == torch.float32
    assert float(found) == 90_000, "the square does not fit into half precision"


def test_delta_is_constant_or_follows_the_noise(sdxl: DDPMScheduler) -> None:
    kept = torch.tensor([0.5, 0.2, 0.0])
    times = torch.tensor([0, 1, 2])
    constant = huber_deltas(Huber(delta=0.1, schedule="constant"), times, kept)
    assert constant.tolist() == pytest.approx([0.1, 0.1, 0.1])
    by_noise = huber_deltas(Huber(delta=0.1, schedule="snr"), times, kept)
    assert by_noise.tolist() == pytest.approx([0.9 / 4 + 0.1, 0.9 / 9 + 0.1, 0.1])
    falling = huber_deltas(Huber(delta=0.1, schedule="exponential"), times, kept)
    assert falling.tolist() == pytest.approx([1, 0.1 ** (1 / 3), 0.1 ** (2 / 3)])


@pytest.mark.parametrize("schedule", ["constant", "snr", "exponential"])
def test_a_huber_loss_is_the_formula_point_by_point(
    schedule: str, sdxl: DDPMScheduler, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    huber, kept = Huber(delta=0.1, schedule=schedule), sdxl.alphas_cumprod  # type: ignore[arg-type]
    found = sample_losses(*pair, huber_deltas(huber, TIMES, kept))
    for each, time, predicted, target in zip(found, TIMES, *pair, strict=True):
        signal = float(kept[time])
        sigma = math.sqrt((1 - signal) / signal)
        delta = {
            "constant": 0.1,
            "snr": 0.9 / (1 + sigma) ** 2 + 0.1,
            "exponential": math.exp(math.log(0.1) * int(time) / 1000),
        }[schedule]
        apart = (predicted - target).flatten().tolist()
        brute = [2 * delta * (math.sqrt(d * d + delta * delta) - delta) for d in apart]
        assert float(each) == pytest.approx(sum(brute) / len(brute), rel=1e-5)


def test_a_huber_loss_is_square_near_zero_and_straight_far_out(sdxl: DDPMScheduler) -> None:
    huber = Huber(delta=0.1, schedule="constant")
    near, far = torch.full((1, 1, 2, 2), 1e-5), torch.full((1, 1, 2, 2), 1e3)
    zero = torch.zeros(1, 1, 2, 2)
    deltas = huber_deltas(huber, TIMES[:1], sdxl.alphas_cumprod)
    found = [float(sample_losses(each, zero, deltas)) for each in (near, far, 2 * far)]
    assert found[0] == pytest.approx(1e-10, rel=1e-4)
    assert found[2] / found[1] == pytest.approx(2, rel=1e-3)


def test_a_huber_loss_has_a_gradient_where_nothing_is_wrong(sdxl: DDPMScheduler) -> None:
    predicted = torch.zeros(1, 1, 2, 2, requires_grad=True)
    zero = torch.zeros(1, 1, 2, 2)
    deltas = huber_deltas(Huber(), TIMES[:1], sdxl.alphas_cumprod)
    sample_losses(predicted, zero, deltas).sum().backward()
    assert torch.equal(predicted.grad, zero)  # type: ignore[arg-type]


def test_a_terminal_ratio_of_zero_is_made_as_diffusers_makes_it(sdxl: DDPMScheduler) -> None:
    theirs = DDPMScheduler.from_config(sdxl.config, rescale_betas_zero_snr=True).alphas_cumprod
    ours = zero_terminal(sdxl.alphas_cumprod)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    assert float(ours[-1]) == 0
    assert float(ours[0]) == pytest.approx(float(sdxl.alphas_cumprod[0]))
    assert (ours.diff() < 0).all()


def test_at_pure_noise_v_asks_for_the_clean_picture(
    sdxl: DDPMScheduler, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    kept, last = zero_terminal(sdxl.alphas_cumprod), torch.full((4,), 999)
    assert torch.equal(add_noise(*pair, kept, last), pair[1])
    assert torch.equal(target_of(*pair, kept, last, "v_prediction"), -pair[0])


def test_noise_is_added_as_diffusers_adds_it(
    sdxl: DDPMScheduler, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    clean, noise = pair
    ours = add_noise(clean, noise, sdxl.alphas_cumprod, TIMES)
    torch.testing.assert_close(ours, sdxl.add_noise(clean, noise, TIMES))


def test_the_target_of_epsilon_is_the_noise(
    sdxl: DDPMScheduler, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    assert target_of(*pair, sdxl.alphas_cumprod, TIMES, "epsilon") is pair[1]


def test_the_target_of_v_is_the_one_of_diffusers(
    sdxl: DDPMScheduler, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    ours = target_of(*pair, sdxl.alphas_cumprod, TIMES, "v_prediction")
    torch.testing.assert_close(ours, sdxl.get_velocity(*pair, TIMES))


def test_no_strength_leaves_the_noise_alone(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    noise, extra = pair
    assert offset(noise, 0.0, torch.ones(4, 4, 1, 1)) is noise
    assert perturbed(noise, 0.0, extra) is noise


def test_an_offset_shifts_each_channel_as_a_whole(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    noise, shift = pair[0], torch.arange(16.0).view(4, 4, 1, 1)
    moved = offset(noise, 0.1, shift)
    for sample in range(4):
        for channel in range(4):
            expected = noise[sample, channel] + 0.1 * (4 * sample + channel)
            torch.testing.assert_close(moved[sample, channel], expected)


def test_a_perturbation_adds_noise_of_its_own(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    noise, extra = pair
    torch.testing.assert_close(perturbed(noise, 0.1, extra), noise + 0.1 * extra)
