"""Image and text embeddings of an open_clip model, from a tag, a file or a local folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import MissingPrerequisite
from harness.extractors.images import in_batches
from harness.extractors.specs import OpenClip
from harness.interfaces import Workplace
from harness.pocket import is_pocket, locate

WEIGHTS = "model.safetensors"
Tokenize = Callable[[Sequence[str]], Tensor]


def embeddings(
    spec: OpenClip, images: Iterable[Image.Image], texts: Sequence[str], place: Workplace
) -> dict[str, NDArray[np.float32]]:
    """Return unit vectors, one a picture and one a text; each distinct text is encoded once."""
    folder = Path(locate(spec.model)) if is_pocket(spec.model) else None
    name = spec.model
    if folder is not None:
        name = register_local(folder)
    model, tokenize, look = _model(name, spec.pretrained, folder)
    model.to(place.device)
    seen = in_batches(
        images, len(texts), place,
        lambda batch: model.encode_image(torch.stack([look(image) for image in batch])),
    )  # fmt: skip
    distinct = list(dict.fromkeys(texts))
    with torch.no_grad():
        read = torch.cat(
            [
                model.encode_text(tokenize(distinct[at : at + 64]).to(place.device)).cpu()
                for at in range(0, len(distinct), 64)
            ]
        )
    row_of = {text: row for row, text in enumerate(distinct)}
    rows = torch.tensor([row_of[text] for text in texts])
    return {
        "images": F.normalize(seen.float(), dim=-1).numpy(),
        "texts": F.normalize(read.float(), dim=-1)[rows].numpy(),
    }


def register_local(folder: Path) -> str:
    """Make the model in `folder` known to open_clip by its configuration; return its name."""
    config = next(iter(sorted(folder.glob("*-clip.json"))))
    open_clip.add_model_config(config)
    return config.stem


def load_clip(name: str, pretrained: str | None, folder: Path | None) -> tuple[Any, Tokenize]:
    """Return an open_clip model and its tokenizer, with weights where there are some."""
    model, tokenize, _ = _model(name, pretrained, folder)
    return model, tokenize


def _model(
    name: str, pretrained: str | None, folder: Path | None
) -> tuple[Any, Tokenize, Callable[[Image.Image], Tensor]]:
    weights = pretrained
    if folder is not None and (folder / WEIGHTS).exists():
        weights = str(folder / WEIGHTS)
    try:
        model, _, look = open_clip.create_model_and_transforms(
            name, pretrained=weights, precision="fp32"
        )
    except (RuntimeError, OSError, ValueError) as error:
        raise MissingPrerequisite(
            f"the open_clip model {name} ({pretrained}) cannot be loaded: "
            f"{str(error).splitlines()[0][:160]}",
            hint="check the name, the tag and the network",
        ) from error
    assert isinstance(model, nn.Module)
    if folder is None:
        return model.eval(), open_clip.get_tokenizer(name), look
    tokenize = open_clip.SimpleTokenizer(
        bpe_path=str(folder / "bpe.txt.gz"), context_length=context_length(folder)
    )
    return model.eval(), tokenize, look


def context_length(folder: Path) -> int:
    config = json.loads(next(iter(sorted(folder.glob("*-clip.json")))).read_text())
    return int(config["text_cfg"]["context_length"])
