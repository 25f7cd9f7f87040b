"""What an SDXL model is made of, counted from its configuration alone.

One walk yields every layer of a UNet in the order it runs; parameters, adapters, FLOPs and
(in memory.py) bytes are all sums over that walk. No weight and no network library is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from harness.pages.train import Adapter
from harness.pocket import locate

Kind = Literal["linear", "conv", "norm", "silu", "gelu", "glu", "attention", "table"]
WORDS = 77
"""Tokens of one window of a caption."""
FACTOR = 8
"""Pixels along one side of a latent."""
_UNET_ENDS = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "attention+ff": ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"),
}
_TEXT_ENDS = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "attention+ff": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}


@dataclass(frozen=True)
class Layer:
    """One layer, and how much it reads and gives for one sample."""

    name: str
    """As in the model's own `named_modules`, where it is a module there."""
    kind: Kind
    inputs: int
    """Channels."""
    outputs: int
    places: int
    """Pixels or tokens that it gives; each has `outputs` channels."""
    seen: int
    """Pixels or tokens that it reads; each has `inputs` channels."""
    block: str = ""
    """The block it runs in, where that is one that gradient checkpointing can run again."""
    kernel: int = 1
    bias: bool = True
    shared: bool = False
    """Whether it reads a tensor that the layer before it has in hand already."""
    heads: int = 1

    @property
    def read(self) -> int:
        return self.inputs * self.seen

    @property
    def given(self) -> int:
        return self.outputs * self.places

    @property
    def parameters(self) -> int:
        if self.kind == "norm":
            return 2 * self.outputs
        if self.kind in ("linear", "conv", "table"):
            return self.inputs * self.outputs * self.kernel**2 + self.outputs * self.bias
        return 0

    @property
    def flops(self) -> int:
        """Multiplications and additions, counted apart; only where there are many."""
        if self.kind == "attention":
            return 4 * self.places * self.seen * self.inputs
        if self.kind in ("linear", "conv"):
            return 2 * self.inputs * self.outputs * self.kernel**2 * self.places
        return 0


@dataclass(frozen=True)
class Unet:
    """The figures that set the shape of an SDXL UNet, level by level from the largest."""

    channels: tuple[int, ...]
    resnets: int
    """A level going down; one more going up."""
    depths: tuple[int, ...]
    """Transformer blocks after each resnet; 0 where a level has no attention."""
    middle: int
    """Transformer blocks in the middle."""
    heads: tuple[int, ...]
    context: int
    """Channels of the words."""
    added: int
    """Channels of the pooled words and the time ids."""
    ends: tuple[int, int]
    """Channels of the latent that goes in and of what comes out."""


@dataclass(frozen=True)
class Text:
    """The figures that set the shape of a CLIP text encoder."""

    width: int
    depth: int
    inner: int
    vocabulary: int
    heads: int
    projection: int = 0
    """Channels of its summary; 0 where it has no projection."""


@dataclass(frozen=True)
class Vae:
    """What matters of a VAE here: its size, and its channels where there are the most pixels."""

    parameters: int
    encoder: int
    decoder: int


SDXL = Unet(
    channels=(320, 640, 1280),
    resnets=2,
    depths=(0, 2, 10),
    middle=10,
    heads=(5, 10, 20),
    context=2048,
    added=2816,
    ends=(4, 4),
)
CLIP_L = Text(width=768, depth=12, inner=3072, vocabulary=49408, heads=12)
BIG_G = Text(width=1280, depth=32, inner=5120, vocabulary=49408, heads=20, projection=1280)
SDXL_VAE = Vae(83_653_863, 128, 256)


