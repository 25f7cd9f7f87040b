"""The arithmetic of a training step, counted layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from harness.diffusion.anatomy import FACTOR, Layer, flops, text_layers, unet_layers
from harness.diffusion.memory import is_trained
from harness.diffusion.shapes import texts_of, unet_of
from harness.pages.train import Train


def training_flops(train: Train, model: str) -> float:
    """Return the FLOPs that one sample needs, forward and backward; what is recomputed for
    gradient checkpointing is not needed and does not count, nor does the adapter itself."""
    side = train.resolution // FACTOR
    total = _both_ways(unet_layers(unet_of(model), side, side), train, "unet", train.trains_text)
    if train.trains_text:
        total += sum(
            _both_ways(text_layers(text), train, "text", False) for text in texts_of(model)
        )
    return total


def _both_ways(
    layers: Iterable[Layer], train: Train, part: Literal["unet", "text"], moving: bool
) -> float:
    """Count the way back from the last layer to the first that is trained, as autograd goes it."""
    total = 0
    for layer in layers:
        moving = moving or is_trained(layer, train, part)
        total += layer.flops * (1 + (_back(layer, train) if moving else 0))
    return float(total)


def _back(layer: Layer, train: Train) -> int:
    """Return the way back in units of the way there: attention has two factors that move, and so
    has a layer whose own weights are trained; a frozen layer has one."""
    return 2 if layer.kind == "attention" or train.adapter is None else 1


def forecast_flops(train: Train, model: str) -> float:
    """Return the FLOPs of a sample as `harness plan` counts them."""
    side = train.resolution // FACTOR
    once = flops(unet_layers(unet_of(model), side, side))
    recomputed = 1 / int(train.gradient_checkpointing) if train.gradient_checkpointing else 0
    return once * ((3 if train.method == "full" else 2) + recomputed)
