"""Sample: one image a prompt and seed; or take in images that were made elsewhere.

The images are cut into batches in one fixed order, and a batch that a kill left unfinished is
drawn again whole, so the same numbers meet in the same batch every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from harness.data import prompt_weights
from harness.diffusion.adapter_writer import FILE
from harness.diffusion.attachment import attach_all
from harness.diffusion.load import load_pipeline, retell
from harness.diffusion.sampler import Artist, Request
from harness.diffusion.tokens import attach_tokens
from harness.errors import UsageError
from harness.interfaces import Progress, StageContext
from harness.pages.recipe import Attached
from harness.pages.stages import SampleSpec, SuppliedImage, SuppliedSpec, TreatSpec
from harness.pipeline.stages.files import UNREADABLE, Entry, is_black, save_png, write_index
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share
from harness.pipeline.stages.treat import treat

_TRAINED = {
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


def sample(spec: SampleSpec | SuppliedSpec | TreatSpec, context: StageContext) -> None:
    """Write `images/<prompt>_<seed>.png` and the index of what became of each."""
    if isinstance(spec, TreatSpec):
        treat(spec, context)
    elif isinstance(spec, SuppliedSpec):
        _take_in(spec, context)
    else:
        _draw(spec, context)


def _draw(spec: SampleSpec, context: StageContext) -> None:
    batches = _batches(spec, context.batch)
    missing = [at for at, batch in enumerate(batches) if not _is_drawn(context.folder, batch)]
    pieces = [Piece(at, len(batches[at])) for at in missing]
    done = sum(map(len, batches)) - sum(piece.size for piece in pieces)
    share("sample", spec, context, pieces, done, "images")
    shown = prompt_weights.plain if spec.sampler.prompt_style == "webui" else str
    plain = {prompt.id: shown(prompt.text) for prompt in spec.prompts}
    requests = [request for batch in batches for request in batch]
    entries = [_entry(context.folder, each, plain[each.prompt_id]) for each in requests]
    write_index(context.folder, entries)


def _batches(spec: SampleSpec, size: int) -> list[list[Request]]:
    """Return what is drawn together: the same in every process."""
    requests = [
        Request(prompt.id, seed, spec.prompting.apply(prompt.text), prompt.negative)
        for prompt in spec.prompts
        for seed in spec.seeds
    ]
    return [requests[at : at + size] for at in range(0, len(requests), size)]


def _file(request: Request) -> str:
    return f"images/{request.prompt_id}_{request.seed}.png"


def _note(folder: Path, request: Request) -> Path:
    """Return the file that says of an image that its numbers were not finite."""
    return folder / f"scratch/{request.prompt_id}_{request.seed}"


def _is_drawn(folder: Path, batch: Sequence[Request]) -> bool:
    return all((folder / _file(each)).exists() or _note(folder, each).exists() for each in batch)


def piece_sampler(spec: SampleSpec, context: StageContext) -> DoPiece:
    """Return what draws one batch, by its number; the pipeline is loaded for the first."""
    batches = _batches(spec, context.batch)
    artist = cache(lambda: Artist(pipeline_of(spec, context), spec.sampler, context.device))

    def do_piece(number: int) -> None:
        batch = batches[number]
        if not _is_drawn(context.folder, batch):
            for request, pixels in zip(batch, artist().draw(batch), strict=True):
                _keep(context.folder, request, pixels)

    return do_piece


def _keep(folder: Path, request: Request, pixels: NDArray[np.uint8] | None) -> None:
    if pixels is not None:
        return save_png(Image.fromarray(pixels), folder / _file(request))
    note = _note(folder, request)
    note.parent.mkdir(exist_ok=True)
    note.touch()


def _entry(folder: Path, request: Request, text: str) -> Entry:
    file = _file(request)
    if not (folder / file).exists():
        reason = "the numbers were not finite"
        return Entry(request.prompt_id, request.seed, text, None, reason)
    with Image.open(folder / file) as image:
        return Entry(request.prompt_id, request.seed, text, file, black=is_black(image))


def pipeline_of(spec: SampleSpec, context: StageContext) -> StableDiffusionXLPipeline:
    """Return the base with what is judged attached, ready to draw."""
    sampler = spec.sampler
    pipeline = load_pipeline(
        spec.base, spec.load, sampler.scheduler, sampler.vae, context.device, sampler.precision
    )
    trained = context.inputs.get("train")
    if trained is not None and spec.checkpoint is not None:
        trained = trained / "checkpoints" / f"{spec.checkpoint:06d}"
    if trained is not None and not (trained / FILE).exists():
        _exchange(pipeline, trained, context.device)
    named = _named(spec, trained)
    scaled = [(each, each.scale * sampler.adapter_scale) for each in named]
    working = [(each, scale) for each, scale in scaled if scale]
    if working or not named:
        retell(pipeline, spec.prediction, spec.zero_terminal_snr)
    tokens = [file for each, _ in working if (file := each.tokens()) is not None]
    if tokens:
        attach_tokens(pipeline, *tokens)
    if working:
        attach_all(pipeline, [(Path(each.file), scale) for each, scale in working])
    return pipeline


def _exchange(pipeline: StableDiffusionXLPipeline, trained: Path, device: str) -> None:
    """Put the parts that were trained whole in place of the base's."""
    for part, kind in _TRAINED.items():
        if (trained / part).is_dir():
            model = kind.from_pretrained(trained / part, dtype=getattr(pipeline, part).dtype)
            setattr(pipeline, part, model.to(device).eval())


def _named(spec: SampleSpec, trained: Path | None) -> tuple[Attached, ...]:
    """Return the adapters that are judged. What works at a scale of 0 leaves the base as it is."""
    if trained is not None and (trained / FILE).exists():
        return (Attached(file=str(trained / FILE)),)
    named = spec.load.attached() if spec.load is not None else ()
    if spec.load is not None and named and spec.load.digest() != spec.adapter_digest:
        files = ", ".join(each.file for each in named)
        raise UsageError(f"{files} changed while being read", hint="run again")
    return named


def _take_in(spec: SuppliedSpec, context: StageContext) -> None:
    entries = []
    for number, asked in enumerate(spec.entries):
        entries.append(_taken(asked, Path(spec.folder), context.folder, f"images/{number:06d}.png"))
        context.report(Progress(number + 1, len(spec.entries), "images"))
    write_index(context.folder, entries)


def _taken(asked: SuppliedImage, source: Path, folder: Path, target: str) -> Entry:
    """Copy one image to `folder / target`, or say why not."""
    prompt, name = (asked.prompt_id, asked.seed, asked.text), asked.file
    if asked.reason is not None:
        return Entry(*prompt, None, f"{name} {asked.reason}")
    try:
        with Image.open(source / name) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
        save_png(picture, folder / target)
    except FileNotFoundError:
        return Entry(*prompt, None, f"{name} is missing")
    except UNREADABLE as error:
        why = " ".join(str(error).split())[:80].replace(str(source / name), name)
        return Entry(*prompt, None, f"{name} cannot be read: {why}")
    black = is_black(picture)
    return Entry(*prompt, target, f"{name} is black" if black else None, black)
