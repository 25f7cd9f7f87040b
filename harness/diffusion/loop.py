"""The training loop: from encoded sets to trained weights, resumable at any optimizer step.

All randomness of a micro-step comes from (seed, step, micro-step) by counter, and the order of
samples from (seed, epoch). So a run that was killed goes on bit for bit as if it had not been,
and no other part of the program can disturb it.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from harness import plugins
from harness.diffusion import losses
from harness.diffusion.adapters import add_adapter
from harness.diffusion.checkpoint import read_state, write_state
from harness.diffusion.load import (
    TextEncoders,
    dtype_for,
    load_noise_schedule,
    load_text_encoders,
    load_unet,
)
from harness.diffusion.schedules import multiplier_at
from harness.diffusion.words import embed
from harness.errors import TrainingError
from harness.fingerprint import number_of
from harness.interfaces import Progress, Report
from harness.recipe import Train
from harness.steps import TrainSpec

log = logging.getLogger(__name__)
STATE = "scratch-state.safetensors"
SECONDS_BETWEEN_STATES = 20.0


@dataclass(frozen=True)
class EncodedSet:
    """One set as the loop reads it; every picture has the same number of views."""

    mean: Tensor
    std: Tensor
    """N × V × C × h × w each."""
    ids: Tensor
    """N × V × 6 time ids."""
    captions: Sequence[str]
    rows: Tensor | None = None
    """N: each picture's row of `sequences`, where captions are embedded already."""
    sequences: Tensor | None = None
    pooled: Tensor | None = None

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Batch:
    """What one micro-step reads."""

    latents: Tensor
    ids: Tensor
    sequences: Tensor
    pooled: Tensor


@dataclass
class Trainee:
    """The models of one run, and which of their parameters move."""

    unet: UNet2DConditionModel
    encoders: TextEncoders | None
    train: Train
    device: str
    models: dict[str, nn.Module] = field(default_factory=dict)
    """The models that are trained, by the part they are."""

    def parameters(self, part: str) -> list[nn.Parameter]:
        return [each for each in self.models[part].parameters() if each.requires_grad]

    def tensors(self) -> dict[str, Tensor]:
        return {
            f"{part}.{name}": parameter
            for part, model in self.models.items()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }


def prepare(spec: TrainSpec, device: str) -> Trainee:
    """Load what the recipe trains, with fresh adapters where it trains a LoRA."""
    train = spec.train
    dtype = dtype_for(train.precision, device)
    if dtype == torch.float16:
        raise TrainingError("fp16 training on a GPU needs loss scaling, which is not there yet",
                            hint="use precision bf16 or fp32, or --device cpu")  # fmt: skip
    weights = torch.float32 if train.method == "full" else dtype
    trains_text = any(phase.text_encoder_rates for phase in train.phases)
    unet = load_unet(spec.base, device, weights)
    encoders = load_text_encoders(spec.base, device, weights) if trains_text else None
    trainee = Trainee(unet, encoders, train, device, {"unet": unet})
    if encoders is not None:
        trainee.models |= {"text_encoder": encoders.first, "text_encoder_2": encoders.second}
    torch.manual_seed(number_of(train.seed, "init"))
    kept = torch.bfloat16 if train.adapter_dtype == "bfloat16" else torch.float32
    for part, model in trainee.models.items():
        if train.adapter is not None:
            add_adapter(model, train.adapter, part, kept)
        else:
            model.requires_grad_(True)
        model.train()
        if train.gradient_checkpointing and device != "cpu":
            _checkpoint_gradients(model)
    return trainee


def _checkpoint_gradients(model: nn.Module) -> None:
    enable = getattr(model, "enable_gradient_checkpointing", None) or getattr(
        model, "gradient_checkpointing_enable", None
    )
    if enable is not None:
        enable()


def run(
    spec: TrainSpec, sets: Sequence[EncodedSet], trainee: Trainee, folder: Path, report: Report
) -> None:
    """Train to the last step of the last phase, going on from the state in `folder` if any."""
    train = spec.train
    optimizer = _optimizer(trainee)
    losses_so_far: list[float] = []
    state = folder / STATE
    if state.exists():
        weights, facts = read_state(state, optimizer)
        with torch.no_grad():
            for name, parameter in trainee.tensors().items():
                parameter.copy_(weights[name])
        losses_so_far = facts["losses"]
        log.info("training goes on at step %d of %d", len(losses_so_far), train.steps)
    teacher = _Teacher(spec, sets, trainee)
    saved = time.monotonic()
    for step in range(len(losses_so_far), train.steps):
        losses_so_far.append(_one_step(teacher, optimizer, step))
        report(Progress(step + 1, train.steps, f"loss {_recent(losses_so_far):.4f}"))
        due = train.checkpoint_every and (step + 1) % train.checkpoint_every == 0
        if due or time.monotonic() - saved > SECONDS_BETWEEN_STATES:
            write_state(state, trainee.tensors(), optimizer, {"losses": losses_so_far})
            saved = time.monotonic()
    _write_log(train, losses_so_far, folder / "log.jsonl")


def _recent(values: Sequence[float]) -> float:
    return float(np.mean(values[-25:]))


