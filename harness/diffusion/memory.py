"""How many bytes a run holds at its worst moment, counted layer by layer; pure.

Counted as the training loop works: a frozen base in its own precision, everything that moves in
fp32 under autocast, attention that keeps no matrix of tokens × tokens, models loaded one stage
at a time. What libraries take for themselves is estimated, everything else is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from harness.diffusion.anatomy import (
    FACTOR,
    Layer,
    adapter_parameters,
    parameters,
    rank_of,
    text_layers,
    texts_of,
    unet_layers,
    unet_of,
)
from harness.pages.train import Train

LIBRARIES = 800_000_000
"""Bytes that cuBLAS, cuDNN and the allocator's rounding take; an estimate."""
CUDA_SHARE = 0.85
"""The share of a card's memory that passes are made to fit into; the rest is for what varies."""
CPU_BUDGET = 6 * 2**30
"""The same on a CPU, whatever the machine has."""
FP32 = 4


@dataclass(frozen=True)
class Upkeep:
    """What an optimizer holds for each parameter in fp32, in bytes."""

    state: float
    spare: float = 0
    """Only while it takes its step, when activations are gone."""


_OPTIMIZERS = {
    "adamw": Upkeep(8),
    "adamw-8bit": Upkeep(2),
    "prodigy": Upkeep(16),
    "schedule-free": Upkeep(8, 4),
    "adafactor": Upkeep(0.4),  # factored: the rows and columns of a matrix
    "came": Upkeep(4.8),  # factored twice, but for its momentum
    "lion": Upkeep(4, 4),
}


def upkeep(train: Train) -> Upkeep:
    """Return what the run's optimizer holds; that of AdamW for one that is not ours."""
    return _OPTIMIZERS.get(train.optimizer.use, _OPTIMIZERS["adamw"])


@dataclass(frozen=True)
class Memory:
    """The bytes of a training run, by what they are for."""

    weights: int
    """The models, in the precision they are loaded in."""
    trained: int
    """What moves beside them: an adapter, new tokens, a running mean."""
    gradients: int
    state: int
    copies: int
    """What autocast holds in half precision of weights that are in fp32."""
    sample: int
    """Activations that one sample of a pass keeps for its way back."""
    spare: int
    """What the optimizer needs only while it takes its step."""

    @property
    def standing(self) -> int:
        """Return what is there in every moment."""
        lasting = self.weights + self.trained + self.gradients + self.state
        return lasting + self.copies + LIBRARIES

    def peak(self, samples: int) -> int:
        """Return the worst moment, with so many samples in one pass."""
        return self.standing + max(samples * self.sample, self.spare - self.copies)


def memory_of(train: Train, model: str) -> Memory:
    """Return what training on the base `model` holds."""
    moving, whole = trained_parameters(train, model), parameters(_unet(train, model))
    held = whole + (_texts_parameters(model) if train.trains_text else 0)
    full, half = train.method == "full", train.precision != "fp32"
    width = 2 if train.adapter_dtype == "bfloat16" else FP32
    keep = upkeep(train)
    beside = 0 if full else moving * width
    return Memory(
        weights=held * (FP32 if full or not half else 2),
        trained=beside + (moving * FP32 if train.ema else 0),
        gradients=moving * width,
        state=int(moving * keep.state * width / FP32),
        copies=moving * 2 if half else 0,
        sample=sample_bytes(train, model),
        spare=int(moving * max(keep.spare, FP32 if train.ema else 0)),
    )


def samples_per_pass(train: Train, model: str, budget: int) -> int:
    """Return how many samples of the effective batch one pass may hold within `budget` bytes.

    The budget is all the memory of the device, weights included. Whole micro-batches, or where
    not even one fits, a divisor of one; at least 1, whether it fits or not.
    """
    memory = memory_of(train, model)
    room = max(0, budget - memory.standing) // memory.sample
    whole = min(room, samples_per_step(train)) // train.batch * train.batch
    divisors = (count for count in range(train.batch, 0, -1) if train.batch % count == 0)
    return whole or next((count for count in divisors if count <= room), 1)


def samples_per_step(train: Train) -> int:
    """Return how many samples an optimizer step sees; each picture brings a class image, if any."""
    return train.effective_batch * (2 if train.prior else 1)


def trained_parameters(train: Train, model: str) -> int:
    """Return how many parameters move, in the UNet, the text encoders and new tokens."""
    texts = texts_of(model)
    speaks = any(phase.text_encoder_rates for phase in train.phases)
    tokens = sum(token.vectors for token in train.tokens) * sum(text.width for text in texts)
    if train.adapter is None:
        words = _texts_parameters(model) if speaks else 0
        return parameters(_unet(train, model)) + words
    return sum(adapter_sizes(train, model)) + tokens