@cache
def unet_of(model: str) -> Unet:
    """Return the shape of a base's UNet; of SDXL itself where its configuration is not here."""
    found = _configuration(model, "unet")
    if found is None:
        return SDXL
    channels = tuple(found["block_out_channels"])
    depths = _spread(found["transformer_layers_per_block"], len(channels))
    crossed = ["CrossAttn" in kind for kind in found["down_block_types"]]
    return Unet(
        channels=channels,
        resnets=found["layers_per_block"],
        depths=tuple(depth * here for depth, here in zip(depths, crossed, strict=True)),
        middle=depths[-1],
        heads=_spread(found["attention_head_dim"], len(channels)),
        context=found["cross_attention_dim"],
        added=found["projection_class_embeddings_input_dim"],
        ends=(found["in_channels"], found["out_channels"]),
    )


@cache
def texts_of(model: str) -> tuple[Text, Text]:
    """Return the shapes of both text encoders of a base."""
    first, second = (_configuration(model, part) for part in ("text_encoder", "text_encoder_2"))
    if first is None or second is None:
        return CLIP_L, BIG_G
    return _text(first, 0), _text(second, second["projection_dim"])


@cache
def vae_of(model: str) -> Vae:
    """Return what matters of a base's VAE; its parameters from the size of its file in fp16."""
    found = _configuration(model, "vae")
    if found is None:
        return SDXL_VAE
    files = (Path(locate(model)) / "vae").glob("*.safetensors")
    first, second, *_ = found["block_out_channels"]
    return Vae(sum(file.stat().st_size for file in files) // 2, first, second)


def _configuration(model: str, part: str) -> dict[str, Any] | None:
    file = Path(locate(model)) / part / "config.json"
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _spread(value: int | list[int], count: int) -> tuple[int, ...]:
    return (value,) * count if isinstance(value, int) else tuple(value)


def _text(found: dict[str, Any], projection: int) -> Text:
    return Text(
        width=found["hidden_size"],
        depth=found["num_hidden_layers"],
        inner=found["intermediate_size"],
        vocabulary=found["vocab_size"],
        heads=found["num_attention_heads"],
        projection=projection,
    )


def unet_layers(unet: Unet, height: int, width: int, words: int = WORDS) -> Iterator[Layer]:
    """Yield every layer of a UNet in the order it runs, for one latent of height × width."""
    areas = [_halved(height, n) * _halved(width, n) for n in range(len(unet.channels))]
    first, time, last = unet.channels[0], 4 * unet.channels[0], len(unet.channels) - 1
    yield from _embeddings(first, time, unet.added)
    yield _conv("conv_in", unet.ends[0], first, areas[0])
    now, skips = first, [first]
    for level, channels in enumerate(unet.channels):
        for number in range(unet.resnets):
            place = f"down_blocks.{level}"
            yield from _resnet(f"{place}.resnets.{number}", now, channels, time, areas[level])
            yield from _attentions(unet, f"{place}.attentions.{number}", level, areas, words)
            now = channels
            skips.append(now)
        if level < last:
            yield _conv(f"{place}.downsamplers.0.conv", now, now, areas[level + 1], areas[level])
            skips.append(now)
    yield from _resnet("mid_block.resnets.0", now, now, time, areas[last], whole=False)
    yield from _attentions(unet, "mid_block.attentions.0", last, areas, words, unet.middle)
    yield from _resnet("mid_block.resnets.1", now, now, time, areas[last])
    for number, channels in enumerate(reversed(unet.channels)):
        place, level = f"up_blocks.{number}", last - number
        for each in range(unet.resnets + 1):
            joined = now + skips.pop()
            yield from _resnet(f"{place}.resnets.{each}", joined, channels, time, areas[level])
            yield from _attentions(unet, f"{place}.attentions.{each}", level, areas, words)
            now = channels
        if level:
            yield _conv(f"{place}.upsamplers.0.conv", now, now, areas[level - 1])
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
    name: str, inputs: int, outputs: int, time: int, area: int, *, whole: bool = True
) -> Iterator[Layer]:
    block = name if whole else ""  # diffusers never runs the first one of the middle again
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
    unet: Unet, name: str, level: int, areas: list[int], words: int, depth: int | None = None
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
    name: str, channels: int, area: int, context: int, seen: int, block: str, heads: int
) -> Iterator[Layer]:
    yield _linear(f"{name}.to_q", channels, channels, area, block, bias=False)
    for part in ("to_k", "to_v"):
        yield _linear(f"{name}.{part}", context, channels, seen, block, bias=False, shared=True)
    yield Layer(name, "attention", channels, channels, area, seen, block, heads=heads)
    yield _linear(f"{name}.to_out.0", channels, channels, area, block, shared=True)


