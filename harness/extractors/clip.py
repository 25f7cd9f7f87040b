"""Image and text embeddings of an open_clip model, from a tag, a file or a local folder.

`model` is a name that open_clip knows, with `pretrained` a tag or a file of weights; or a folder
as `open_clip.push_to_hf_hub` writes it (`open_clip_config.json` beside the weights); or
`hf-hub:owner/name`. Weights are never left at random.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
from huggingface_hub import snapshot_download
from numpy.typing import NDArray
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from open_clip.tokenizer import basic_clean, canonicalize_text
from open_clip.transform import PreprocessCfg, image_transform_v2
from open_clip.transformer import ResidualAttentionBlock
from PIL import Image
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import Compose, Normalize, ToTensor

from harness.errors import MissingPrerequisite, ScoringError
from harness.extractors import onednn
from harness.extractors.batches import bytes_of, planes, split
from harness.extractors.hub import revision_of
from harness.extractors.specs import OpenClip
from harness.extractors.weights import UNLOADABLE, absent
from harness.interfaces import Network, Rows
from harness.pocket import is_pocket, locate

WEIGHTS = "model.safetensors"
_PUSHED = ["*.json", "*.txt", "*.model", "open_clip_*"]
"""The files that open_clip reads of a repository."""
BLOCKS = (ResidualAttentionBlock, Block)
"""The blocks of open_clip's own towers, and of those that it has from timm."""
_QUICK = "-quickgelu"
_LOOK = ("mean", "std", "interpolation", "resize_mode")
"""What a tag may say of how pictures are shown to its model."""


def embeddings(spec: OpenClip, device: str) -> Network:
    """See and read unit vectors; `cut` is 1 for a text that the encoder saw only the start of."""
    model, tokenize = _loaded(spec)
    if spec.engine() and onednn.serves(device):
        quicken(model)
    return network_of(model, tokenize, device)


def quicken(model: nn.Module) -> None:
    """Let oneDNN compute the blocks of both towers; what is around them asks for torch's layers."""
    for block in list(model.modules()):
        if isinstance(block, BLOCKS) and not hasattr(block, "ln_1_kv"):  # which looks elsewhere
            onednn.quicken(block)


def network_of(model: Any, tokenize: Any, device: str) -> Network:
    """Return the same of a loaded model and its tokenizer."""
    model.to(device)
    prepare, units = look_at(
        image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), False)
    )

    def run(levels: Tensor) -> Tensor:
        return unit_length(model.encode_image(units(levels)))

    def read(texts: Sequence[str]) -> Rows:
        cut = [[is_cut(tokenize, text)] for text in texts]
        tokens = tokenize(list(texts)).to(device)
        return {"texts": unit(model.encode_text(tokens)), "cut": np.array(cut, np.float32)}

    return split(prepare, run, device, read)


def look_at(
    look: Compose,
) -> tuple[Callable[[Image.Image], Tensor], Callable[[Tensor], Tensor]]:
    """Return open_clip's transform in two: of a picture into bytes, of bytes into its units."""
    *steps, to_tensor, normalize = look.transforms
    if not isinstance(to_tensor, ToTensor) or not isinstance(normalize, Normalize):
        raise TypeError(f"open_clip shows pictures in another way than known here: {look}")
    shape = Compose(steps)

    def units(levels: Tensor) -> Tensor:
        return cast(Tensor, normalize(planes(levels).float().div(255)))

    return lambda picture: bytes_of(shape(picture)), units


def unit_length(vectors: Tensor) -> Tensor:
    """Return the rows at length 1, on their device."""
    return F.normalize(vectors.float(), dim=-1)


def unit(vectors: Tensor) -> NDArray[np.float32]:
    """Return the rows at length 1."""
    rows: NDArray[np.float32] = unit_length(vectors).cpu().numpy()
    return rows


def is_cut(tokenize: Any, text: str) -> bool:
    """Return whether a text is longer than its encoder, which drops the rest without a word.

    Counts as open_clip's tokenizers do: the BPE puts two marks of its own around the text; those
    of transformers clean it first, and count their marks themselves or, for CLIPS, keep three
    places for them.
    """
    room: int = tokenize.context_length
    if hasattr(tokenize, "encode"):
        return len(tokenize.encode(text)) + 2 > room
    clean = getattr(tokenize, "clean_fn", lambda text: canonicalize_text(basic_clean(text)))
    clips = getattr(tokenize, "tokenizer_mode", "") == "clips"
    tokens = tokenize.tokenizer(clean(text), add_special_tokens=not clips, verbose=False).input_ids
    return len(tokens) > (room - 3 if clips else room)


