"""Sample: one image a prompt and seed; or take in images that were made elsewhere.

The images are cut into batches in one fixed order, and a batch that a kill left unfinished is
drawn again whole, so the same numbers meet in the same batch every time.
"""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image, ImageOps
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from harness.diffusion import emphasis
from harness.diffusion.adapter_files import FILE
from harness.diffusion.attachment import attach_all
from harness.diffusion.load import load_pipeline, retell
from harness.diffusion.sampler import Artist, Request
from harness.diffusion.tokens import attach_tokens
from harness.errors import UsageError
from harness.interfaces import Progress, Workplace
from harness.recipe import Attached
from harness.stages.files import UNREADABLE, Entry, is_black, save_png, write_index
from harness.stages.treat import treat
from harness.steps import SampleSpec, SuppliedImage, SuppliedSpec, TreatSpec

_TRAINED = {
    "unet": UNet2DConditionModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}


def sample(spec: SampleSpec | SuppliedSpec | TreatSpec, place: Workplace) -> None:
    """Write `images/<prompt>_<seed>.png` and the index of what became of each."""
    if isinstance(spec, TreatSpec):
        treat(spec, place)
    elif isinstance(spec, SuppliedSpec):
        _take_in(spec, place)
    else:
        _draw(spec, place)


def _draw(spec: SampleSpec, place: Workplace) -> None:
    requests = [
        Request(prompt.id, seed, spec.prompting.apply(prompt.text), prompt.negative)
        for prompt in spec.prompts
        for seed in spec.seeds
    ]
    shown = emphasis.plain if spec.sampler.prompt_style == "webui" else str
    plain = {prompt.id: shown(prompt.text) for prompt in spec.prompts}
    batches = [requests[at : at + place.batch] for at in range(0, len(requests), place.batch)]
    artist: Artist | None = None
    entries: list[Entry] = []
    for batch in batches:
        files = [f"images/{request.prompt_id}_{request.seed}.png" for request in batch]
        notes = [place.folder / f"scratch/{request.prompt_id}_{request.seed}" for request in batch]
        done = all(
            (place.folder / file).exists() or note.exists()
            for file, note in zip(files, notes, strict=True)
        )
        if not done:
            artist = artist or Artist(_pipeline(spec, place), spec.sampler, place.device)
            images = artist.draw(batch)
            for pixels, file, note in zip(images, files, notes, strict=True):
                if pixels is None:
                    note.parent.mkdir(exist_ok=True)
                    note.touch()
                else:
                    save_png(Image.fromarray(pixels), place.folder / file)
        for request, file in zip(batch, files, strict=True):
            entries.append(_entry(place.folder, request, plain[request.prompt_id], file))
        place.report(Progress(len(entries), len(requests), "images"))
    write_index(place.folder, entries)


def _entry(folder: Path, request: Request, text: str, file: str) -> Entry:
    if not (folder / file).exists():
        reason = "the numbers were not finite"
        return Entry(request.prompt_id, request.seed, text, None, reason)
    with Image.open(folder / file) as image:
        return Entry(request.prompt_id, request.seed, text, file, black=is_black(image))


def _pipeline(spec: SampleSpec, place: Workplace) -> StableDiffusionXLPipeline:
    sampler = spec.sampler
    pipeline = load_pipeline(
        spec.base, spec.load, sampler.scheduler, sampler.vae, place.device, sampler.precision
    )
    trained = place.inputs.get("train")
    if trained is not None and spec.checkpoint is not None:
        trained = trained / "checkpoints" / f"{spec.checkpoint:06d}"
    if trained is not None and not (trained / FILE).exists():
        _exchange(pipeline, trained, place.device)
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


def _take_in(spec: SuppliedSpec, place: Workplace) -> None:
    entries = []
    for number, asked in enumerate(spec.entries):
        entries.append(_taken(asked, Path(spec.folder), place.folder, f"images/{number:06d}.png"))
        place.report(Progress(number + 1, len(spec.entries), "images"))
    write_index(place.folder, entries)


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
