"""Load and draw with any text-to-image pipeline that diffusers knows; SDXL has a room of its own.

A page's words become arguments by the pipeline's own names, and what a pipeline cannot take is
refused before anything is drawn. One image a call: networks of this size fill a GPU with one, and
a longer prompt in the same batch would change how a shorter one is padded.
"""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKL, DiffusionPipeline, ModelMixin
from huggingface_hub import hf_hub_download
from numpy.typing import NDArray
from transformers import PreTrainedModel

from harness.diffusion.load import dtype_for, from_pretrained, load_part, load_vae
from harness.diffusion.sampler import Drawn, Request, first_random
from harness.diffusion.schedulers import SAMPLERS
from harness.diffusion.variants import files_of, variant_of
from harness.errors import MissingPrerequisite, UsageError
from harness.extractors.hub import revision_of
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Attached, Base, Load
from harness.pocket import locate

OURS = ("prompt", "negative_prompt", "num_inference_steps", "width", "height", "generator")
"""Arguments that have a field of their own on a page."""
_NOT_ASKED = ("latents", "output_type", "return_dict", "num_images_per_prompt", "image")
"""Arguments that would change what an image is the image of."""
CENSOR = "safety_checker"
"""The part that would paint some images black."""
ROOM = 1.2
"""How much memory must be free for the weights to stay on a GPU, as a multiple of them."""


def class_of(base: Base, load: Load | None = None) -> str | None:
    """Return the pipeline that a model's `model_index.json` names; None where it has none."""
    source: Base | Load = load if load is not None and load.model else base
    index = index_of(str(source.model), source.revision)
    return None if index is None else str(index.get("_class_name"))


@cache
def index_of(name: str, revision: str | None) -> Mapping[str, Any] | None:
    """Return what a model's `model_index.json` says; None where it cannot be had."""
    path = Path(locate(name))
    try:
        if not path.is_dir():
            revision = revision_of(name, revision)
            path = Path(hf_hub_download(name, "model_index.json", revision=revision))
        else:
            path = path / "model_index.json"
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # loading it says what is wrong
        return None
    return index if isinstance(index, dict) else None


