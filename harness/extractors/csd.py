"""Contrastive style descriptors (CSD, arXiv:2404.01292): a CLIP vision tower, taught style.

The authors' own file is a pickle with a whole training state; what is read here is the same
weights as safetensors: `backbone.…` in OpenAI's names, and the projection `last_layer_style`.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.transform import image_transform
from open_clip.transformer import QuickGELU, VisionTransformer
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from harness.extractors.batches import split
from harness.extractors.clip import look_at
from harness.extractors.hub import revision_of
from harness.extractors.specs import Csd
from harness.extractors.weights import UNLOADABLE, absent
from harness.interfaces import Network

_FILE = "model.safetensors"
_HEAD = 64
"""Channels of one head of attention in every CLIP of OpenAI's."""


def style(spec: Csd, device: str) -> Network:
    """See unit vectors of style."""
    try:
        tower = _tower(_weights(spec))
    except (*UNLOADABLE, KeyError) as error:
        fetch = f"hf download {spec.weights} {_FILE}"
        raise absent("the style descriptor", spec.weights, error, fetch) from error
    tower.to(device).eval()
    prepare, units = look_at(
        image_transform(tower.image_size, False, OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
    )

    def run(levels: Tensor) -> Tensor:
        return F.normalize(tower(units(levels)).float(), dim=1)

    return split(prepare, run, device)


def _weights(spec: Csd) -> dict[str, Tensor]:
    """Return the weights of a local file, or of a repository."""
    name, at = spec.weights, revision_of(spec.weights, spec.revision)
    file = (
        name if Path(name).suffix == ".safetensors" else hf_hub_download(name, _FILE, revision=at)
    )
    return {key: value.float() for key, value in load_file(file).items()}


def _tower(weights: dict[str, Tensor]) -> VisionTransformer:
    """Return the vision tower with the style projection at its end; shapes say how large it is."""
    backbone = "backbone."
    own = {
        key.removeprefix(backbone): value
        for key, value in weights.items()
        if key.startswith(backbone)
    }
    own["proj"] = weights["last_layer_style"]
    width, _, patch, _ = own["conv1.weight"].shape
    layers = len([key for key in own if key.endswith("attn.in_proj_weight")])
    side = round((len(own["positional_embedding"]) - 1) ** 0.5)
    tower = VisionTransformer(
        image_size=side * patch,
        patch_size=patch,
        width=width,
        layers=layers,
        heads=width // _HEAD,
        mlp_ratio=4.0,
        output_dim=own["proj"].shape[1],
        act_layer=QuickGELU,
    )
    tower.load_state_dict(own)
    return tower
