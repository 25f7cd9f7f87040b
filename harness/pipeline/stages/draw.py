"""Draw one image for each prompt and seed.

The images are cut into batches in a fixed order. A batch that a kill left unfinished is drawn
again whole, so an image is always in the same batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from numpy.typing import NDArray
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from harness.data import prompt_weights
from harness.data.opening import open_image
from harness.diffusion.adapter_writer import FILE
from harness.diffusion.any_pipeline import (
    AnySampler,
    attach_files,
    class_of,
    load_any,
    place,
)
from harness.diffusion.attachment import attach_all
from harness.diffusion.load import fp32_rounding, load_pipeline
from harness.diffusion.sampler import ImageSampler, Request
from harness.diffusion.schedulers import set_prediction
from harness.diffusion.shapes import PIPELINE
from harness.diffusion.tokens import attach_tokens
from harness.errors import UsageError
from harness.extractors.weights import load_whole
from harness.files import copy_whole
from harness.interfaces import StageContext
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Attached
from harness.pages.stages import SampleSpec
from harness.pipeline.stages.files import (
    EARLIER,
    THREADS,
    Entry,
    is_black,
    read_index,
    save_png,
    write_index,
)
from harness.pipeline.stages.finished import FinishedFiles
from harness.pipeline.stages.job import DoPiece
from harness.pipeline.stages.pieces import Piece, share

_MODELS = {
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


def draw(spec: SampleSpec, context: StageContext) -> None:
    """Write `images/<prompt>_<seed>.png` and the index of what became of each."""
    if rounding := fp32_rounding(context.device):
        context.notes["fp32"] = rounding
    finished = FinishedFiles(context.folder)
    taken = take_over(spec, context, finished)
    batches = _batches(spec, context)
    missing = [
        at for at, batch in enumerate(batches) if not _is_drawn(context.folder, finished, batch)
    ]
    pieces = [Piece(at, len(batches[at])) for at in missing]
    done = len(_requests(spec)) - sum(piece.size for piece in pieces)
    if taken:
        context.notes["taken_over"] = taken
    share("sample", spec, context, pieces, done, "images")
    shown = prompt_weights.plain if spec.sampler.prompt_style == "webui" else str
    plain = {prompt.id: shown(prompt.text) for prompt in spec.prompts}
    entries = [_entry(context.folder, each, plain[each.prompt_id]) for each in _requests(spec)]
    write_index(context.folder, entries)


def _requests(spec: SampleSpec) -> list[Request]:
    return [
        Request(prompt.id, seed, spec.prompting.apply(prompt.text), prompt.negative)
        for prompt in spec.prompts
        for seed in spec.seeds
    ]


def _batches(spec: SampleSpec, context: StageContext) -> list[list[Request]]:
    """Return the batches of what is not taken over: the same in every process."""
    there, size = earlier(context), context.batch
    left = [each for each in _requests(spec) if _file(each) not in there]
    return [left[at : at + size] for at in range(0, len(left), size)]


def earlier(context: StageContext) -> frozenset[str]:
    """Return the images of an earlier step that drew some of the same ones, as files."""
    folder = context.inputs.get(EARLIER)
    if folder is None:
        return frozenset()
    return frozenset(entry.file for entry in read_index(folder) if entry.file)


def take_over(spec: SampleSpec, context: StageContext, finished: FinishedFiles) -> int:
    """Copy the images that the earlier step drew too, and return how many these are."""
    files = earlier(context).intersection(map(_file, _requests(spec)))
    for file in sorted(files):
        if not finished.has(file):
            copy_whole(context.inputs[EARLIER] / file, context.folder / file)
            finished.add(file)
    return len(files)


def _file(request: Request) -> str:
    return f"images/{request.prompt_id}_{request.seed}.png"


def _note(folder: Path, request: Request) -> Path:
    """Return the file that marks an image whose numbers are not finite."""
    return folder / f"scratch/{request.prompt_id}_{request.seed}"


def _is_drawn(folder: Path, finished: FinishedFiles, batch: Sequence[Request]) -> bool:
    return all(finished.has(_file(each)) or _note(folder, each).exists() for each in batch)


def piece_sampler(spec: SampleSpec, context: StageContext) -> DoPiece:
    """Return the function that draws the batch of a number; the first call loads the pipeline."""
    batches = _batches(spec, context)
    finished = FinishedFiles(context.folder)
    image_sampler = cache(
        lambda: sampler_of(pipeline_of(spec, context), spec.sampler, context.device)
    )

    def do_piece(number: int) -> None:
        batch = batches[number]
        if not _is_drawn(context.folder, finished, batch):
            images = image_sampler().draw(batch)
            with ThreadPoolExecutor(min(THREADS, len(batch))) as threads:
                list(threads.map(partial(_keep, context.folder, finished), batch, images))

    return do_piece


def _keep(
    folder: Path, finished: FinishedFiles, request: Request, pixels: NDArray[np.uint8] | None
) -> None:
    if pixels is not None:
        save_png(Image.fromarray(pixels), folder / _file(request))
        return finished.add(_file(request))
    note = _note(folder, request)
    note.parent.mkdir(exist_ok=True)
    note.touch()


def _entry(folder: Path, request: Request, text: str) -> Entry:
    file = _file(request)
    if not (folder / file).exists():
        reason = "the numbers were not finite"
        return Entry(request.prompt_id, request.seed, text, None, reason)
    with open_image(folder / file) as image:
        return Entry(request.prompt_id, request.seed, text, file, black=is_black(image))


def sampler_of(pipeline: Any, sampler: Sampler, device: str) -> ImageSampler | AnySampler:
    """Return what draws with a pipeline: SDXL in batches, others one image a call."""
    if isinstance(pipeline, StableDiffusionXLPipeline):
        return ImageSampler(pipeline, sampler, device)
    return AnySampler(pipeline, sampler)


def pipeline_of(spec: SampleSpec, context: StageContext) -> Any:
    """Return the pipeline of the base with the trained weights or adapters, ready to draw."""
    kind = class_of(spec.base, spec.load)
    if kind in (None, PIPELINE):
        return _sdxl(spec, context)
    pipeline = load_any(
        spec.base, spec.load, spec.sampler, context.device, spec.sampler.vae_revision
    )
    attach_files(pipeline, _at_work(_adapters(spec, None), spec.sampler))
    context.notes["pipeline"] = kind
    if (kept := place(pipeline, context.device)) != "none":
        context.notes["offloaded"] = kept
    return pipeline


def _at_work(adapters: Sequence[Attached], sampler: Sampler) -> list[tuple[Attached, float]]:
    """Return the adapters that change something, with their scales."""
    scaled = [(each, each.scale * sampler.adapter_scale) for each in adapters]
    return [(each, scale) for each, scale in scaled if scale]


def _sdxl(spec: SampleSpec, context: StageContext) -> StableDiffusionXLPipeline:
    sampler = spec.sampler
    if sampler.scheduler == "own" or sampler.options:
        raise UsageError(
            "SDXL is drawn by scheduler ddim, euler or euler-a, and takes no options",
            hint="`scheduler: own` and `options` are for other bases",
        )
    pipeline = load_pipeline(
        spec.base,
        spec.load,
        sampler.scheduler,
        sampler.vae,
        context.device,
        sampler.precision,
        sampler.vae_revision,
    )
    trained = context.inputs.get("train")
    if trained is not None and spec.checkpoint is not None:
        trained = trained / "checkpoints" / f"{spec.checkpoint:06d}"
    if trained is not None and not (trained / FILE).exists():
        _replace_models(pipeline, trained, context.device)
    adapters = _adapters(spec, trained)
    active = _at_work(adapters, sampler)
    if active or not adapters:
        set_prediction(pipeline, spec.prediction, spec.zero_terminal_snr)
    tokens = [file for each, _ in active if (file := each.tokens()) is not None]
    if tokens:
        attach_tokens(pipeline, *tokens)
    if active:
        attach_all(pipeline, [(Path(each.file), scale) for each, scale in active])
    return pipeline


def _replace_models(pipeline: StableDiffusionXLPipeline, trained: Path, device: str) -> None:
    """Replace the models of the base by those that were trained in full."""
    for part, kind in _MODELS.items():
        if (trained / part).is_dir():
            dtype = getattr(pipeline, part).dtype
            model = load_whole(kind, str(trained / part), dtype=dtype)
            setattr(pipeline, part, model.to(device).eval())


def _adapters(spec: SampleSpec, trained: Path | None) -> tuple[Attached, ...]:
    """Return the adapters to attach; one at a scale of 0 would leave the base as it is."""
    if trained is not None and (trained / FILE).exists():
        return (Attached(file=str(trained / FILE)),)
    named = spec.load.attached() if spec.load is not None else ()
    if spec.load is not None and named and spec.load.digest() != spec.adapter_digest:
        files = ", ".join(each.file for each in named)
        raise UsageError(f"{files} changed while being read", hint="run again")
    return named