def _loaded(spec: OpenClip) -> tuple[Any, Any]:
    """Return the model of `spec` with its weights, and its tokenizer."""
    if is_pocket(spec.model):
        folder = Path(locate(spec.model))
        if not (folder / WEIGHTS).exists():
            error = FileNotFoundError(f"there is no {WEIGHTS} in {folder}")
            raise _absent(spec.model, spec.pretrained, error)
        return load_clip(register_local(folder), spec.pretrained, folder)
    name = _fetched(spec) if spec.revision else spec.model
    name = f"local-dir:{name}" if Path(name).is_dir() else name
    _refuse_random(name, spec.pretrained)
    _refuse_other_gelu(name, spec.pretrained)
    look = look_of(name, spec.pretrained) | ({"resize_mode": spec.resize} if spec.resize else {})
    try:
        model = open_clip.create_model(
            name, spec.pretrained, require_pretrained=True, force_preprocess_cfg=look
        )
        return model.eval(), open_clip.get_tokenizer(name)
    except UNLOADABLE as error:
        raise _absent(name, spec.pretrained, error) from error


def _fetched(spec: OpenClip) -> str:
    """Return the folder of a model of the hub at its revision, which open_clip cannot ask for."""
    name = spec.model.removeprefix("hf-hub:")
    try:
        return snapshot_download(
            name, revision=revision_of(name, spec.revision), allow_patterns=_PUSHED
        )
    except UNLOADABLE as error:
        raise _absent(spec.model, None, error) from error


def _refuse_random(name: str, pretrained: str | None) -> None:
    """Refuse an architecture alone: open_clip would give it random weights and go on."""
    if pretrained is None and not name.startswith(("local-dir:", "hf-hub:")):
        tags = ", ".join(list_pretrained_tags_by_model(name)[:6])
        raise MissingPrerequisite(
            f"the open_clip model {name} has no weights",
            hint=f"pretrained: a file or one of {tags}" if tags else "open_clip.list_pretrained()",
        )


def _refuse_other_gelu(name: str, pretrained: str | None) -> None:
    """Refuse weights under a name whose activation is not theirs: every cosine would be off."""
    config = open_clip.get_model_config(name) if ":" not in name else None
    if config is None or pretrained is None:
        return
    known = get_pretrained_cfg(name, pretrained)
    theirs = known.get("quick_gelu", False) if known else "openai" in Path(pretrained).name.lower()
    if theirs and not config.get("quick_gelu", False):
        raise ScoringError(
            f"the weights {pretrained} were trained with QuickGELU, {name} has GELU",
            hint=f"model: {name}{_QUICK}",
        )
    if known and not theirs and config.get("quick_gelu", False):
        raise ScoringError(
            f"the weights {pretrained} were trained with GELU, {name} has QuickGELU",
            hint=f"model: {name.removesuffix(_QUICK)}",
        )


def look_of(name: str, pretrained: str | None) -> dict[str, Any]:
    """Return how all known weights of a model see pictures, for a file that does not say."""
    if pretrained is None or ":" in name or get_pretrained_cfg(name, pretrained):
        return {}
    known = [get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    looks = [{key: each[key] for key in _LOOK if each.get(key)} for each in known]
    return looks[0] if looks and all(look == looks[0] for look in looks) else {}


def _absent(name: str, pretrained: str | None, error: Exception) -> MissingPrerequisite:
    if pretrained is None:
        fetch = f"hf download {name.removeprefix('hf-hub:')}"
        return absent("the open_clip model", name.removeprefix("local-dir:"), error, fetch)
    if Path(pretrained).suffix:
        return absent(f"the open_clip weights of {name}", pretrained, error)
    fetch = f"python -c \"import open_clip; open_clip.create_model('{name}', '{pretrained}')\""
    return absent("the open_clip model", f"{name} ({pretrained})", error, fetch)


def register_local(folder: Path) -> str:
    """Make the model in `folder` known to open_clip by its configuration; return its name."""
    config = next(iter(sorted(folder.glob("*-clip.json"))))
    open_clip.add_model_config(config)
    return config.stem


def load_clip(name: str, pretrained: str | None, folder: Path) -> tuple[Any, Any]:
    """Return a registered model and its tokenizer, with weights where there are some."""
    weights = str(folder / WEIGHTS) if (folder / WEIGHTS).exists() else pretrained
    try:
        model = open_clip.create_model(name, weights, precision="fp32")
    except UNLOADABLE as error:
        raise _absent(name, pretrained, error) from error
    assert isinstance(model, nn.Module)
    tokenize = open_clip.SimpleTokenizer(
        bpe_path=str(folder / "bpe.txt.gz"), context_length=context_length(folder)
    )
    return model.eval(), tokenize


def context_length(folder: Path) -> int:
    config = json.loads(next(iter(sorted(folder.glob("*-clip.json")))).read_text())
    return int(config["text_cfg"]["context_length"])
