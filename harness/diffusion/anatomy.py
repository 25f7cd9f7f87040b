"""The layers of an SDXL model, computed from its shape alone.

One walk yields every layer of a UNet in the order it runs. Parameters, FLOPs, adapters
(targets.py) and bytes (memory.py) are all sums over that walk. No network library is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.diffusion.shapes import TextEncoderShape, UnetShape

Kind = Literal["linear", "conv", "norm", "silu", "gelu", "glu", "attention", "table"]
WINDOW = 77
"""Tokens of one window of the text encoders."""
FACTOR = 8
"""Pixels along one side of a position of the latent."""


@dataclass(frozen=True)
class Layer:
    """One layer, and the sizes of its input and output for one sample."""

    name: str
    """As in the model's `named_modules`, if it is a module there."""
    kind: Kind
    inputs: int
    """Channels."""
    outputs: int
    positions_out: int
    """Pixels or tokens of its output; each has `outputs` channels."""
    positions_in: int
    """Pixels or tokens of its input; each has `inputs` channels."""
    block: str = ""
    """The block that gradient checkpointing recomputes it in, if any."""
    kernel: int = 1
    bias: bool = True
    shared: bool = False
    """Whether it reads a tensor that the layer before it already keeps."""
    heads: int = 1

    @property
    def size_in(self) -> int:
        return self.inputs * self.positions_in

    @property
    def size_out(self) -> int:
        return self.outputs * self.positions_out

    @property
    def parameters(self) -> int:
        if self.kind == "norm":
            return 2 * self.outputs
        if self.kind in ("linear", "conv", "table"):
            return self.inputs * self.outputs * self.kernel**2 + self.outputs * self.bias
        return 0

    @property
    def flops(self) -> int:
        """Multiplications plus additions; small layers count as none."""
        if self.kind == "attention":
            return 4 * self.positions_out * self.positions_in * self.inputs
        if self.kind in ("linear", "conv"):
            return 2 * self.inputs * self.outputs * self.kernel**2 * self.positions_out
        return 0


def unet_layers(unet: UnetShape, height: int, width: int, words: int = WINDOW) -> Iterator[Layer]:
    """Yield every layer of a UNet in the order it runs, for one latent of height × width."""
    areas = [_halved(height, n) * _halved(width, n) for n in range(len(unet.channels))]
    first, time, last = unet.channels[0], 4 * unet.channels[0], len(unet.channels) - 1
    yield from _embeddings(first, time, unet.added)
    yield _conv("conv_in", unet.ends[0], first, areas[0])
    now, skips = first, [first]
    for level, channels in enumerate(unet.channels):
        for number in range(unet.resnets):
            block = f"down_blocks.{level}"
            yield from _resnet(f"{block}.resnets.{number}", now, channels, time, areas[level])
            yield from _attentions(unet, f"{block}.attentions.{number}", level, areas, words)
            now = channels
            skips.append(now)
        if level < last:
            yield _conv(f"{block}.downsamplers.0.conv", now, now, areas[level + 1], areas[level])
            skips.append(now)
    yield from _resnet("mid_block.resnets.0", now, now, time, areas[last], checkpointed=False)
    yield from _attentions(unet, "mid_block.attentions.0", last, areas, words, unet.middle)
    yield from _resnet("mid_block.resnets.1", now, now, time, areas[last])
    for number, channels in enumerate(reversed(unet.channels)):
        block, level = f"up_blocks.{number}", last - number
        for each in range(unet.resnets + 1):
            joined = now + skips.pop()
            yield from _resnet(f"{block}.resnets.{each}", joined, channels, time, areas[level])
            yield from _attentions(unet, f"{block}.attentions.{each}", level, areas, words)
            now = channels
        if level:
            yield _conv(f"{block}.upsamplers.0.conv", now, now, areas[level - 1])
    yield _norm("conv_norm_out", now, areas[0])
    yield _silu("conv_act", now, areas[0])
    yield _conv("conv_out", now, unet.ends[1], areas[0])


