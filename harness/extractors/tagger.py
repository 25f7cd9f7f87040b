"""Taggers: which tags an image shows, and which of those it knows a prompt asks for.

Images' rows are probabilities, prompts' rows are 1 where a tag is asked for; both stand in the
order of the tagger's vocabulary. A prompt's tags are what stands between its commas, with or
without underscores, escaped brackets and A1111's weights.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.errors import ScoringError
from harness.extractors.batches import split
from harness.extractors.classifier import load_classifier
from harness.extractors.onnx import fetched, opened, runner
from harness.extractors.specs import Tagger, WdTagger
from harness.interfaces import Network, Rows

RATING = "9"
"""The category of selected_tags.csv that prompts do not ask for."""
_OPENED = re.compile(r"^[(\[]+")
_CLOSED = re.compile(r"(:[\d.]+)?(?<!\\)[)\]]+$")


def tagger(spec: Tagger, device: str) -> Network:
    """See the probabilities of a transformers classifier that may give several labels."""
    model, look = load_classifier(spec.model, device, spec.revision)
    if model.config.problem_type != "multi_label_classification":
        raise ScoringError(
            f"{spec.model} gives one label an image, a tagger gives several",
            hint="its config.json would say problem_type: multi_label_classification",
        )
    names = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        return {"images": model(look(pictures)).logits.float().sigmoid().cpu().numpy()}

    return Network(see, reader(names))


def wd_tagger(spec: WdTagger, device: str) -> Network:
    """See the probabilities of a WD tagger, which its ONNX file gives as they are."""
    names = _names(Path(_fetched(spec, "selected_tags.csv")))
    session = opened("the tagger", _fetched(spec, "model.onnx"), spec.model, device)
    size = int(session.get_inputs()[0].shape[1])

    def prepare(picture: Image.Image) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(squared(picture, size)))

    return split(prepare, runner(session), "cpu", reader(names))


def squared(picture: Image.Image, size: int) -> NDArray[np.float32]:
    """Return a picture on a white square of `size` pixels: height, width, BGR from 0 to 255."""
    edge = max(picture.size)
    square = Image.new("RGB", (edge, edge), "white")
    square.paste(picture, ((edge - picture.width) // 2, (edge - picture.height) // 2))
    if edge != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(square, np.float32)[:, :, ::-1]


def reader(names: Sequence[str]) -> Callable[[Sequence[str]], Rows]:
    """Return what marks the tags a prompt asks for; a name of "" is never asked for."""
    place = {plain(name): at for at, name in enumerate(names) if name}

    def read(texts: Sequence[str]) -> Rows:
        asked = np.zeros((len(texts), len(names)), np.float32)
        for row, text in enumerate(texts):
            asked[row, [place[tag] for tag in _tags(text, place)]] = 1
        return {"texts": asked}

    return read


def _tags(text: str, known: dict[str, int]) -> list[str]:
    """Return the known tags of a prompt."""
    parts = [part.strip() for part in text.split(",")]
    bare = [_CLOSED.sub("", _OPENED.sub("", part)) for part in parts]
    return [tag for tag in map(plain, [*parts, *bare]) if tag in known]


def plain(tag: str) -> str:
    r"""Return a tag as it is compared: `Saber_\(Fate\)` is `saber (fate)`."""
    return re.sub(r"\\([()\[\]])", r"\1", tag).replace("_", " ").strip().lower()


def _names(file: Path) -> list[str]:
    """Return the tags in the order of the network's outputs; ratings have no name."""
    with file.open(encoding="utf-8", newline="") as lines:
        return ["" if row["category"] == RATING else row["name"] for row in csv.DictReader(lines)]


def _fetched(spec: WdTagger, name: str) -> str:
    """Return the path of one file of a model, a folder or a repository of the hub."""
    files = "model.onnx selected_tags.csv"
    return fetched("the tagger", spec.model, spec.revision, name, files)
