"""Real pictures with known damage, to see which metric notices it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from harness.data.opening import image_of
from harness.fingerprint import number_of
from harness.interfaces import Progress, StageContext
from harness.pages.stages import TreatSpec
from harness.pipeline.stages.files import (
    Entry,
    is_black,
    open_picture,
    read_index,
    save_png,
    write_index,
)

KINDS = 4
"""How many different pictures a collapsed set holds."""


def treat(spec: TreatSpec, context: StageContext) -> None:
    """Write the pictures of the input, treated, with what is known of them as their prompts.

    Every other prompt is its pictures' tags, where they have some, and not their captions.
    """
    folder = context.inputs["images"]
    present = [entry for entry in read_index(folder) if entry.file]
    chosen = (present if spec.half is None else present[spec.half :: 2])[: spec.count]
    texts = [_words(entry, number // spec.seeds) for number, entry in enumerate(chosen)]
    if spec.treatment == "shuffled":
        texts = texts[len(texts) // 2 :] + texts[: len(texts) // 2]
    entries = []
    for number, (entry, text) in enumerate(zip(chosen, texts, strict=True)):
        prompt, seed = divmod(number, spec.seeds)
        source = chosen[prompt % KINDS] if spec.treatment == "collapsed" else entry
        picture = _SPOIL[spec.treatment](open_picture(folder / str(source.file)), entry.id)
        file = f"images/{number:06d}.png"
        save_png(picture, context.folder / file)
        entries.append(Entry(chosen[number - seed].id, seed, text, file, black=is_black(picture)))
        context.report(Progress(number + 1, len(chosen), "images"))
    write_index(context.folder, entries)


def _words(entry: Entry, prompt: int) -> str:
    return ", ".join(entry.tags) if prompt % 2 and entry.tags else entry.text


def _as_it_is(picture: Image.Image, name: str) -> Image.Image:
    return picture


def _blur(picture: Image.Image, name: str) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40))


def _jpeg(picture: Image.Image, name: str) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=6)
    return image_of(buffer.getvalue()).convert("RGB")


def _noise(picture: Image.Image, name: str) -> Image.Image:
    """Grain of a fixed size relative to the picture, other for every picture."""
    rng = np.random.default_rng(number_of("treat", name, 0))
    grain = rng.normal(0, 40, (64, 64, 3))
    coarse = [Image.fromarray(part.astype(np.float32)) for part in np.moveaxis(grain, 2, 0)]
    full = np.stack([np.asarray(part.resize(picture.size)) for part in coarse], axis=2)
    pixels = np.asarray(picture, np.float64) + full
    return Image.fromarray(np.clip(pixels.round(), 0, 255).astype(np.uint8))


def _grey(picture: Image.Image, name: str) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _black(picture: Image.Image, name: str) -> Image.Image:
    """Leave nothing of one picture in four."""
    lost = number_of("treat", name, 1) % 4 == 0
    return Image.new("RGB", picture.size) if lost else picture


_SPOIL: dict[str, Callable[[Image.Image, str], Image.Image]] = {
    "none": _as_it_is,
    "shuffled": _as_it_is,
    "collapsed": _as_it_is,
    "blur": _blur,
    "jpeg": _jpeg,
    "noise": _noise,
    "grey": _grey,
    "black": _black,
}
