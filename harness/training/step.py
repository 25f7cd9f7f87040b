"""One optimizer step: the rates, the gradients of all samples, and the move of the weights.

All randomness belongs to (seed, step, sample). So how samples are merged into passes, or shared
out over processes, changes the gradients only by the order of additions.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.diffusion.load import dtype_for
from harness.errors import TrainingError
from harness.training.passes import Sample, in_passes
from harness.training.schedules import multiplier_at
from harness.training.sharding import full_tensor, take_step
from harness.training.training_run import TrainingRun

log = logging.getLogger(__name__)
LIMIT = 1e5
"""The largest loss that training goes on with: the loss of an untrained network is about one, and
the largest weight of a timestep about a thousand."""


def one_step(run: TrainingRun) -> dict[str, Any]:
    """Take one optimizer step; return its figures for the log."""
    train = run.spec.train
    phase, factor = multiplier_at(train, run.step)
    rates = _rates(run, phase)
    for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    loss, norm = _finite_gradients(run, run.reader.samples(run.step), rates)
    with run.clock.on("optimizer"):
        take_step(run.optimizer, train.optimizer.state_scope)
        run.scale.note_good_step()
        if run.averages is not None:
            run.averages.add(run.models.tensors, run.step)
    facts = {
        "step": run.step + 1,
        "loss": round(loss, 6),
        "rate": rates[0] * factor,
        "grad_norm": round(norm, 6),
    }
    step_size = run.optimizer.param_groups[0].get("d")
    if step_size is not None:
        facts["d"] = float(step_size)
    if run.scale.moves:
        facts["overflows"] = run.scale.overflows
    return facts


def _finite_gradients(
    run: TrainingRun, samples: Sequence[Sample], rates: Sequence[float]
) -> tuple[float, float]:
    """Fill and clip the gradients; return the loss and their norm.

    After an overflow of half precision it tries again at a smaller scale.

    Here the step waits for the device, once. To look a step later would not do: after a step with
    a gradient that is not finite the weights that could name its pictures are gone, and so are
    those that the second try starts from. The device idles only while the optimizer's few kernels
    and the first ones of the next pass are started.
    """
    while True:
        total = _gradients_that_fit(run, samples)
        with run.clock.on("optimizer"):
            _drop_gradients_without_rate(run, rates)
            clipped = torch.nn.utils.clip_grad_norm_(run.parameters, run.spec.train.max_grad_norm)
            length = full_tensor(clipped)
        loss, norm = torch.stack((total, length.to(total))).tolist()
        if math.isfinite(loss) and math.isfinite(norm) and loss < LIMIT:
            return loss, norm
        if not (loss < LIMIT and run.scale.halve()):
            raise _divergence(run, samples, loss)


def _rates(run: TrainingRun, phase: int) -> list[float]:
    """Return the unscheduled rate of every part in this phase; 0 if it does not train."""
    asked = run.spec.train.phases[phase]
    first, second = asked.text_encoder_rates or (0.0, 0.0)
    by_part = {
        "unet": asked.rate,
        "text_encoder": first,
        "text_encoder_2": second,
        "tokens": asked.token_rate or 0.0,
    }
    return [by_part[part] for part in run.models.parts]


def _drop_gradients_without_rate(run: TrainingRun, rates: Sequence[float]) -> None:
    """Drop the gradients of parts that do not train now, so that no moment collects them."""
    for rate, parameters in zip(rates, run.models.parts.values(), strict=True):
        if not rate:
            for parameter in parameters:
                parameter.grad = None


def _gradients_that_fit(run: TrainingRun, samples: Sequence[Sample]) -> Tensor:
    """Fill the gradients; if the GPU runs out of memory, fill them in passes half as large.

    Smaller passes round differently, so the deterministic mode does not take them.
    """
    is_fixed = run.spec.train.deterministic or run.is_sharded
    while True:
        try:
            return gradients(run, samples)
        except torch.OutOfMemoryError:
            if is_fixed or run.objective.most == 1:
                raise
        run.objective.most //= 2  # out of the `except`, whose error holds on to activations
        run.context.notes["samples_per_pass"] = run.objective.most
        torch.cuda.empty_cache()
        log.warning("out of memory: from now on a pass holds %d samples", run.objective.most)


def gradients(run: TrainingRun, samples: Sequence[Sample]) -> Tensor:
    """Fill the gradients of one step from all of its samples; return the mean loss."""
    run.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=run.models.device)
    passes = _weighted_passes(run, in_passes(samples, run.objective.most))
    with run.casts.held(dtype_for(run.spec.train.precision, run.models.device)):
        for number, (group, weight) in enumerate(passes, 1):
            with run.clock.on("data"):
                inputs = run.reader.read(group)
                run.reader.read_ahead((group for group, _ in passes[number:]), run.step)
            with run.clock.on("unet"):
                loss = weight * run.objective.loss(inputs) / run.spec.train.effective_batch
                (loss * run.scale.value).backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
    total = run.team.add_up(run.parameters, total)  # type: ignore[arg-type]
    if run.scale.moves:
        filled = [each.grad for each in run.parameters if each.grad is not None]
        torch._foreach_div_(filled, run.scale.value)
    return total


def _weighted_passes(
    run: TrainingRun, groups: list[tuple[Sample, ...]]
) -> list[tuple[tuple[Sample, ...], float]]:
    """Return the passes and their weights.

    Processes with sharded weights must compute equally often, so spare passes weigh nothing.
    """
    spare = max(run.team.gather(len(groups))) - len(groups) if run.is_sharded else 0
    return [*((group, 1.0) for group in groups), *[((run.sample_order.idle,), 0.0)] * spare]


def _divergence(run: TrainingRun, samples: Sequence[Sample], loss: float) -> TrainingError:
    """Return the error that names the step, and the samples with a bad loss or gradient."""
    bad = [
        sample.name for sample, weight in _one_by_one(run, samples) if _is_bad(run, sample, weight)
    ]
    names = [name for names in run.team.gather(bad) for name in names]
    origin = f", from {', '.join(dict.fromkeys(names))[:200]}" if names else ""
    what = f"the loss is {loss:.4g}" if not loss < LIMIT else "the gradients are not finite"
    checkpoints = sorted((run.context.folder / "checkpoints").glob("*"))
    last = f"; the last checkpoint is {checkpoints[-1]}" if checkpoints else ""
    return TrainingError(f"{what} at step {run.step + 1}{origin}", hint=f"{_remedy(run)}{last}")


def _remedy(run: TrainingRun) -> str:
    """Return what to do about a loss or gradients that are not finite."""
    if run.scale.moves:
        return "fp16 overflows above 65504: set train.precision to bf16 or fp32, or lower the rate"
    if run.spec.train.precision == "fp32":
        return "lower the rate, or look at these pictures"
    return "lower the rate, or train in fp32"


def _one_by_one(run: TrainingRun, samples: Sequence[Sample]) -> list[tuple[Sample, float]]:
    """Return the samples and their weights; with sharded weights, one sample at a time of all."""
    if not run.is_sharded:
        return [(sample, 1.0) for sample in samples]
    mine, idle = run.team.rank, run.sample_order.idle
    turns = [
        (rank, number)
        for rank, count in enumerate(run.team.gather(len(samples)))
        for number in range(count)
    ]
    return [(samples[number], 1.0) if rank == mine else (idle, 0.0) for rank, number in turns]


def _is_bad(run: TrainingRun, sample: Sample, weight: float) -> bool:
    """Return whether a sample has a loss too large or a gradient that is not finite."""
    run.optimizer.zero_grad(set_to_none=True)
    loss = weight * run.objective.loss(run.objective.read([sample]))
    loss.backward()  # type: ignore[no-untyped-call]
    filled = [parameter.grad for parameter in run.parameters if parameter.grad is not None]
    norm = full_tensor(torch.nn.utils.get_total_norm(filled))
    is_good = float(loss.detach()) < LIMIT and math.isfinite(float(norm))
    return bool(weight) and not is_good
