"""The samples and passes of each step; on a GPU the next ones are read while it is busy.

Every sample has its own random numbers, so it does not matter when it is read, or in which thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice

from harness.pages.train import Train
from harness.training.objective import Inputs, Objective
from harness.training.passes import Sample, SampleOrder, in_passes
from harness.training.schedules import phase_of
from harness.training.trained_models import TrainedModels

AHEAD = 2
"""Passes that are read ahead on a GPU."""
Group = tuple[Sample, ...]
"""The samples of one pass."""


def passes_ahead(models: TrainedModels) -> int:
    """Return how many passes to read ahead: none on a CPU, which has nothing else to do then.

    None either if text encoders are trained, as their texts are embedded when a pass is read.
    """
    return 0 if models.device == "cpu" or models.encoders is not None else AHEAD


class Reader:
    """Reads passes when they are asked for, or a little ahead in a thread of its own."""

    def __init__(self, train: Train, order: SampleOrder, objective: Objective, ahead: int) -> None:
        self._train, self._order, self._objective = train, order, objective
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, "harness-reader") if ahead else None
        self._steps: dict[int, list[Sample]] = {}
        self._waiting: dict[tuple[int, ...], tuple[Group, Future[Inputs]]] = {}

    def samples(self, step: int) -> list[Sample]:
        """Return this process's samples of a step; asked for twice, they are the same objects."""
        if step not in self._steps:
            phase, _ = phase_of(self._train, step)
            recent = {number: held for number, held in self._steps.items() if number == step - 1}
            self._steps = recent | {step: self._order.samples(phase, step)}
        return self._steps[step]

    def read(self, group: Group) -> Inputs:
        """Return the tensors of one pass."""
        _, future = self._waiting.pop(_name(group), (group, None))
        return self._objective.read(group) if future is None else future.result()

    def read_ahead(self, groups: Iterable[Group], step: int) -> None:
        """Begin to read the next of `groups`, which are left of `step`, or those of the step after.

        Passes that were read ahead and are not among them are dropped.
        """
        if self._thread is None:
            return
        coming = islice(chain(groups, self._groups(step + 1)), self._ahead)
        before, self._waiting = self._waiting, {}
        for group in coming:
            name = _name(group)
            waiting = before.get(name)
            self._waiting[name] = waiting or (
                group,
                self._thread.submit(self._objective.read, group),
            )

    def _groups(self, step: int) -> Sequence[Group]:
        if step >= self._train.steps:
            return ()
        return in_passes(self.samples(step), self._objective.most)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)


def _name(group: Group) -> tuple[int, ...]:
    """Return what tells a pass from others; it holds while the samples are kept."""
    return tuple(map(id, group))
