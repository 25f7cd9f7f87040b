"""Real pictures with known damage, to see which metric notices it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from harness.data.opening import image_of
from harness.data.prefetch import in_order
from harness.files import whole
from harness.fingerprint import number_of
from harness.interfaces import Progress, StageContext
from harness.pages.stages import Treatment, TreatSpec
from harness.pipeline.stages.files import (
    LITTLE_EFFORT,
    THREADS,
    Entry,
    is_black,
    open_picture,
    read_index,
    save_png,
    write_index,
)

KINDS = 4
"""How many different pictures a collapsed set holds."""
Shown = tuple[Path, str]
"""A picture and its words."""
GRID = 4
"""Into how many rows and columns a picture is cut before its parts are laid anew."""


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
    shown = [(folder / str(entry.file), text) for entry, text in zip(chosen, texts, strict=True)]
    if spec.treatment == "collapsed":
        few = [file for file, _ in shown[:KINDS]]
        shown = [(few[at // spec.seeds % len(few)], text) for at, (_, text) in enumerate(shown)]
    if spec.treatment == "mixed":
        shown = _mixed(shown, context.inputs["others"], spec.share)

    def make(number: int) -> Entry:
        (source, text), seed = shown[number], number % spec.seeds
        file = f"images/{number:06d}.png"
        black = _write(source, spec.treatment, chosen[number].id, context.folder / file)
        return Entry(chosen[number - seed].id, seed, text, file, black=black)

    entries = []
    for number, entry in in_order(make, range(len(chosen)), THREADS):
        entries.append(entry)
        context.report(Progress(number + 1, len(chosen), "images"))
    write_index(context.folder, entries)


def _write(source: Path, treatment: Treatment, name: str, file: Path) -> bool:
    """Write a picture, treated, and return whether it is black; one that stays is copied as it is,
    since features are found again by the bytes of a file."""
    picture = open_picture(source)
    spoiled = spoil(picture, treatment, name)
    if spoiled is picture:
        with whole(file, flush=False) as part:
            shutil.copyfile(source, part)
    else:
        save_png(spoiled, file, LITTLE_EFFORT)
    return is_black(spoiled)


def spoil(picture: Image.Image, treatment: Treatment, name: str) -> Image.Image:
    """Return a picture with one damage; chance in it depends on `name` alone."""
    return _SPOIL[treatment](picture, name)


def _mixed(shown: list[Shown], folder: Path, share: float) -> list[Shown]:
    """Return pictures with a share of them, evenly spread, replaced by others with their words."""
    others = [(folder / entry.file, entry.text) for entry in read_index(folder) if entry.file]
    if not others:
        return shown
    return [
        others[at % len(others)] if int((at + 1) * share) > int(at * share) else own
        for at, own in enumerate(shown)
    ]


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


def _patches(picture: Image.Image, name: str) -> Image.Image:
    """Cut the picture into a grid and lay its parts in another order: right strokes, no motif."""
    rng = np.random.default_rng(number_of("treat", name, 2))
    pixels = np.asarray(picture)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in pixels.shape[:2])
    size = int(np.diff(rows).min()), int(np.diff(columns).min())
    corners = [(row, column) for row in rows[:-1] for column in columns[:-1]]
    parts = [pixels[row : row + size[0], column : column + size[1]] for row, column in corners]
    laid = pixels.copy()
    for (row, column), at in zip(corners, rng.permutation(len(parts)), strict=True):
        laid[row : row + size[0], column : column + size[1]] = parts[at]
    return Image.fromarray(laid)


def _smears(picture: Image.Image, name: str) -> Image.Image:
    """Draw what a spoiled adapter draws: soft, bent areas in colours that were mixed up."""
    rng = np.random.default_rng(number_of("treat", name, 3))
    soft = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 16))
    pixels = np.asarray(soft, np.float64)
    down, right = np.mgrid[0 : 1 : pixels.shape[0] * 1j, 0 : 1 : pixels.shape[1] * 1j]
    bent = []
    for side, along in zip(pixels.shape, (down, right), strict=False):
        waves, turns = rng.uniform(1, 2.5, 2), rng.uniform(0, 2 * np.pi, 2)
        wave = np.sin(2 * np.pi * (waves[0] * down + waves[1] * right) + turns[0])
        bent.append(np.clip((along + 0.12 * wave) * (side - 1), 0, side - 1).astype(int))
    colours = rng.dirichlet(np.full(3, 0.6), 3)
    return Image.fromarray((pixels[bent[0], bent[1]] @ colours.T).round().astype(np.uint8))


_SPOIL: dict[str, Callable[[Image.Image, str], Image.Image]] = {
    "none": _as_it_is,
    "shuffled": _as_it_is,
    "collapsed": _as_it_is,
    "mixed": _as_it_is,
    "blur": _blur,
    "jpeg": _jpeg,
    "noise": _noise,
    "grey": _grey,
    "black": _black,
    "patches": _patches,
    "smears": _smears,
}
