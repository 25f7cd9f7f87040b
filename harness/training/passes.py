"""The samples of a step, put into passes: the batches of one forward and backward of the UNet.

Accumulation only saves memory: micro-batches of one shape are merged into passes as large as
memory allows. Every sample has its own random numbers, so it does not matter how they are merged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.diffusion.load import TextEncoders
from harness.diffusion.text_embeddings import embed
from harness.pages.stages import TrainSpec
from harness.training import losses
from harness.training.draws import Purpose, SampleRandom, random_key
from harness.training.sets import BatchOrder, EncodedSet, Shape, Shard
from harness.training.team import Team


@dataclass(frozen=True)
class Sample:
    """One picture of one step, with the random numbers that it draws from."""

    data: EncodedSet
    number: int
    random: SampleRandom
    dropout: float
    """How often it is trained without its caption."""
    is_class: bool = False

    @property
    def name(self) -> str:
        return self.data.names[self.number]

    @property
    def shape(self) -> Shape:
        return self.data.shape(self.number)


@dataclass(frozen=True)
class Pass:
    """Some samples of one shape as tensors."""

    samples: tuple[Sample, ...]
    latents: Tensor
    noise: Tensor
    """What the UNet should predict."""
    seen: Tensor
    """What is added to the latents: the noise, with input perturbation if there is any."""
    times: Tensor
    ids: Tensor
    sequences: Tensor
    pooled: Tensor


class SampleOrder:
    """Which samples each step trains on; depends on the recipe and its seed alone."""

    def __init__(
        self, spec: TrainSpec, sets: Sequence[EncodedSet], class_set: EncodedSet | None, team: Team
    ) -> None:
        train = spec.train
        self._spec, self._sets, self._class_set, self._team = spec, sets, class_set, team
        self._seed = random_key(train.seed)
        self._micros = train.accumulation * train.processes
        self._orders = [
            BatchOrder(each.by_shape(), train.batch, train.seed, f"set {number}")
            for number, each in enumerate(sets)
        ]
        if class_set is not None:
            self._class_order = BatchOrder(class_set.by_shape(), train.batch, train.seed, "class")

    @property
    def idle(self) -> Sample:
        """Return a sample of weight 0, to compute with while other processes have more to do."""
        return Sample(self._sets[0], 0, SampleRandom(self._seed, 0, 0), dropout=0.0)

    def samples(self, phase: int, step: int) -> list[Sample]:
        """Return this process's samples of an optimizer step, micro-batch by micro-batch."""
        which = self._spec.phase_sets[phase]
        dropout = self._spec.caption_dropouts[which]
        samples = []
        for micro in range(self._micros):
            if not self._team.has(micro):
                continue
            batch_number, first = step * self._micros + micro, micro * self._spec.train.batch
            for offset, number in enumerate(self._orders[which][batch_number]):
                random = SampleRandom(self._seed, step, first + offset)
                samples.append(Sample(self._sets[which], number, random, dropout))
            if self._class_set is not None:
                for offset, number in enumerate(self._class_order[batch_number]):
                    random = SampleRandom(self._seed, step, first + offset, side=1)
                    samples.append(Sample(self._class_set, number, random, 0.0, is_class=True))
        return samples


def in_passes(samples: Sequence[Sample], most: int) -> list[tuple[Sample, ...]]:
    """Return the samples in groups of one shape, evenly filled, of at most `most` samples."""
    by_shape: dict[Shape, list[Sample]] = {}
    for sample in samples:
        by_shape.setdefault(sample.shape, []).append(sample)
    passes = []
    for group in by_shape.values():
        size = math.ceil(len(group) / math.ceil(len(group) / most))
        passes += [tuple(group[at : at + size]) for at in range(0, len(group), size)]
    return passes


def salts_of(samples: Sequence[Sample]) -> Tensor:
    """Return the numbers that give each sample its own dropout mask."""
    return torch.tensor([sample.random.salt() for sample in samples], dtype=torch.int32)


def read_pass(
    samples: Sequence[Sample], spec: TrainSpec, timesteps: int, encoders: TextEncoders | None
) -> Pass:
    """Return the tensors of one pass; each sample draws from its own random numbers."""
    train, shape = spec.train, samples[0].shape
    choices = [_choose(sample, timesteps) for sample in samples]
    noise = _normal(samples, Purpose.NOISE, shape)
    if train.noise_offset:
        shift = _normal(samples, Purpose.OFFSET, (shape[0], 1, 1))
        noise = losses.offset(noise, train.noise_offset, shift)
    seen = noise
    if train.input_perturbation:
        extra = _normal(samples, Purpose.PERTURBATION, shape)
        seen = losses.perturbed(noise, train.input_perturbation, extra)
    mean, std = _stacked(choices, "mean").float(), _stacked(choices, "std").float()
    sequences, pooled = _text_embeddings(
        samples, [each.row for each in choices], encoders, spec.chunks
    )
    return Pass(
        samples=tuple(samples),
        latents=mean + std * _normal(samples, Purpose.POSTERIOR, shape),
        noise=noise,
        seen=seen,
        times=torch.tensor([each.time for each in choices]),
        ids=_stacked(choices, "ids"),
        sequences=sequences,
        pooled=pooled,
    )


@dataclass(frozen=True)
class _Choices:
    """The random choices of one sample."""

    shard: Shard
    index: tuple[int, int]
    """Its row in the shard, and its view."""
    row: int
    """The row of its caption among the texts."""
    time: int


def _choose(sample: Sample, timesteps: int) -> _Choices:
    data = sample.data
    shard, index = data.where[sample.number]
    view, reading, shown, time = sample.random.uniform(4)
    rows = data.readings[sample.number]
    return _Choices(
        shard=data.shards[shard],
        index=(index, int(view * data.shards[shard].mean.shape[1])),
        row=0 if shown < sample.dropout else rows[int(reading * len(rows))],
        time=int(time * timesteps),
    )


def _normal(samples: Sequence[Sample], purpose: Purpose, shape: Shape) -> Tensor:
    return torch.stack([sample.random.normal(purpose, shape) for sample in samples])


def _stacked(choices: Sequence[_Choices], name: str) -> Tensor:
    return torch.from_numpy(np.stack([getattr(each.shard, name)[each.index] for each in choices]))


def _text_embeddings(
    samples: Sequence[Sample], rows: Sequence[int], encoders: TextEncoders | None, chunks: int
) -> tuple[Tensor, Tensor]:
    """Return the embeddings of the texts: computed now if the encoders train, else looked up."""
    if encoders is not None:
        texts = [sample.data.texts[row] for sample, row in zip(samples, rows, strict=True)]
        return embed(texts, encoders, chunks)
    pairs = [sample.data.embedding(row) for sample, row in zip(samples, rows, strict=True)]
    sequences, pooled = (torch.stack(parts).float() for parts in zip(*pairs, strict=True))
    return sequences, pooled
