"""Image and text embeddings of an open_clip model, from a tag, a file or a local folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from harness.extractors.specs import OpenClip
from harness.extractors.weights import absent
from harness.interfaces import Network, Rows
from harness.pocket import is_pocket, locate

WEIGHTS = "model.safetensors"
Tokenize = Callable[[Sequence[str]], Tensor]


def embeddings(spec: OpenClip, device: str) -> Network:
    """See and read unit vectors; `cut` is 1 for a text that the encoder saw only the start of."""
    folder = Path(locate(spec.model)) if is_pocket(spec.model) else None
    name = register_local(folder) if folder is not None else spec.model
    model, tokenize, look = _model(name, spec.pretrained, folder)
    model.to(device)

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        batch = torch.stack([look(picture) for picture in pictures]).to(device)
        return {"images": _unit(model.encode_image(batch))}

    def read(texts: Sequence[str]) -> Rows:
        read = _unit(model.encode_text(tokenize(texts).to(device)))
        return {"texts": read, "cut": _cut(tokenize, texts)}

    return Network(see, read)


def _unit(vectors: Tensor) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = F.normalize(vectors.float(), dim=-1).cpu().numpy()
    return unit


def _cut(tokenize: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return 1 where a text is longer than its encoder, which drops the rest without a word."""
    room = tokenize.context_length
    count = getattr(tokenize, "encode", None) or tokenize.tokenizer.encode
    lengths = [len(count(text)) + (2 if hasattr(tokenize, "encode") else 0) for text in texts]
    return np.array([[length > room] for length in lengths], np.float32)


def _fetch(name: str, pretrained: str | None) -> str:
    return f"python -c \"import open_clip; open_clip.create_model('{name}', '{pretrained}')\""


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
        raise absent(
            "the open_clip model", f"{name} ({pretrained})", error, _fetch(name, pretrained)
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