def text_layers(text: Text, windows: int = 1) -> Iterator[Layer]:
    """Yield every layer of a text encoder, for one caption of so many windows."""
    places, width = WORDS * windows, text.width
    for table, rows in (("token_embedding", text.vocabulary), ("position_embedding", WORDS)):
        yield Layer(f"embeddings.{table}", "table", rows, width, places, 0, bias=False)
    for number in range(text.depth):
        block = f"encoder.layers.{number}"
        heard = f"{block}.self_attn"
        yield _norm(f"{block}.layer_norm1", width, places, block)
        for part in ("q_proj", "k_proj", "v_proj"):
            shared = part != "q_proj"
            yield _linear(f"{heard}.{part}", width, width, places, block, shared=shared)
        yield Layer(heard, "attention", width, width, places, WORDS, block, heads=text.heads)
        yield _linear(f"{heard}.out_proj", width, width, places, block, shared=True)
        yield _norm(f"{block}.layer_norm2", width, places, block)
        yield _linear(f"{block}.mlp.fc1", width, text.inner, places, block)
        yield Layer(f"{block}.mlp.act", "gelu", text.inner, text.inner, places, places, block)
        yield _linear(f"{block}.mlp.fc2", text.inner, width, places, block)
    yield _norm("final_layer_norm", width, places)
    if text.projection:
        yield _linear("text_projection", width, text.projection, 1, bias=False)


def _linear(
    name: str,
    inputs: int,
    outputs: int,
    places: int,
    block: str = "",
    *,
    bias: bool = True,
    shared: bool = False,
) -> Layer:
    return Layer(name, "linear", inputs, outputs, places, places, block, 1, bias, shared)


def _conv(
    name: str,
    inputs: int,
    outputs: int,
    places: int,
    seen: int | None = None,
    *,
    block: str = "",
    kernel: int = 3,
    shared: bool = False,
) -> Layer:
    return Layer(
        name, "conv", inputs, outputs, places, seen or places, block, kernel, shared=shared
    )


def _norm(name: str, channels: int, places: int, block: str = "") -> Layer:
    return Layer(name, "norm", channels, channels, places, places, block)


def _silu(name: str, channels: int, places: int, block: str = "") -> Layer:
    return Layer(name, "silu", channels, channels, places, places, block)


def parameters(layers: Iterable[Layer]) -> int:
    return sum(layer.parameters for layer in layers)


def flops(layers: Iterable[Layer]) -> int:
    return sum(layer.flops for layer in layers)


def rank_of(adapter: Adapter, layer: Layer, part: str = "unet") -> int:
    """Return the rank of the adapter on a layer; 0 where the layer gets none."""
    if layer.kind not in ("linear", "conv"):
        return 0
    ends = (_UNET_ENDS if part == "unet" else _TEXT_ENDS).get(adapter.targets)
    if ends is None and part != "unet":
        ends = _TEXT_ENDS["attention"]
    chosen = (
        re.search(adapter.targets, layer.name) is not None
        if ends is None
        else layer.name.endswith(tuple(f".{end}" for end in ends))
    )
    if not chosen:
        return 0
    named = (rank for pattern, rank in adapter.ranks.items() if re.search(pattern, layer.name))
    return next(named, adapter.rank)


def adapter_parameters(adapter: Adapter, layer: Layer, part: str = "unet") -> int:
    """Return the parameters of the adapter on a layer: both factors, and DoRA's magnitudes."""
    rank = rank_of(adapter, layer, part)
    magnitudes = layer.outputs if rank and adapter.dora else 0
    return rank * (layer.inputs * layer.kernel**2 + layer.outputs) + magnitudes