def load_any(
    base: Base, load: Load | None, sampler: Sampler, device: str, vae_revision: str | None = None
) -> Any:
    """Return the pipeline of a model, ready to draw, with all of its weights from its files."""
    source: Base | Load = load if load is not None and load.model else base
    name, dtype = str(source.model), dtype_for(sampler.precision, device)
    index = index_of(name, source.revision) or {}
    kind = _kind(name, str(index.get("_class_name")))
    revision = revision_of(name, source.revision)
    files = files_of(locate(name), revision)
    models = dict(_models(index))
    options: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    variants = (variant_of(files, part, dtype) for part in models)
    options["variant"] = next((each for each in variants if each is not None), None)
    options |= {part: load_part(each, source, name, part, dtype) for part, each in models.items()}
    options |= {part: None for part, named in index.items() if named == [None, None]}
    if CENSOR in index:
        options |= {CENSOR: None, "requires_safety_checker": False}
    if sampler.vae or base.vae:
        if models.get("vae") is not AutoencoderKL:
            raise UsageError(f"{kind.__name__} draws with its own VAE only", hint="name no vae")
        other = sampler.vae
        named = Base(model=other, vae=other, vae_revision=vae_revision) if other else base
        options["vae"] = load_vae(named, device).to(dtype)
    pipeline = from_pretrained(kind.from_pretrained, name, revision, options)
    _set_scheduler(pipeline, sampler.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _kind(name: str, wanted: str) -> Any:
    """Return the class of a pipeline, of diffusers and of nobody else."""
    kind = getattr(diffusers, wanted, None)
    if not (inspect.isclass(kind) and issubclass(kind, DiffusionPipeline)):
        raise MissingPrerequisite(
            f"{name} is drawn by {wanted}, which diffusers {diffusers.__version__} does not have",
            hint="`pip install -U diffusers`; pipelines with code of their own are not run",
        )
    if "prompt" not in inspect.signature(kind.__call__).parameters:
        raise UsageError(f"{name} is a {wanted}, which takes no prompt", hint="name another base")
    return kind


def _models(index: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a pipeline that have weights, with their classes."""
    libraries = {"diffusers": diffusers, "transformers": transformers}
    for part, named in index.items():
        if part == CENSOR or not isinstance(named, list) or len(named) != 2:
            continue
        kind = getattr(libraries.get(str(named[0])), str(named[1]), None)
        if inspect.isclass(kind) and issubclass(kind, ModelMixin | PreTrainedModel):
            yield part, kind


def _set_scheduler(pipeline: Any, wanted: str) -> None:
    """Give a pipeline the scheduler of a benchmark, if its model was taught that kind of noise."""
    own = type(pipeline.scheduler)
    if wanted == "own" or (wanted == "euler" and own.__name__.startswith("FlowMatchEuler")):
        return
    kind = SAMPLERS[wanted]
    if kind not in pipeline.scheduler.compatibles:
        raise UsageError(
            f"{type(pipeline).__name__} draws with {own.__name__}, and not with {wanted}",
            hint="write `scheduler: own` in the benchmark's sampler",
        )
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config)


def place(pipeline: Any, device: str) -> str:
    """Move a pipeline to a device; return what is kept in main memory, where a GPU is too small."""
    if not device.startswith("cuda"):
        pipeline.to(device)
        return "none"
    sizes = [weight_bytes(each) for each in pipeline.components.values()]
    kept = offload(sizes, torch.cuda.mem_get_info(device)[0])
    if kept == "none":
        pipeline.to(device)
    elif kept == "models":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return kept


def offload(sizes: Sequence[int], free: int) -> str:
    """Return what must wait in main memory: none, all models but one, or all layers but one."""
    if ROOM * sum(sizes) <= free:
        return "none"
    return "models" if ROOM * max(sizes) <= free else "layers"


def weight_bytes(part: Any) -> int:
    if not isinstance(part, torch.nn.Module):
        return 0
    return sum(each.numel() * each.element_size() for each in part.parameters())


def attach_files(pipeline: Any, adapters: Sequence[tuple[Attached, float]]) -> None:
    """Put adapters on a pipeline at their scales; refuse one that fits only in part."""
    if not adapters:
        return
    if not hasattr(pipeline, "load_lora_weights"):
        raise UsageError(f"{type(pipeline).__name__} takes no adapters", hint="leave out load")
    names = [f"adapter-{number}" for number in range(len(adapters))]
    for name, (each, _) in zip(names, adapters, strict=True):
        file = Path(each.file).resolve()
        try:
            told = pipeline.lora_state_dict(str(file.parent), weight_name=file.name)
            pipeline.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name=name)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise _unfit(each, pipeline, str(error).strip().splitlines()[0][:200]) from error
        asked = sum("lora_A" in key for key in (told[0] if isinstance(told, tuple) else told))
        there = sum(_layers_with(part, name) for part in pipeline.components.values())
        if there < max(asked, 1):
            raise _unfit(each, pipeline, f"{there} of its {asked} layers are in the model")
    pipeline.set_adapters(names, [scale for _, scale in adapters])


def _layers_with(part: Any, name: str) -> int:
    if not isinstance(part, torch.nn.Module):
        return 0
    return sum(name in getattr(each, "lora_A", {}) for each in part.modules())


def _unfit(each: Attached, pipeline: Any, why: str) -> UsageError:
    return UsageError(
        f"{each.file} does not fit {type(pipeline).__name__}: {why}",
        hint="name the base that the adapter was trained on",
    )


def arguments(pipeline: Any, sampler: Sampler) -> dict[str, Any]:
    """Return what a pipeline is called with for every image, by its own names."""
    kind = type(pipeline).__name__
    accepted = inspect.signature(pipeline.__call__).parameters
    if sampler.prompt_style != "plain":
        raise UsageError(f"{kind} reads prompts as they stand", hint="use prompt_style: plain")
    for name in sampler.options:
        if name not in accepted or name in OURS or name in _NOT_ASKED:
            free = [each for each in accepted if each not in (*OURS, *_NOT_ASKED, "self")]
            close = difflib.get_close_matches(name, free, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(free)[:200]}"
            raise UsageError(f"{kind} has no option {name}", hint=hint)
    fixed = {
        "num_inference_steps": sampler.steps,
        "width": sampler.width,
        "height": sampler.height,
        "output_type": "np",
        _guidance(accepted, kind): sampler.guidance,
    }
    return fixed | dict(sampler.options)


def _guidance(accepted: Mapping[str, inspect.Parameter], kind: str) -> str:
    """Return the argument that weighs the prompt against the negative prompt.

    Where a pipeline has both names, the one that is at work by default counts.
    """
    true = accepted.get("true_cfg_scale")
    if true is not None and isinstance(true.default, int | float) and true.default > 1:
        return "true_cfg_scale"
    if "guidance_scale" in accepted:
        return "guidance_scale"
    raise UsageError(f"{kind} has no guidance", hint="name another base")


class AnySampler:
    """A pipeline of any kind with the sampler settings of a benchmark."""

    def __init__(self, pipeline: Any, sampler: Sampler) -> None:
        self._pipeline, self._sampler = pipeline, sampler
        self._fixed = arguments(pipeline, sampler)
        accepted = inspect.signature(pipeline.__call__).parameters
        self._takes_negative = "negative_prompt" in accepted

    @torch.no_grad()
    def draw(self, requests: Sequence[Request]) -> list[Drawn]:
        """Return the image of each request, drawn alone from noise of its own."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Drawn:
        negative = self._sampler.negative if request.negative is None else request.negative
        said: dict[str, Any] = {"prompt": request.text}
        if self._takes_negative:
            said["negative_prompt"] = negative
        elif negative:
            kind = type(self._pipeline).__name__
            raise UsageError(f"{kind} takes no negative prompt", hint="leave negative empty")
        output = self._pipeline(**said, **self._fixed, generator=first_random(request)).images
        return self._levels(np.asarray(output[0], np.float32))

    def _levels(self, pixels: NDArray[np.float32]) -> Drawn:
        """Return an image of H × W × 3 levels; None if its numbers are not finite."""
        if not np.isfinite(pixels).all():
            return None
        asked = (self._sampler.height, self._sampler.width)
        if pixels.shape[:2] != asked:
            raise UsageError(
                f"{type(self._pipeline).__name__} drew {pixels.shape[1]} × {pixels.shape[0]} "
                f"pixels and not {asked[1]} × {asked[0]}",
                hint="name a width and a height that it can draw",
            )
        return (pixels * 255).round().clip(0, 255).astype(np.uint8)
