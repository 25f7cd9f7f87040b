"""Run batches that a GPU may be too small for: what does not fit is tried in halves."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TypeVar

Batch = TypeVar("Batch", bound=Any)
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Halving:
    """Work on batches that can be cut; a size that did not fit once is not tried again.

    An image's numbers depend on its batch in their last digits, as everywhere on a GPU.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._most = sys.maxsize

    def run(self, work: Callable[[Batch], Result], batch: Batch) -> list[Result]:
        """Return what `work` makes of a batch, one result a part; a part of 1 must fit."""
        results: list[Result] = []
        start = 0
        while start < len(batch):
            part = batch[start : start + self._most]
            if self._fits(work, part, results):
                start += len(part)
            else:  # outside `except`, where the error no longer holds what it was computing
                self._halve(len(part))
        return results

    def _fits(self, work: Callable[[Batch], Result], part: Batch, results: list[Result]) -> bool:
        try:
            results.append(work(part))
        except RuntimeError as error:
            if type(error).__name__ != "OutOfMemoryError" or len(part) == 1:
                raise
            return False
        return True

    def _halve(self, size: int) -> None:
        self._most = size // 2
        log.warning("out of memory: from now on %s at once: %d", self._title, self._most)
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