def _halved(side: int, times: int) -> int:
    return -(-side // (1 << times))


def _embeddings(first: int, time: int, added: int) -> Iterator[Layer]:
    for name, inputs in (("time_embedding", first), ("add_embedding", added)):
        yield _linear(f"{name}.linear_1", inputs, time, 1)
        yield _silu(f"{name}.act", time, 1)
        yield _linear(f"{name}.linear_2", time, time, 1)


def _resnet(
    name: str, inputs: int, outputs: int, time: int, area: int, *, checkpointed: bool = True
) -> Iterator[Layer]:
    block = name if checkpointed else ""  # diffusers never recomputes the first middle one
    yield _norm(f"{name}.norm1", inputs, area, block)
    yield _silu(f"{name}.nonlinearity", inputs, area, block)
    yield _conv(f"{name}.conv1", inputs, outputs, area, block=block)
    yield _linear(f"{name}.time_emb_proj", time, outputs, 1, block, shared=True)
    yield _norm(f"{name}.norm2", outputs, area, block)
    yield _silu(f"{name}.nonlinearity", outputs, area, block)
    yield _conv(f"{name}.conv2", outputs, outputs, area, block=block)
    if inputs != outputs:
        shortcut = f"{name}.conv_shortcut"
        yield _conv(shortcut, inputs, outputs, area, block=block, kernel=1, shared=True)


def _attentions(
    unet: UnetShape, name: str, level: int, areas: list[int], words: int, depth: int | None = None
) -> Iterator[Layer]:
    channels, area = unet.channels[level], areas[level]
    depth = unet.depths[level] if depth is None else depth
    if not depth:
        return
    yield _norm(f"{name}.norm", channels, area)
    yield _linear(f"{name}.proj_in", channels, channels, area)
    for number in range(depth):
        block, heads = f"{name}.transformer_blocks.{number}", unet.heads[level]
        yield _norm(f"{block}.norm1", channels, area, block)
        yield from _attention(f"{block}.attn1", channels, area, channels, area, block, heads)
        yield _norm(f"{block}.norm2", channels, area, block)
        yield from _attention(f"{block}.attn2", channels, area, unet.context, words, block, heads)
        yield _norm(f"{block}.norm3", channels, area, block)
        yield _linear(f"{block}.ff.net.0.proj", channels, 8 * channels, area, block)
        yield Layer(f"{block}.ff.net.0", "glu", 8 * channels, 4 * channels, area, area, block)
        yield _linear(f"{block}.ff.net.2", 4 * channels, channels, area, block)
    yield _linear(f"{name}.proj_out", channels, channels, area)


def _attention(
    name: str, channels: int, area: int, context: int, positions_read: int, block: str, heads: int
) -> Iterator[Layer]:
    yield _linear(f"{name}.to_q", channels, channels, area, block, bias=False)
    for part in ("to_k", "to_v"):
        yield _linear(
            f"{name}.{part}", context, channels, positions_read, block, bias=False, shared=True
        )
    yield Layer(name, "attention", channels, channels, area, positions_read, block, heads=heads)
    yield _linear(f"{name}.to_out.0", channels, channels, area, block, shared=True)


def text_layers(text: TextEncoderShape, windows: int = 1) -> Iterator[Layer]:
    """Yield every layer of a text encoder, for one caption of `windows` windows."""
    positions, width = WINDOW * windows, text.width
    for table, rows in (("token_embedding", text.vocabulary), ("position_embedding", WINDOW)):
        yield Layer(f"embeddings.{table}", "table", rows, width, positions, 0, bias=False)
    for number in range(text.depth):
        block = f"encoder.layers.{number}"
        attention = f"{block}.self_attn"
        yield _norm(f"{block}.layer_norm1", width, positions, block)
        for part in ("q_proj", "k_proj", "v_proj"):
            shared = part != "q_proj"
            yield _linear(f"{attention}.{part}", width, width, positions, block, shared=shared)
        yield Layer(
            attention, "attention", width, width, positions, WINDOW, block, heads=text.heads
        )
        yield _linear(f"{attention}.out_proj", width, width, positions, block, shared=True)
        yield _norm(f"{block}.layer_norm2", width, positions, block)
        yield _linear(f"{block}.mlp.fc1", width, text.inner, positions, block)
        yield Layer(f"{block}.mlp.act", "gelu", text.inner, text.inner, positions, positions, block)
        yield _linear(f"{block}.mlp.fc2", text.inner, width, positions, block)
    yield _norm("final_layer_norm", width, positions)
    if text.projection:
        yield _linear("text_projection", width, text.projection, 1, bias=False)


def _linear(
    name: str,
    inputs: int,
    outputs: int,
    positions: int,
    block: str = "",
    *,
    bias: bool = True,
    shared: bool = False,
) -> Layer:
    return Layer(name, "linear", inputs, outputs, positions, positions, block, 1, bias, shared)


def _conv(
    name: str,
    inputs: int,
    outputs: int,
    positions: int,
    positions_read: int | None = None,
    *,
    block: str = "",
    kernel: int = 3,
    shared: bool = False,
) -> Layer:
    return Layer(
        name,
        "conv",
        inputs,
        outputs,
        positions,
        positions_read or positions,
        block,
        kernel,
        shared=shared,
    )


def _norm(name: str, channels: int, positions: int, block: str = "") -> Layer:
    return Layer(name, "norm", channels, channels, positions, positions, block)


def _silu(name: str, channels: int, positions: int, block: str = "") -> Layer:
    return Layer(name, "silu", channels, channels, positions, positions, block)


def parameters(layers: Iterable[Layer]) -> int:
    return sum(layer.parameters for layer in layers)


def flops(layers: Iterable[Layer]) -> int:
    return sum(layer.flops for layer in layers)
