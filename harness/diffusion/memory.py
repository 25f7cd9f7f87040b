"""The peak memory of a training run in bytes, counted layer by layer; pure.

Counted as the training loop works: a frozen base in its own precision, all trained weights in
fp32 under autocast, attention that keeps no matrix of tokens × tokens, models loaded one stage
at a time. The memory of the libraries is estimated, everything else is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from harness.diffusion.anatomy import FACTOR, Layer, parameters, text_layers, unet_layers
from harness.diffusion.shapes import texts_of, unet_of
from harness.diffusion.targets import adapter_parameters, rank_of
from harness.pages.train import Train

LIBRARIES = 800_000_000
"""Bytes of cuBLAS, cuDNN and the allocator's rounding; an estimate."""
CUDA_SHARE = 0.85
"""The share of a GPU's memory that a pass may use; the rest is for what varies."""
CPU_BUDGET = 6 * 2**30
"""The bytes that a pass may use on a CPU, whatever the machine has."""
FP32 = 4


@dataclass(frozen=True)
class Upkeep:
    """The bytes that an optimizer holds for each parameter in fp32."""

    state: float
    spare: float = 0
    """Held only during its step, when activations are gone."""


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
    """Return what the optimizer holds; for a plugin's optimizer, what AdamW holds."""
    return _OPTIMIZERS.get(train.optimizer.use, _OPTIMIZERS["adamw"])


@dataclass(frozen=True)
class Memory:
    """The bytes of a training run, by what they are for."""

    weights: int
    """The models, in the precision they are loaded in."""
    trained: int
    """The trained weights beside them: an adapter, new tokens, a running mean."""
    gradients: int
    state: int
    copies: int
    """The half-precision copies that autocast makes of fp32 weights, and whole ΔW of layers."""
    sample: int
    """Activations that one sample keeps for the backward pass."""
    spare: int
    """What the optimizer needs only during its step."""

    @property
    def standing(self) -> int:
        """Return what is held at every moment."""
        lasting = self.weights + self.trained + self.gradients + self.state
        return lasting + self.copies + LIBRARIES

    def peak(self, samples: int) -> int:
        """Return the peak, with so many samples in one pass."""
        return self.standing + max(samples * self.sample, self.spare - self.copies)


def memory_of(train: Train, model: str) -> Memory:
    """Return the memory of training on the base `model`."""
    moving, base = trained_parameters(train, model), parameters(_unet(train, model))
    held = base + (_texts_parameters(model) if train.trains_text else 0)
    full, half = train.method == "full", train.precision != "fp32"
    width = 2 if train.adapter_dtype == "bfloat16" else FP32
    keep = upkeep(train)
    beside = 0 if full else moving * width
    return Memory(
        weights=held * (FP32 if full or not half else 2),
        trained=beside + (moving * FP32 if train.ema else 0),
        gradients=moving * width,
        state=int(moving * keep.state * width / FP32),
        copies=(moving * 2 if half else 0) + _whole_changes(train, model),
        sample=sample_bytes(train, model),
        spare=int(moving * max(keep.spare, FP32 if train.ema else 0)),
    )


def _whole_changes(train: Train, model: str) -> int:
    """Return the bytes of the ΔW that PEFT makes of each LoKr or LoHa, and keeps for the way back.

    Layers that read a text whose encoder rests keep none. With checkpointing those of one block
    are there at a time, which is not told apart here.
    """
    if train.adapter is None or train.adapter.use not in ("lokr", "loha"):
        return 0
    numbers = sum(
        layer.inputs * layer.kernel**2 * layer.outputs
        for part, layers in _parts(train, model)
        for layer in layers
        if rank_of(train.adapter, layer, part)
        and (train.trains_text or not layer.name.endswith(("attn2.to_k", "attn2.to_v")))
    )
    return numbers * _width(train)


def samples_per_pass(train: Train, model: str, budget: int) -> int:
    """Return how many samples of the effective batch one pass may hold within `budget` bytes.

    The budget includes the weights. The number is a multiple of the micro-batch; or, if not even
    one fits, a divisor of it; and at least 1, whether that fits or not.
    """
    memory = memory_of(train, model)
    room = max(0, budget - memory.standing) // memory.sample
    micro_batches = min(room, samples_per_step(train)) // train.batch * train.batch
    divisors = (count for count in range(train.batch, 0, -1) if train.batch % count == 0)
    return micro_batches or next((count for count in divisors if count <= room), 1)


