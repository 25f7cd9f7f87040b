"""The loss probe: pictures under noise that belongs to them, whichever weights are asked.

The noise of a question depends on (seed, row, timestep, number) alone: not on the set that the row
stands in, on its place there, or on the batch. So the base and every checkpoint are asked about
the same pictures under the same noise. The loss is the plain mean square of training's own target
(epsilon or v): without min-SNR, Huber, noise offset, input perturbation or caption dropout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor

from harness.diffusion.load import TextEncoders, load_noise_schedule
from harness.diffusion.text_embeddings import embed
from harness.fingerprint import number_of
from harness.halving import Halving
from harness.pages.recipe import Base
from harness.training import losses
from harness.training.draws import Purpose
from harness.training.sets import EncodedSet, Shape

VIEW = 0
"""The view of a picture that is asked about: the first crop, not mirrored."""


@dataclass(frozen=True)
class Grid:
    """The timesteps and noises at which every picture is asked about."""

    timesteps: tuple[int, ...]
    noises: int = 1
    seed: int = 0

    @property
    def points(self) -> list[tuple[int, int]]:
        """Return each timestep with the number of each noise, timesteps first."""
        return [(time, number) for time in self.timesteps for number in range(self.noises)]


def even_grid(count: int, noises: int = 1, timesteps: int = 1000) -> Grid:
    """Return the middles of `count` equal stretches of the noise schedule."""
    return Grid(tuple((2 * at + 1) * timesteps // (2 * count) for at in range(count)), noises)


@dataclass(frozen=True)
class ProbedPicture:
    """One picture of a set, and the id of its row, to which its noise belongs."""

    data: EncodedSet
    number: int
    id: str

    @property
    def shape(self) -> Shape:
        return self.data.shape(self.number)

    @property
    def text(self) -> int:
        """Return the row of its first caption."""
        return self.data.readings[self.number][0]


@dataclass(frozen=True)
class Question:
    """One picture under one noise."""

    picture: ProbedPicture
    time: int
    noise: int

    def normal(self, purpose: Purpose, seed: int) -> Tensor:
        """Return normal numbers that belong to (seed, row, timestep, number)."""
        key = number_of(seed, "probe", self.picture.id)
        counter = [0, purpose, self.noise, self.time]
        stream = np.random.Generator(np.random.Philox(key=key, counter=counter))
        return torch.from_numpy(stream.standard_normal(self.picture.shape, np.float32))


@dataclass(frozen=True)
class Asked:
    """Some questions about pictures of one shape, as tensors on the CPU."""

    noisy: Tensor
    times: Tensor
    target: Tensor
    ids: Tensor
    sequences: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Denoiser:
    """A UNet, and how it is asked: its noise schedule, what it predicts, and its text encoders."""

    unet: UNet2DConditionModel
    kept: Tensor
    """The noise schedule's cumulated alphas."""
    prediction: str
    device: str
    encoders: TextEncoders | None = None
    """Both text encoders, if training changes them; else the stored embeddings are read."""
    chunks: int = 1

    def read(self, questions: Sequence[Question], seed: int = 0) -> Asked:
        """Return the tensors of questions about pictures of one shape."""
        mean, std = (_stacked(questions, name).float() for name in ("mean", "std"))
        noise = torch.stack([each.normal(Purpose.NOISE, seed) for each in questions])
        drawn = torch.stack([each.normal(Purpose.POSTERIOR, seed) for each in questions])
        clean = mean + std * drawn
        times = torch.tensor([each.time for each in questions])
        sequences, pooled = self._embeddings(questions)
        return Asked(
            noisy=losses.add_noise(clean, noise, self.kept, times),
            times=times,
            target=losses.target_of(clean, noise, self.kept, times, self.prediction),
            ids=_stacked(questions, "ids"),
            sequences=sequences,
            pooled=pooled,
        )

    def losses(self, asked: Asked) -> Tensor:
        """Return the loss of each question, with the graph of its gradients where one is kept."""
        dtype, to = self.unet.dtype, self.device
        noisy = asked.noisy.to(to, dtype, memory_format=torch.channels_last)
        autocast = torch.autocast(to.split(":")[0], dtype, enabled=dtype != torch.float32)
        with autocast:
            predicted = self.unet(
                noisy,
                asked.times.to(to),
                asked.sequences.to(to, dtype),
                added_cond_kwargs={
                    "text_embeds": asked.pooled.to(to, dtype),
                    "time_ids": asked.ids.to(to),
                },
            ).sample
        return losses.sample_losses(predicted, asked.target.to(to), None)

    @torch.no_grad()
    def answer(self, questions: Sequence[Question], seed: int = 0) -> list[float]:
        """Return the loss of each question about pictures of one shape."""
        found: list[float] = self.losses(self.read(questions, seed)).cpu().tolist()
        return found

    def _embeddings(self, questions: Sequence[Question]) -> tuple[Tensor, Tensor]:
        pictures = [each.picture for each in questions]
        if self.encoders is not None:
            texts = [each.data.texts[each.text] for each in pictures]
            return embed(texts, self.encoders, self.chunks)
        pairs = [each.data.embedding(each.text) for each in pictures]
        sequences, pooled = (torch.stack(parts).float() for parts in zip(*pairs, strict=True))
        return sequences, pooled


def schedule_of(
    base: Base, prediction: str | None = None, zero_terminal_snr: bool = False
) -> tuple[Tensor, str]:
    """Return the cumulated alphas of a training on `base`, and what its UNet predicts."""
    scheduler = load_noise_schedule(base)
    kept = scheduler.alphas_cumprod
    kind = prediction or str(scheduler.config.prediction_type)
    return (losses.zero_terminal(kept) if zero_terminal_snr else kept), kind


def in_batches(questions: Sequence[Question], size: int) -> list[list[Question]]:
    """Return questions in batches of one shape, in order within each shape."""
    by_shape: dict[Shape, list[Question]] = {}
    for each in questions:
        by_shape.setdefault(each.picture.shape, []).append(each)
    return [
        group[at : at + size] for group in by_shape.values() for at in range(0, len(group), size)
    ]


def ask(
    denoiser: Denoiser, pictures: Sequence[ProbedPicture], grid: Grid, batch: int
) -> NDArray[np.float64]:
    """Return the loss of every picture (rows) at every point of the grid (columns).

    A batch that the memory is too small for is asked in halves.
    """
    points, found = grid.points, np.empty((len(pictures), len(grid.points)))
    questions = [Question(picture, *point) for picture in pictures for point in points]
    places = {id(each): divmod(at, len(points)) for at, each in enumerate(questions)}
    halving = Halving("questions")
    for group in in_batches(questions, batch):
        parts = halving.run(lambda part: denoiser.answer(part, grid.seed), group)
        answers = [loss for part in parts for loss in part]
        for each, loss in zip(group, answers, strict=True):
            found[places[id(each)]] = loss
    return found


def chosen(ids: Sequence[str], count: int) -> list[int]:
    """Return the places of at most `count` rows, chosen by their ids alone, in order."""
    by_draw = sorted(range(len(ids)), key=lambda at: (number_of("probe", ids[at]), ids[at]))
    return sorted(by_draw[:count])


def _stacked(questions: Sequence[Question], name: str) -> Tensor:
    rows: list[Any] = []
    for each in questions:
        shard, row = each.picture.data.where[each.picture.number]
        rows.append(getattr(each.picture.data.shards[shard], name)[row, VIEW])
    return torch.from_numpy(np.stack(rows))
