"""A weights file for torch-fidelity's Inception that is random, yet spreads pictures apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


class _Bare(FeatureExtractorInceptionV3):
    """The network as it is built, for which no weights are loaded."""

    def load_state_dict(self, *_: Any, **__: Any) -> None:
        return None


@torch.no_grad()
def write_random_inception(path: Path, seed: int = 0) -> Path:
    """Write weights drawn by `seed`, with batch norms that have seen 8 smooth pictures."""
    torch.save({}, path)
    network = _Bare("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    drawn = torch.Generator().manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            scale = (2 / part.weight[0].numel()) ** 0.5
            part.weight.copy_(torch.randn(part.weight.shape, generator=drawn) * scale)
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
            part.train()
    network.fc.weight.copy_(torch.randn(network.fc.weight.shape, generator=drawn) * 0.02)
    network.fc.bias.zero_()
    coarse = torch.rand(8, 3, 16, 16, generator=drawn) * 255
    network(nn.functional.interpolate(coarse, size=299, mode="bilinear").to(torch.uint8))
    network.eval()
    torch.save(network.state_dict(), path)
    return path