def samples_per_step(train: Train) -> int:
    """Return the samples of an optimizer step: with prior preservation, twice the batch."""
    return train.effective_batch * (2 if train.prior else 1)


def trained_parameters(train: Train, model: str) -> int:
    """Return the number of trained parameters in the UNet, the text encoders and new tokens."""
    texts = texts_of(model)
    trains_text = any(phase.text_encoder_rates for phase in train.phases)
    tokens = sum(token.vectors for token in train.tokens) * sum(text.width for text in texts)
    if train.adapter is None:
        words = _texts_parameters(model) if trains_text else 0
        return parameters(_unet(train, model)) + words
    return sum(adapter_sizes(train, model)) + tokens


def adapter_sizes(train: Train, model: str) -> Iterator[int]:
    """Yield the parameters of the adapter on each layer that has one."""
    assert train.adapter is not None
    for part, layers in _parts(train, model):
        for layer in layers:
            if size := adapter_parameters(train.adapter, layer, part):
                yield size


def _parts(train: Train, model: str) -> list[tuple[str, list[Layer]]]:
    """Return the layers of every part that may get an adapter."""
    parts = [("unet", _unet(train, model))]
    if any(phase.text_encoder_rates for phase in train.phases):
        parts += [("text", list(text_layers(text))) for text in texts_of(model)]
    return parts


def _unet(train: Train, model: str) -> list[Layer]:
    side = train.resolution // FACTOR
    return list(unet_layers(unet_of(model), side, side))


def _texts_parameters(model: str) -> int:
    return sum(parameters(text_layers(text)) for text in texts_of(model))


def sample_bytes(train: Train, model: str, windows: int = 1) -> int:
    """Return the bytes of activations that one sample keeps for the backward pass."""
    layers = _unet(train, model)
    total = kept(layers, train, moving=train.trains_text) + transient(layers, train)
    if train.trains_text:
        for text in texts_of(model):
            total += kept(text_layers(text, windows), train, "text", moving=True)
    return total


def kept(layers: Iterable[Layer], train: Train, part: str = "unet", *, moving: bool = False) -> int:
    """Return the bytes that a sample keeps of these layers.

    Before the first trained layer nothing is kept, unless the input needs a gradient (`moving`).
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
            total += first.size_in * _width(train) if moving else 0
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
    """Return what autograd keeps of one layer.

    Autocast runs norms and SiLU in fp32, and gives every trained layer a copy of its input.
    """
    width, half = _width(train), train.precision != "fp32"
    match layer.kind:
        case "norm" | "silu":
            return layer.size_in * FP32
        case "gelu":
            return layer.size_in * width
        case "glu":
            return (layer.size_in + layer.size_out) * width
        case "attention":
            return _attention_bytes(layer, train)
        case "conv" | "linear":
            trained = is_trained(layer, train, part)
            reads = (trained or layer.kind == "conv") and (half or not layer.shared)
            return layer.size_in * width * reads + _adapter_bytes(layer, train, part)
    return 0


def _attention_bytes(layer: Layer, train: Train) -> int:
    """Return queries, keys, values and the output; the scores are recomputed."""
    tensors = 2 * (layer.size_out + layer.size_in) * _width(train)
    return tensors + (0 if train.attention_slicing else layer.positions_out * layer.heads * FP32)


def _adapter_bytes(layer: Layer, train: Train, part: str) -> int:
    """Return what a LoRA keeps beside its input: the product of its first factor, and its masks.

    Other kinds keep the input alone.
    """
    if train.adapter is None or not is_trained(layer, train, part):
        return 0
    if train.adapter.use != "lora":
        return 0
    between = rank_of(train.adapter, layer, part) * layer.positions_out
    dora = 2 * layer.size_out if train.adapter.dora else 0
    dropped = layer.size_in * (_width(train) + 1) if train.adapter.dropout else 0
    return (between + dora) * _width(train) + dropped


def transient(layers: Iterable[Layer], train: Train) -> int:
    """Return what a sample needs briefly: the widest layer's input, output and gradients."""
    wide = ("norm", "silu")
    return max(
        2 * (layer.size_in + layer.size_out) * (FP32 if layer.kind in wide else _width(train))
        for layer in layers
    )


def _width(train: Train) -> int:
    return FP32 if train.precision == "fp32" else 2
