"""What a step is punished for, by hand arithmetic and against diffusers."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.diffusion.losses import (
    add_noise,
    denoising_loss,
    min_snr_weight,
    offset,
    signal_to_noise,
    target_of,
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


def test_the_weight_is_the_formula_of_the_paper() -> None:
    ratio = torch.tensor([0.5, 5.0, 20.0])
    assert min_snr_weight(ratio, 5.0, "epsilon").tolist() == pytest.approx([1.0, 1.0, 0.25])
    expected = [0.5 / 1.5, 5 / 6, 5 / 21]
    assert min_snr_weight(ratio, 5.0, "v_prediction").tolist() == pytest.approx(expected)


@given(ratio=st.floats(1e-3, 1e4), gamma=st.floats(0.1, 100))
@settings(deadline=None)
def test_a_weight_is_a_share(ratio: float, gamma: float) -> None:
    for prediction in ("epsilon", "v_prediction"):
        weight = float(min_snr_weight(torch.tensor([ratio]), gamma, prediction))
        assert 0 < weight <= 1


def test_a_loss_without_weights_is_the_mean_square_error(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    expected = torch.nn.functional.mse_loss(*pair)
    torch.testing.assert_close(denoising_loss(*pair, None), expected)


def test_a_weight_counts_for_its_own_sample_and_is_not_divided_out() -> None:
    predicted, target = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    target[1] = 2
    weight = torch.tensor([0.5, 0.25])
    assert float(denoising_loss(predicted, target, weight)) == (0.5 * 1 + 0.25 * 4) / 2


def test_a_loss_is_taken_in_full_precision() -> None:
    predicted = torch.full((1, 1, 64, 64), 300.0, dtype=torch.float16)
    loss = denoising_loss(predicted, torch.zeros_like(predicted), None)
    assert loss.dtype == torch.float32
    assert float(loss) == 90_000, "the square does not fit into half precision"


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


def test_an_offset_of_zero_leaves_noise_and_generator_alone(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert offset(pair[0], 0.0, generator) is pair[0]
    assert torch.equal(generator.get_state(), before)


def test_an_offset_shifts_each_channel_as_a_whole(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    shift = offset(pair[0], 0.1, torch.Generator().manual_seed(1)) - pair[0]
    of_channel = shift[:, :, :1, :1]
    torch.testing.assert_close(shift, of_channel.expand_as(shift), rtol=0, atol=1e-6)
    expected = 0.1 * torch.randn((4, 4, 1, 1), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(of_channel, expected, rtol=0, atol=1e-6)
