"""SimpleTuner: config.json, with or without dashes, and the list of data backends beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure, Source, flat, is_off, number_of
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.remarks import remarks

HABITS = Habits(
    trainer="SimpleTuner",
    defaults={
        "train.adapter.rank": 16,
        "@rate": 4e-7,
        "@schedule": "constant",
        "train.buckets": True,
        "@buckets": {"step": 64},
        "train.precision": "bf16",
        "train.batch": 4,
    },
    constant_is_plain=True,
)
MEANINGS = {
    "pretrained_model_name_or_path": "base.model",
    "pretrained_vae_model_name_or_path": "base.vae",
    "revision": "base.revision",
    "lora_type": "@kind",
    "lora_rank": "train.adapter.rank",
    "lora_alpha": "train.adapter.alpha",
    "lora_dropout": "train.adapter.dropout",
    "use_dora": "train.adapter.dora",
    "learning_rate": "@rate",
    "train_text_encoder": "@text",
    "text_encoder_lr": "@text_rate",
    "train_batch_size": "train.batch",
    "gradient_accumulation_steps": "train.accumulation",
    "num_processes": "train.processes",
    "max_train_steps": "@steps",
    "num_train_epochs": "@epochs",
    "lr_scheduler": "@schedule",
    "lr_warmup_steps": "@warmup_steps",
    "lr_num_cycles": "@cycles",
    "lr_power": "@power",
    "lr_end": "@end_rate",
    "optimizer": "@optimizer",
    "optimizer_config": "@optimizer_args",
    "adam_beta1": "@optimizer.beta1",
    "adam_beta2": "@optimizer.beta2",
    "optimizer_beta1": "@optimizer.beta1",
    "optimizer_beta2": "@optimizer.beta2",
    "adam_weight_decay": "@optimizer.weight_decay",
    "adam_epsilon": "@optimizer.eps",
    "max_grad_norm": "train.max_grad_norm",
    "backend.resolution": "train.resolution",
    "resolution": "train.resolution",
    "backend.crop_aspect": "train.buckets",
    "backend.crop_style": "@crop_style",
    "aspect_bucket_alignment": "train.buckets.step",
    "caption_dropout_probability": "data.caption.dropout",
    "backend.caption_strategy": "@words",
    "backend.instance_prompt": "data.caption.prefix",
    "instance_prompt": "data.caption.prefix",
    "snr_gamma": "train.snr_gamma",
    "prediction_type": "train.prediction",
    "rescale_betas_zero_snr": "train.zero_terminal_snr",
    "loss_type": "train.huber",
    "huber_c": "@huber_delta",
    "huber_schedule": "@huber_schedule",
    "input_perturbation": "train.input_perturbation",
    "mixed_precision": "train.precision",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "use_ema": "train.ema",
    "ema_decay": "train.ema.decay",
    "seed": "train.seed",
    "checkpoint_step_interval": "train.checkpoint_every",
    "checkpointing_steps": "train.checkpoint_every",
    "checkpoint_epoch_interval": "@checkpoint_epochs",
    "validation_prompt": "train.previews",
}
REMARKS = remarks(
    {
        "it says that the base is SDXL, as every base here is": "model_family model_flavour",
        "aspects are rounded to shapes of whole steps: train.buckets.step": (
            "aspect_bucket_rounding"
        ),
        "data.curate.min_side leaves small pictures out": "minimum_image_size",
        "pictures are cut to size, however large": "maximum_image_size target_downsample_size",
        "it says in what a resolution is counted": "resolution_type",
        "LoRA begins as PEFT does: A at random, B zero": "lora_initialisation_style init_lora",
        "it says when the offset acts: here always": "offset_noise noise_offset_probability",
        "pictures are counted once a pass": "ignore_final_epochs",
        "it is for another kind of adapter": "lycoris_config",
        "the file is not here: --data names the pictures": "data_backend_config",
        "it says where its store lies": "aws_bucket_name aws_endpoint_url aws_region_name",
        "a picture is cut to a square or to the nearest bucket": "crop",
        "it names the set for itself": "id type dataset_type metadata_update_interval",
        "gradients are always kept in float32": "gradient_precision",
        "the running mean takes every step": (
            "ema_update_interval ema_device ema_cpu_only ema_foreach_disable ema_validation"
        ),
    }
)


def recognizes(data: Mapping[str, Any]) -> bool:
    """Return whether this is a SimpleTuner config."""
    names = {str(name).lstrip("-") for name in data}
    return "model_type" in names and bool(
        names & {"model_family", "data_backend_config", "lora_rank", "aspect_bucket_rounding"}
    )


def draft_of(data: Mapping[str, Any], read: Callable[[str], Any]) -> tuple[Draft, Habits]:
    """Return the draft of a config; its data backends are read where their file is here."""
    figures = flat({str(name).lstrip("-"): value for name, value in data.items()})
    family = str(figures.get("model_family") or "sdxl")
    if family != "sdxl":
        raise UsageError(f"model_family is {family}, and harness trains SDXL")
    if not is_off(figures.get("controlnet")):
        raise UsageError("the config trains a ControlNet, and harness trains LoRA and bases")
    draft = Draft(figures, dict(MEANINGS), REMARKS, full=figures.get("model_type") == "full")
    kind = Figure("model_type", figures["model_type"])
    draft.note(kind, "train.method", "full" if draft.full else "lora")
    name = figures.get("data_backend_config")
    backends = read(str(name)) if name else None
    for number, backend in enumerate(backends if isinstance(backends, list) else []):
        _read_backend(draft, figures, dict(backend), number)
    if name and draft.sources:
        draft.same(Figure("data_backend_config", name), "data.source", None, "it is read")
    _place_noise(draft, figures)
    if "pretrained_model_name_or_path" not in figures:
        base = "stabilityai/stable-diffusion-xl-base-1.0"
        draft.assume("base", "base.model", base, "its default")
    squares = isinstance(backends, list) and any(
        not is_off(each.get("crop")) and each.get("crop_aspect", "square") == "square"
        for each in backends
        if isinstance(each, Mapping)
    )
    return draft, replace(HABITS, defaults={**HABITS.defaults, "train.buckets": not squares})


def _place_noise(draft: Draft, figures: dict[str, Any]) -> None:
    """Let the noise offset count where its switch is on, as there."""
    if "noise_offset" not in figures:
        return
    figure = Figure("noise_offset", figures["noise_offset"])
    if is_off(figures.get("offset_noise", False)):
        draft.leave(figure, "offset_noise is not on, without which it does nothing there")
        return
    chance = number_of(figures.get("noise_offset_probability", 0.25)) or 0
    strength = number_of(figure.value) or 0
    if strength > 0:
        note = f"there it acts on {chance:.0%} of the batches, here on all" if chance < 1 else ""
        if note:
            draft.change(figure, "train.noise_offset", strength, note)
        else:
            draft.keep(figure, "train.noise_offset", strength)


def _read_backend(draft: Draft, figures: dict[str, Any], backend: dict[str, Any], at: int) -> None:
    place = f"backends[{at}]"
    figures |= {f"{place}.{key}": value for key, value in flat(backend).items()}
    cache = str(backend.get("dataset_type", "image"))
    if cache != "image" or not is_off(backend.get("disabled")):
        for key, value in flat(backend).items():
            note = f"it is a store of {cache}: nothing to learn from"
            draft.leave(Figure(f"{place}.{key}", value), note)
        return
    repeats = (number_of(backend.get("repeats", 0)) or 0) + 1
    if "repeats" in backend:
        what = Figure(f"{place}.repeats", backend["repeats"])
        draft.same(what, "train.phases[].steps", None, f"0 is once there: {repeats:g} times")
    _place_source(draft, backend, place, repeats)
    if not draft.sources[1:]:
        rules = {
            f"{place}.{key}": MEANINGS[f"backend.{key}"]
            for key in backend
            if f"backend.{key}" in MEANINGS
        }
        draft.meanings = {**rules, **draft.meanings}


def _place_source(draft: Draft, backend: dict[str, Any], place: str, repeats: float) -> None:
    if backend.get("type") == "huggingface":
        name, figure = backend.get("dataset_name"), f"{place}.dataset_name"
        spec: dict[str, Any] = {"use": "hub", "id": str(name)}
        columns = {"image_column": "image", "caption_column": "text"}
        spec |= {ours: backend[key] for key, ours in columns.items() if backend.get(key)}
    else:
        folder = backend.get("instance_data_dir") or backend.get("instance_data_root")
        figure = f"{place}.instance_data_dir"
        spec = {"use": "folder", "path": str(folder), "recursive": True}
    draft.sources.append(Source(figure, spec, repeats))
