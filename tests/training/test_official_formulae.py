"""One optimizer step against the formulae of the official scripts, stated plainly and apart.

Same weights, pictures, noise and times; nothing below comes from the package but those.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from schooling import School, recipe, school
from torch import Tensor, nn

from harness.training import step, training_run
from harness.training.passes import Pass, Sample, read_pass
from harness.training.team import Team

GAMMA = 5.0


def kept_signal() -> Tensor:
    """ᾱ of SDXL's schedule: betas linear in their roots from 0.00085 to 0.012, 1000 steps."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float32) ** 2
    return torch.cumprod(1 - betas, 0)


def begun(own: School) -> training_run.TrainingRun:
    sets, class_set = own.sets()
    place = own.workplace(own.store.root / "unused")
    training = training_run.begin(own.spec, sets, class_set, own.models(), Team(), place)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in training.models.tensors.items():
        if "lora_B" in name:
            parameter.data.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    return training


def ours(
    training: training_run.TrainingRun, samples: Sequence[Sample]
) -> tuple[float, list[Tensor | None]]:
    loss = float(step.gradients(training, samples))
    found = [parameter.grad for parameter in training.parameters]
    return loss, [None if each is None else each.clone() for each in found]


def errors(
    training: training_run.TrainingRun, content: Pass, words: tuple[Tensor, Tensor]
) -> Tensor:
    """The squared errors of the UNet's guess at the noise, one number a sample and place."""
    signal = kept_signal()[content.times].view(-1, 1, 1, 1)
    noisy = signal**0.5 * content.latents + (1 - signal) ** 0.5 * content.noise
    conditions = {"text_embeds": words[1], "time_ids": content.ids}
    guess = training.models.unet(
        noisy, content.times, words[0], added_cond_kwargs=conditions, return_dict=False
    )[0]
    return nn.functional.mse_loss(guess.float(), content.noise.float(), reduction="none")


def snr_weights(times: Tensor) -> Tensor:
    kept = kept_signal()
    ratio = (kept**0.5)[times] ** 2 / ((1 - kept) ** 0.5)[times] ** 2
    return torch.stack([ratio, torch.full_like(ratio, GAMMA)], dim=1).min(dim=1).values / ratio


def plain_gradients(training: training_run.TrainingRun, loss: Tensor) -> list[Tensor | None]:
    return list(torch.autograd.grad(loss, training.parameters, allow_unused=True))


def alike(found: list[Tensor | None], stated: list[Tensor | None]) -> None:
    """The last layer of the first text encoder is behind what is read, so it has no gradient."""
    compared = 0
    for one, other in zip(found, stated, strict=True):
        if one is None or other is None:
            assert one is other
            continue
        assert float((one - other).norm()) <= 1e-5 * float(other.norm()) + 1e-12
        compared += 1
    assert compared >= 0.9 * len(found)


@pytest.fixture(scope="module")
def text_to_image(tmp_path_factory: pytest.TempPathFactory) -> School:
    page = recipe(snr_gamma=GAMMA, noise_offset=0.03, batch=2, accumulation=2, flip=True)
    return school(page, tmp_path_factory.mktemp("a"))


def test_text_to_image_lora_takes_the_official_step(text_to_image: School):
    """(A): the mean over a micro-batch of weighted errors, divided by the accumulation."""
    training = begun(text_to_image)
    samples = training.sample_order.samples(0, 0)
    loss, gradients = ours(training, samples)
    total = torch.zeros(())
    for micro in (samples[:2], samples[2:]):
        content = read_pass(micro, text_to_image.spec, 1000, None)
        each = errors(training, content, (content.sequences, content.pooled))
        weighed = each.mean(dim=(1, 2, 3)) * snr_weights(content.times)
        total = total + weighed.mean() / 2
    assert loss == pytest.approx(float(total.detach()), rel=1e-6)
    alike(gradients, plain_gradients(training, total))


def test_noise_has_one_shift_a_channel(text_to_image: School):
    """Without its offset a sample's noise is white; with it each channel's mean is moved."""
    training = begun(text_to_image)
    (sample, *_) = training.sample_order.samples(0, 0)
    with_offset = read_pass([sample], text_to_image.spec, 1000, None).noise
    train = text_to_image.spec.train.model_copy(update={"noise_offset": 0.0})
    plain_spec = text_to_image.spec.model_copy(update={"train": train})
    moved = with_offset - read_pass([sample], plain_spec, 1000, None).noise
    shifts = moved.mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(moved, shifts.expand_as(moved), atol=1e-6)
    assert 0.005 < float(shifts.std()) < 0.1


def words_of(training: training_run.TrainingRun, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The last layer but one of both encoders, side by side; the second's projection."""
    encoders = training.models.encoders
    hidden, pooled = [], torch.empty(0)
    for model, tokenizer in zip(
        (encoders.first, encoders.second), encoders.tokenizers, strict=True
    ):
        ids = tokenizer(
            list(texts), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        output = model(ids, output_hidden_states=True, return_dict=False)
        pooled = output[0]
        hidden.append(output[-1][-2])
    return torch.cat(hidden, dim=-1), pooled


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2])
def test_advanced_dreambooth_takes_the_official_step(batch: int, tmp_path: Path):
    """(C): weighted instances, plus the prior's weight times the plain loss of class images."""
    page = recipe(
        {"caption": {"prefix": "a naruto anime character"}},
        adapter={"rank": 4},
        batch=batch,
        accumulation=1,
        snr_gamma=GAMMA,
        optimizer={"use": "prodigy"},
        phases=[{"steps": 2, "rate": 1.0, "text_encoder_rates": [1.0, 1.0]}],
        prior={"prompt": "a face", "images": 3, "sampler_steps": 2, "weight": 0.7},
    )
    own = school(page, tmp_path)
    training = begun(own)
    samples = training.sample_order.samples(0, 0)
    loss, gradients = ours(training, samples)
    halves = []
    for side in (False, True):
        half = [sample for sample in samples if sample.is_class is side]
        assert len(half) == batch
        content = read_pass(half, own.spec, 1000, training.models.encoders)
        texts = [sample.data.texts[sample.data.readings[sample.number][0]] for sample in half]
        assert all(text.startswith("a face" if side else "a naruto") for text in texts)
        each = errors(training, content, words_of(training, texts))
        halves.append((each, content.times))
    (instance, times), (classes, _) = halves
    total = (instance.mean(dim=(1, 2, 3)) * snr_weights(times)).mean() + 0.7 * classes.mean()
    assert loss == pytest.approx(float(total.detach()), rel=1e-6)
    alike(gradients, plain_gradients(training, total))
    parts = training.models.parts
    assert set(parts) == {"unet", "text_encoder", "text_encoder_2"}
    assert all(float(part[0].grad.norm()) > 0 for part in parts.values())
