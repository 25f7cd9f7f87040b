"""EfficientNet-Lite0 (arXiv:1905.11946), trained on ImageNet: a real network in the package.

It looks as its authors evaluate it: the middle square of 7/8 of the shorter side, resized by
bicubic to `side` pixels (224 at theirs), and each level x as (x − 127) / 128. Theirs is the
bicubic of TensorFlow 1, which is not antialiased; ours is Pillow's, which is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, cast

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.layers import BatchNormAct2d, Conv2dSame, pad_same
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness.errors import MissingPrerequisite
from harness.extractors import onednn
from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.pretrained import FOLDER, digest_of
from harness.extractors.specs import LITE0, Lite0, Lite0Style
from harness.extractors.weights import absent
from harness.fingerprint import digest_file
from harness.interfaces import Network

EARLY = 4
"""How many stages count as early: all that halve a picture up to four times."""
_KEPT = 7 / 8
"""The share of the shorter side that is seen."""
_RESTORE = "install the package again, or `git checkout` the file"


def pooled(spec: Lite0, device: str) -> Network:
    """See N × 1280: the last maps, averaged over places."""
    network = lean(load_network(), device)

    def run(levels: Tensor) -> Tensor:
        return cast(Tensor, network(in_units(levels)))

    return split(lambda picture: cut(picture, spec.side), run, device)


def style(spec: Lite0Style, device: str) -> Network:
    """See N × 384: mean and deviation over places of every channel of the early maps."""
    network = lean(load_network(), device)

    def run(levels: Tensor) -> Tensor:
        return torch.cat([moments(maps) for maps in early(network, in_units(levels))], 1)

    return split(lambda picture: cut(picture, spec.side), run, device)


def cut(picture: Image.Image, side: int) -> Tensor:
    """Return side × side × 3 levels of the middle of a picture."""
    kept = round(min(picture.size) * _KEPT)
    left, top = (picture.width - kept) // 2, (picture.height - kept) // 2
    middle = picture.convert("RGB").crop((left, top, left + kept, top + kept))
    return bytes_of(middle.resize((side, side), Image.Resampling.BICUBIC))


def in_units(levels: Tensor) -> Tensor:
    """Return N × 3 × H × W as the network reads it, of N × H × W × 3 levels."""
    return (planes(levels).float() - 127) / 128


def early(network: Any, seen: Tensor) -> Iterator[Tensor]:
    """Yield the maps after the stem and after each early stage."""
    seen = network.bn1(network.conv_stem(seen))
    yield seen
    for stage in network.blocks[:EARLY]:
        seen = stage(seen)
        yield seen


def moments(maps: Tensor) -> Tensor:
    """Return N × 2C: the mean of each channel over places, then its deviation."""
    return torch.cat([maps.mean((2, 3)), maps.std((2, 3), correction=0)], 1)


def drawn_network() -> Any:
    """Return the network without weights and without its classifier."""
    return timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()


def load_network() -> Any:
    """Return the network with its weights, after a look at the digest of their file."""
    file = FOLDER / LITE0
    try:
        found = digest_file(file)
    except OSError as error:
        raise absent("the network", str(file), error, _RESTORE) from error
    if found != digest_of(LITE0):
        raise MissingPrerequisite(
            f"{file} is not the file that was shipped: its sha256 is {found}", hint=_RESTORE
        )
    network = drawn_network()
    own = network.state_dict()
    counters = {name: own[name] for name in own if name.endswith("num_batches_tracked")}
    network.load_state_dict(unlevelled(load_file(file)) | counters)
    return network


def unlevelled(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of which some are stored as whole levels beside one scale a filter."""
    return {
        name: value * stored[scale][:, None, None, None]
        if (scale := f"{name}.scale") in stored
        else value
        for name, value in stored.items()
        if not name.endswith(".scale")
    }


def lean(network: Any, device: str) -> Any:
    """Return the network on its device with its norms folded into the convolutions before them, and
    its channels last in memory: the same sums in another order, in less time on a CPU.

    oneDNN's layers give the bytes that torch's own give for 16 pictures at once, for any number.
    """
    for part in list(network.modules()):
        before = ""
        for name, child in list(part.named_children()):
            if isinstance(child, BatchNormAct2d):
                setattr(part, before, fuse_conv_bn_eval(getattr(part, before), child))
                setattr(part, name, child.act)
            before = name
    network = network.to(memory_format=torch.channels_last)
    return joined(network) if onednn.serves(device) else network.to(device)


def joined(network: Any) -> Any:
    """Return the network with each convolution and the activation after it as one layer."""
    for part in list(network.modules()):
        for (name, child), (following, after) in pairwise(part.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(part, name, _layer(child, after if onednn.fits(after) else nn.Identity()))
                if onednn.fits(after):
                    setattr(part, following, nn.Identity())
    return network


def _layer(convolution: nn.Conv2d, after: nn.Module) -> nn.Module:
    """Return oneDNN's layer; one that pads as TensorFlow does gets its padding before it."""
    layer = onednn.Convolution(convolution, after)
    if isinstance(convolution, Conv2dSame):
        return nn.Sequential(_Padding(convolution), layer)
    return layer


class _Padding(nn.Module):
    """What TensorFlow puts around a picture, so that each step of a convolution finds a pixel."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._window = convolution.kernel_size, convolution.stride, convolution.dilation

    def forward(self, seen: Tensor) -> Tensor:
        return cast(Tensor, pad_same(seen, *self._window))