def _write_log(train: Train, values: Sequence[float], file: Path) -> None:
    lines = []
    for step, loss in enumerate(values):
        phase, factor = multiplier_at(train, step)
        rate = train.phases[phase].rate * factor
        lines.append(json.dumps({"step": step + 1, "loss": round(loss, 6), "rate": rate}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _optimizer(trainee: Trainee) -> torch.optim.Optimizer:
    groups = [
        {"params": trainee.parameters(part), "lr": trainee.train.phases[0].rate}
        for part in trainee.models
    ]
    spec = trainee.train.optimizer
    optimizer: torch.optim.Optimizer = plugins.implementation(spec)(spec, groups)
    return optimizer


def _one_step(teacher: _Teacher, optimizer: torch.optim.Optimizer, step: int) -> float:
    """Take one optimizer step; return its mean loss."""
    trainee, train = teacher.trainee, teacher.trainee.train
    index, factor = multiplier_at(train, step)
    phase = train.phases[index]
    rates = [phase.rate, *(phase.text_encoder_rates or ())]
    for group, rate in zip(optimizer.param_groups, rates, strict=False):
        group["lr"] = rate * factor
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=trainee.device)
    for micro in range(train.accumulation):
        loss = teacher.loss(index, step, micro)
        (loss / train.accumulation).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    value = float(total) / train.accumulation
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss is {value} at step {step + 1}",
            hint="lower the rate, or train in fp32; the state before it is kept",
        )
    everything = [each for part in trainee.models for each in trainee.parameters(part)]
    torch.nn.utils.clip_grad_norm_(everything, train.max_grad_norm)
    optimizer.step()
    return value


class _Teacher:
    """What stays the same from step to step: the sets, the noise schedule, the models."""

    def __init__(self, spec: TrainSpec, sets: Sequence[EncodedSet], trainee: Trainee) -> None:
        scheduler = load_noise_schedule(spec.base)
        self.trainee, self.sets, self.spec = trainee, sets, spec
        self.kept = scheduler.alphas_cumprod
        self.prediction = str(scheduler.config.prediction_type)
        self.orders = [_Order(len(each), spec.train.seed, i) for i, each in enumerate(sets)]

    def loss(self, phase: int, step: int, micro: int) -> Tensor:
        """Return the loss of one micro-step, drawn from (seed, step, micro) alone."""
        train, device = self.trainee.train, self.trainee.device
        generator = torch.Generator().manual_seed(number_of(train.seed, "step", step, micro))
        torch.manual_seed(number_of(train.seed, "dropout", step, micro))
        batch = self._batch(phase, step, micro, generator)
        shape = batch.latents.shape
        noise = losses.offset(
            torch.randn(shape, generator=generator), train.noise_offset, generator
        )
        times = torch.randint(0, len(self.kept), shape[:1], generator=generator)
        noisy = losses.add_noise(batch.latents, noise, self.kept, times)
        target = losses.target_of(batch.latents, noise, self.kept, times, self.prediction)
        unet = self.trainee.unet
        dtype = dtype_for(train.precision, device)
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            predicted = unet(
                noisy.to(device, unet.dtype),
                times.to(device),
                batch.sequences.to(device, unet.dtype),
                added_cond_kwargs={
                    "text_embeds": batch.pooled.to(device, unet.dtype),
                    "time_ids": batch.ids.to(device, unet.dtype),
                },
            ).sample
        return losses.denoising_loss(predicted, target.to(device), self._weight(times))

    def _weight(self, times: Tensor) -> Tensor | None:
        gamma = self.trainee.train.snr_gamma
        if gamma is None:
            return None
        ratio = losses.signal_to_noise(self.kept, times)
        weight = losses.min_snr_weight(ratio, gamma, self.prediction)
        return weight.to(self.trainee.device)

    def _batch(self, phase: int, step: int, micro: int, generator: torch.Generator) -> Batch:
        train = self.trainee.train
        number = self.spec.phase_sets[phase]
        data, order = self.sets[number], self.orders[number]
        first = (step * train.accumulation + micro) * train.batch
        index = torch.from_numpy(order.take(first, train.batch))
        view = torch.randint(0, data.mean.shape[1], (train.batch,), generator=generator)
        mean, std = data.mean[index, view].float(), data.std[index, view].float()
        latents = mean + std * torch.randn(mean.shape, generator=generator)
        shown = torch.rand(train.batch, generator=generator) >= self.spec.caption_dropout
        sequences, pooled = self._words(data, index, shown)
        return Batch(latents, data.ids[index, view], sequences, pooled)

    def _words(self, data: EncodedSet, index: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """Return the words of each sample; where they are not shown, those of the empty text."""
        encoders = self.trainee.encoders
        if encoders is not None:
            texts = [data.captions[i] if s else "" for i, s in zip(index, shown, strict=True)]
            return embed(texts, encoders)
        assert data.rows is not None
        assert data.sequences is not None
        assert data.pooled is not None
        rows = torch.where(shown, data.rows[index], 0)
        return data.sequences[rows].float(), data.pooled[rows].float()


class _Order:
    """The order in which a set is gone through: a fresh shuffle every epoch."""

    def __init__(self, size: int, seed: int, number: int) -> None:
        self._size, self._seed, self._number = size, seed, number
        self._known: dict[int, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}

    def take(self, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the samples at places `first` to `first + count` of the endless sequence."""
        return np.array([self._at(place) for place in range(first, first + count)])

    def _at(self, place: int) -> int:
        epoch = place // self._size
        if epoch not in self._known:
            rng = np.random.default_rng(number_of(self._seed, "order", self._number, epoch))
            self._known = {epoch: rng.permutation(self._size)} | {
                old: kept for old, kept in self._known.items() if old == epoch - 1
            }
        return int(self._known[epoch][place % self._size])
