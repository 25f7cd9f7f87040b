"""The Inception network of the TTUR papers, as torch-fidelity carries it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d, FeatureExtractorInceptionV3

from harness.extractors import onednn
from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.specs import Inception
from harness.extractors.weights import UNLOADABLE, absent
from harness.interfaces import Network

_FETCH = (
    'python -c "from torch_fidelity.feature_extractor_inceptionv3 import *; '
    "FeatureExtractorInceptionV3('inception-v3-compat', ['2048'])\""
)
SIDE = 299
LAYERS = {
    "64": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1"),
    "192": ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    "768": (
        "Mixed_5b",
        "Mixed_5c",
        "Mixed_5d",
        "Mixed_6a",
        "Mixed_6b",
        "Mixed_6c",
        "Mixed_6d",
        "Mixed_6e",
    ),
    "2048": ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
}
"""What each layer adds to the one before; its features are the mean over places."""


def inception(spec: Inception, device: str) -> Network:
    """See the features of one layer; pictures of one size go through the network together."""
    network = lean(_network(spec).to(device).eval(), device)

    def run(levels: Tensor) -> Tensor:
        pixels = bilinear(levels) if spec.resize == "tf1" else bicubic(planes(levels))
        return pooled(network, pixels, spec.layer)

    return split(bytes_of, run, device)


def bilinear(levels: Tensor) -> Tensor:
    """Return N × 3 × 299 × 299 in 0..255 of N × H × W × 3 levels: the resize of TensorFlow 1, to
    the bit, as the network itself has it.

    Columns are mixed first, and only in the rows that are wanted, while levels are still bytes.
    """
    above, below, down = _mixed(levels.shape[1], levels.device)
    left, right, along = _mixed(levels.shape[2], levels.device)
    wanted = torch.cat((above, below))
    rows, places = wanted.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    strips = levels.index_select(1, rows)
    first, second = (strips.index_select(2, each).float() for each in (left, right))
    across = first + (second - first) * along[:, None]
    upper, lower = (across.index_select(1, each) for each in places.split(SIDE))
    return (upper + (lower - upper) * down[:, None, None]).permute(0, 3, 1, 2)


def _mixed(size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return which two of `size` pixels are mixed into each of 299, and the share of the second."""
    places = torch.arange(SIDE, dtype=torch.float32, device=device) * torch.tensor(size / SIDE)
    first = places.long()
    return first, (first + 1).clamp_max(size - 1), places - first.float()


def bicubic(pixels: Tensor) -> Tensor:
    """Return N × 3 × 299 × 299 in 0..255, not rounded: the resize of clean-fid, without PIL."""
    wide = F.interpolate(
        pixels.float(), size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False
    )
    return wide.clamp(0, 255)


def pooled(network: Any, pixels: Tensor, layer: str) -> Tensor:
    """Return N × features of pixels that are 299 px already."""
    seen = (pixels - 128) / 128
    for name, parts in LAYERS.items():
        for part in parts:
            seen = getattr(network, part)(seen)
        if name == layer:
            break
    return F.adaptive_avg_pool2d(seen, 1).flatten(1)


def _network(spec: Inception) -> Any:
    try:
        if spec.weights:  # torch-fidelity would run code that a file brings; this refuses it
            torch.load(spec.weights, weights_only=True)
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", [spec.layer], feature_extractor_weights_path=spec.weights
        )
    except UNLOADABLE as error:
        raise absent(
            "the Inception weights", spec.weights or "of torch-fidelity", error, _FETCH
        ) from error


def lean(network: Any, device: str) -> Any:
    """Return the network with its norms folded into the convolutions before them, and its channels
    last in memory: the same sums in another order, in half the time on a CPU."""
    for part in network.modules():
        if isinstance(part, BasicConv2d):
            part.conv, part.bn = fuse_conv_bn_eval(part.conv, part.bn), nn.Identity()
    network = network.to(memory_format=torch.channels_last)
    return joined(network) if onednn.serves(device) else network


def joined(network: Any) -> Any:
    """Return the network with each convolution and what follows it as one layer of oneDNN."""
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, BasicConv2d):
                setattr(part, name, onednn.Convolution(child.conv, nn.ReLU()))
    return network