def adapter_sizes(train: Train, model: str) -> Iterator[int]:
    """Yield the parameters of the adapter on each layer that has one."""
    assert train.adapter is not None
    parts = [("unet", _unet(train, model))]
    if any(phase.text_encoder_rates for phase in train.phases):
        parts += [("text", list(text_layers(text))) for text in texts_of(model)]
    for part, layers in parts:
        for layer in layers:
            if size := adapter_parameters(train.adapter, layer, part):
                yield size


def _unet(train: Train, model: str) -> list[Layer]:
    side = train.resolution // FACTOR
    return list(unet_layers(unet_of(model), side, side))


def _texts_parameters(model: str) -> int:
    return sum(parameters(text_layers(text)) for text in texts_of(model))


def sample_bytes(train: Train, model: str, windows: int = 1) -> int:
    """Return the bytes of activations that one sample keeps for the way back."""
    layers = _unet(train, model)
    found = kept(layers, train, moving=train.trains_text) + transient(layers, train)
    if train.trains_text:
        for text in texts_of(model):
            found += kept(text_layers(text, windows), train, "text", moving=True)
    return found


def kept(layers: Iterable[Layer], train: Train, part: str = "unet", *, moving: bool = False) -> int:
    """Return the bytes that a sample keeps of these layers.

    Before the first layer that is trained nothing is kept, unless what goes in is `moving`.
    """
    every = int(train.gradient_checkpointing)
    every = every if part == "unet" else min(every, 1)
    total, worst, number = 0, 0, -1
    for block, group in groupby(layers, key=lambda layer: layer.block):
        first, size = None, 0
        for layer in group:
            first = first or layer
            moving = moving or is_trained(layer, train, part)
            size += layer_bytes(layer, train, part) if moving else 0
        number += bool(block)
        if every and block and number % every == 0:
            assert first is not None
            worst = max(worst, size)
            total += first.read * _width(train) if moving else 0
        else:
            total += size
    return total + worst


def is_trained(layer: Layer, train: Train, part: str = "unet") -> bool:
    if train.adapter is None:
        return part == "unet" or any(phase.text_encoder_rates for phase in train.phases)
    if part != "unet" and not any(phase.text_encoder_rates for phase in train.phases):
        return False
    return rank_of(train.adapter, layer, part) > 0


def layer_bytes(layer: Layer, train: Train, part: str = "unet") -> int:
    """Return what one layer keeps: autograd's own choice, layer by layer.

    Autocast takes norms and SiLU to fp32, and gives every trained layer a copy of what it reads.
    """
    width, half = _width(train), train.precision != "fp32"
    match layer.kind:
        case "norm" | "silu":
            return layer.read * FP32
        case "gelu":
            return layer.read * width
        case "glu":
            return (layer.read + layer.given) * width
        case "attention":
            return _attention_bytes(layer, train)
        case "conv" | "linear":
            trained = is_trained(layer, train, part)
            reads = (trained or layer.kind == "conv") and (half or not layer.shared)
            return layer.read * width * reads + _adapter_bytes(layer, train, part)
    return 0


def _attention_bytes(layer: Layer, train: Train) -> int:
    """Return queries, keys, values and what comes out; no scores, which are made anew."""
    tensors = 2 * (layer.given + layer.read) * _width(train)
    return tensors + (0 if train.attention_slicing else layer.places * layer.heads * FP32)


def _adapter_bytes(layer: Layer, train: Train, part: str) -> int:
    """Return what a LoRA keeps beside its input: what lies between its factors, and its masks."""
    if train.adapter is None or not is_trained(layer, train, part):
        return 0
    between = rank_of(train.adapter, layer, part) * layer.places
    dora = 2 * layer.given if train.adapter.dora else 0
    dropped = layer.read * (_width(train) + 1) if train.adapter.dropout else 0
    return (between + dora) * _width(train) + dropped


def transient(layers: Iterable[Layer], train: Train) -> int:
    """Return what a sample needs for a moment: both sides of the widest layer, and gradients."""
    wide = ("norm", "silu")
    return max(
        2 * (layer.read + layer.given) * (FP32 if layer.kind in wide else _width(train))
        for layer in layers
    )


def _width(train: Train) -> int:
    return FP32 if train.precision == "fp32" else 2
