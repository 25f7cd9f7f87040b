"""Encoded sets as training reads them: latents mapped from disk, texts, and the batch order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from harness.files import whole
from harness.fingerprint import number_of

TEXTS, READINGS = "texts.json", "readings.json"
Shape = tuple[int, ...]
_FORMATS = {"F16": np.float16, "F32": np.float32, "I64": np.int64}


@dataclass(frozen=True)
class Shard:
    """Some pictures of one shape, each in the same number of views."""

    mean: NDArray[Any]
    std: NDArray[Any]
    """n × V × C × h × w each, mapped from disk."""
    ids: NDArray[Any]
    """n × V × 6 time ids."""
    members: NDArray[np.int64]
    """The number of each picture in its set."""

    @property
    def shape(self) -> Shape:
        return tuple(self.mean.shape[2:])


@dataclass(frozen=True)
class EncodedSet:
    """One set of pictures and their texts."""

    shards: tuple[Shard, ...]
    where: tuple[tuple[int, int], ...]
    """Of each picture, its shard and its row there."""
    names: tuple[str, ...]
    weights: tuple[float, ...]
    texts: Sequence[str]
    readings: Sequence[Sequence[int]]
    """Of each picture, the rows of its captions in `texts`."""
    embeddings: tuple[Mapping[str, NDArray[Any]], ...] = ()
    """`sequences` and `pooled` of every text in shards, if the text encoders do not train."""

    def __len__(self) -> int:
        return len(self.where)

    def shape(self, number: int) -> Shape:
        """Return the shape of a picture's latents."""
        return self.shards[self.where[number][0]].shape

    def embedding(self, row: int) -> tuple[Tensor, Tensor]:
        """Return the stored embedding of one text."""
        shard, index = divmod(row, len(self.embeddings[0]["pooled"]))
        stored = self.embeddings[shard]
        return torch.tensor(stored["sequences"][index]), torch.tensor(stored["pooled"][index])

    def by_shape(self) -> list[NDArray[np.int64]]:
        """Return the numbers of the pictures of each shape."""
        by_shape: dict[Shape, list[NDArray[np.int64]]] = {}
        for shard in self.shards:
            by_shape.setdefault(shard.shape, []).append(shard.members)
        return [np.concatenate(members) for _, members in sorted(by_shape.items())]


def read_set(
    latents: Path, texts: Path, names: Sequence[str], weights: Sequence[float]
) -> EncodedSet:
    """Return the set whose latents and texts are in two finished folders."""
    files = sorted(latents.glob("latents-*.safetensors"))
    shards = tuple(Shard(**mapped(file)) for file in files)
    where: dict[int, tuple[int, int]] = {
        int(number): (index, row)
        for index, shard in enumerate(shards)
        for row, number in enumerate(shard.members)
    }
    return EncodedSet(
        shards=shards,
        where=tuple(where[number] for number in range(len(where))),
        names=tuple(names),
        weights=tuple(weights),
        texts=json.loads((texts / TEXTS).read_text(encoding="utf-8")),
        readings=json.loads((texts / READINGS).read_text(encoding="utf-8")),
        embeddings=tuple(map(mapped, sorted(texts.glob("embeddings-*.safetensors")))),
    )


def mapped(file: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file as arrays that are read from disk when used.

    They are views of one map, so that a set of many shards does not run out of open files.
    """
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        content = mmap(stream.fileno(), 0, access=ACCESS_READ)
    arrays: dict[str, NDArray[Any]] = {}
    for name, facts in header.items():
        if name != "__metadata__":
            begin, shape = 8 + size + facts["data_offsets"][0], tuple(facts["shape"])
            form = _FORMATS[facts["dtype"]]
            arrays[name] = np.frombuffer(content, form, math.prod(shape), begin).reshape(shape)
    return arrays


def save_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file whole or not at all."""
    with whole(file) as part:
        save_file(dict(tensors), part, metadata={"format": "pt"})


class BatchOrder:
    """Which pictures each micro-batch holds: all of one shape, shuffled anew every epoch.

    The pictures of a shape form an endless sequence of shuffles, cut into batches. An epoch takes
    as many batches of each shape as hold all of its pictures, and mixes them. So no picture is
    left out; the next shuffle fills a batch that is not full at the end of an epoch.
    """

    def __init__(
        self, groups: Sequence[NDArray[np.int64]], batch: int, seed: int, name: str
    ) -> None:
        self._groups, self._batch, self._seed, self._name = groups, batch, seed, name
        self._counts = [math.ceil(len(members) / batch) for members in groups]
        self._batches: tuple[int, NDArray[np.int64]] | None = None
        self._shuffles: dict[tuple[int, int], NDArray[np.int64]] = {}

    def __getitem__(self, number: int) -> list[int]:
        """Return the pictures of micro-batch `number`, counted from the start of training."""
        epoch, position = divmod(number, sum(self._counts))
        which = int(self._epoch(epoch)[position])
        group = 0
        while which >= self._counts[group]:
            which -= self._counts[group]
            group += 1
        first = (epoch * self._counts[group] + which) * self._batch
        return [self._at(group, first + offset) for offset in range(self._batch)]

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if self._batches is None or self._batches[0] != epoch:
            rng = np.random.default_rng(number_of(self._seed, "batches", self._name, epoch))
            self._batches = (epoch, rng.permutation(sum(self._counts)))
        return self._batches[1]

    def _at(self, group: int, position: int) -> int:
        members = self._groups[group]
        turn, row = divmod(position, len(members))
        if (group, turn) not in self._shuffles:
            rng = np.random.default_rng(number_of(self._seed, "order", self._name, group, turn))
            self._shuffles = {
                key: kept
                for key, kept in self._shuffles.items()
                if key[0] != group or key[1] >= turn - 1
            }
            self._shuffles[group, turn] = rng.permutation(members)
        return int(self._shuffles[group, turn][row])
