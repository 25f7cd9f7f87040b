"""What all pocket models learn from: the drawings of one bake, with their words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.pocket.world import Row, row
from tools.bake.fit import Schedule, fit

log = logging.getLogger("harness.bake")
SEED = 20
FACES, NINJAS = 20_000, 3_000
"""Rows the bake draws; its ninjas lie outside both what recipes train on and the reference."""
NINJA_OFFSET = 200_000
QUALITY = "masterpiece, best quality"


class Bake:
    """The folders of one bake and the drawings that its parts share."""

    def __init__(self, out: Path, work: Path, share: float = 1.0) -> None:
        self.out, self.work, self.share = out, work, share
        self.work.mkdir(parents=True, exist_ok=True)
        self._pixels: NDArray[np.uint8] | None = None
        self._rows: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """The faces, then the ninjas."""
        if self._rows is None:
            faces = [row("faces", index) for index in range(FACES)]
            ninjas = [row("ninja", NINJA_OFFSET + index) for index in range(NINJAS)]
            self._rows = faces + ninjas
        return self._rows

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All rows drawn, N × 64 × 64 × 3."""
        if self._pixels is None:
            file = self.work / "pixels.npy"
            if not file.exists():
                log.info("drawing %d pictures", len(self.rows))
                part = self.work / "part.npy"
                np.save(part, np.stack([np.asarray(each.image()) for each in self.rows]))
                part.replace(file)
            self._pixels = np.load(file, mmap_mode="r")
        return self._pixels

    def images(self, index: NDArray[np.int64]) -> Tensor:
        """Return pictures as N × 3 × 64 × 64 in [-1, 1]."""
        return as_tensor(self.pixels[np.sort(index)])

    def train(
        self,
        name: str,
        modules: dict[str, nn.Module],
        loss_of: Callable[[int, np.random.Generator], Tensor],
        schedule: Schedule,
    ) -> None:
        steps = max(2, round(schedule.steps * self.share))
        shorter = Schedule(steps, schedule.rate, min(schedule.warmup, steps // 2), schedule.ema)
        fit(name, modules, loss_of, shorter, self.work, SEED)


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def words_of(each: Row, rng: np.random.Generator) -> str:
    """Return what the base and CLIP read of a row: tags in some order, or a sentence."""
    if rng.random() < 0.35:
        return each.caption
    head, rest = list(each.tags[:1]), list(each.tags[1:])
    if rng.random() < 0.6:
        rest = [tag for tag in rest if rng.random() > 0.12]
        rng.shuffle(rest)
    quality = [QUALITY] if rng.random() < 0.3 else []
    return ", ".join([*quality, *head, *rest])
