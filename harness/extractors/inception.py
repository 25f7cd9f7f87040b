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
        pixels = planes(levels)
        if spec.resize == "tf1":  # the network's own, and the only one it has
            return network(pixels)[0]  # type: ignore[no-any-return]
        return pooled(network, bicubic(pixels), spec.layer)

    return split(bytes_of, run, device)


def bicubic(pixels: Tensor) -> Tensor:
    """Return N × 3 × 299 × 299 in 0..255, not rounded: the resize of clean-fid, without PIL."""
    wide = F.interpolate(
        pixels.float(), size=(SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False
    )
    return wide.clamp(0, 255)


def pooled(network: Any, pixels: Tensor, layer: str) -> Tensor:
    """Return N × features of pixels that are 299 px already, for the network resizes no floats."""
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
