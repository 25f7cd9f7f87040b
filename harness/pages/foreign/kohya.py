"""kohya's sd-scripts: flags in TOML, the set in TOML beside it, and the JSON of its GUI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure, Source, is_off, number_of
from harness.pages.foreign.habits import TRANSFORMER, Habits
from harness.pages.foreign.remarks import remarks

Read = Callable[[str], Mapping[str, Any] | None]
"""Returns what stands in a file that a config names, None where it is not here."""

HABITS = Habits(
    trainer="kohya's sd-scripts",
    defaults={
        "train.adapter.rank": 4,
        "train.adapter.alpha": 1.0,
        "train.adapter.targets": TRANSFORMER,
        "@rate": 2e-6,
        "@steps": 1600,
        "@buckets": {"step": 64, "shortest": 256, "longest": 1024},
        "train.precision": "fp32",
        "train.resolution": 512,
    },
    trains_text=True,
    epochs_win=True,
    constant_is_plain=True,
)
MEANINGS = {
    "pretrained_model_name_or_path": "base.model",
    "vae": "base.vae",
    "network_dim": "train.adapter.rank",
    "network_alpha": "train.adapter.alpha",
    "network_dropout": "train.adapter.dropout",
    "network_module": "@module",
    "LoRA_type": "@kind",
    "network_args.algo": "@kind",
    "network_args.conv_dim": "@conv_rank",
    "conv_dim": "@conv_rank",
    "network_args.dora_wd": "train.adapter.dora",
    "dora_wd": "train.adapter.dora",
    "network_train_unet_only": "@no_text",
    "network_train_text_encoder_only": "@only_text",
    "unet_lr": "@rate",
    "learning_rate": "@rate",
    "learning_rate_te1": "@text_rate1",
    "learning_rate_te2": "@text_rate2",
    "text_encoder_lr": "@text_rate",
    "datasets.batch_size": "train.batch",
    "train_batch_size": "train.batch",
    "gradient_accumulation_steps": "train.accumulation",
    "num_processes": "train.processes",
    "max_train_epochs": "@epochs",
    "max_train_steps": "@steps",
    "lr_scheduler_type": "@schedule",
    "lr_scheduler": "@schedule",
    "lr_warmup_steps": "@warmup_steps",
    "lr_warmup": "@warmup_percent",
    "lr_scheduler_num_cycles": "@cycles",
    "lr_scheduler_power": "@power",
    "lr_scheduler_min_lr_ratio": "@floor",
    "optimizer_type": "@optimizer",
    "optimizer": "@optimizer",
    "optimizer_args": "@optimizer_args",
    "use_8bit_adam": "@8bit",
    "max_grad_norm": "train.max_grad_norm",
    "datasets.resolution": "train.resolution",
    "max_resolution": "train.resolution",
    "resolution": "train.resolution",
    "enable_bucket": "train.buckets",
    "bucket_reso_steps": "train.buckets.step",
    "min_bucket_reso": "train.buckets.shortest",
    "max_bucket_reso": "train.buckets.longest",
    "random_crop": "@random_crop",
    "flip_aug": "train.flip",
    "caption_prefix": "data.caption.prefix",
    "shuffle_caption": "data.caption.shuffle",
    "keep_tokens": "data.caption.keep_first",
    "caption_dropout_rate": "data.caption.dropout",
    "caption_tag_dropout_rate": "data.caption.tag_dropout",
    "max_token_length": "@tokens",
    "min_snr_gamma": "train.snr_gamma",
    "debiased_estimation_loss": "train.debiased",
    "v_parameterization": "train.prediction",
    "zero_terminal_snr": "train.zero_terminal_snr",
    "loss_type": "train.huber",
    "huber_c": "@huber_delta",
    "huber_schedule": "@huber_schedule",
    "noise_offset": "train.noise_offset",
    "ip_noise_gamma": "train.input_perturbation",
    "mixed_precision": "train.precision",
    "full_bf16": "@adapter_bf16",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "torch_compile": "train.compile",
    "seed": "train.seed",
    "save_every_n_steps": "train.checkpoint_every",
    "save_every_n_epochs": "@checkpoint_epochs",
    "sample_prompts": "train.previews",
}
REMARKS = remarks(
    {
        "its GUI counts by it; sd-scripts reads max_train_epochs": "epoch",
        "it says that the base is SDXL, as every base here is": "sdxl v2",
        "it names the form of a LyCORIS adapter, and harness trains LoRA": (
            "LyCORIS_preset preset factor decompose_both use_tucker use_cp use_scalar"
            " full_matrix constrain rescaled unit train_on_input bypass_mode train_norm"
        ),
        "the loss of v-prediction is as the paper has it": (
            "scale_v_pred_loss_like_noise_pred v_pred_like_loss"
        ),
        "text encoders train for the whole phase: a second phase may rest them": (
            "stop_text_encoder_training_pct stop_text_encoder_training"
        ),
        "a Huber loss has a delta and no scale": "huber_scale",
        "trained weights are kept in float32": "full_fp16",
        "repeats are counted in the steps": "num_repeats dataset_repeats",
        "it is a choice of the GUI's menu": "model_list",
        "flags in free words are not read": "additional_parameters extra_accelerate_launch_args",
        "learned rates need no other schedule": "lr_scheduler_args lr_decay_steps",
    }
)
_ELSEWHERE = ("datasets", "general", "subsets", "train_data_dir", "in_json", "dataset_config")


def recognizes(data: Mapping[str, Any]) -> bool:
    """Return whether this is a config of sd-scripts or of its GUI."""
    names = set(_without_sections(data))
    trains = {"network_module", "network_dim", "LoRA_type", "train_data_dir", "dataset_config"}
    named = "pretrained_model_name_or_path" in names or {"LoRA_type", "network_dim"} <= names
    return named and bool(
        names & (trains | {"optimizer_type", "train_batch_size", "max_train_epochs"})
        and not names & {"model_family", "lora_rank", "rank"}
    )


def draft_of(data: Mapping[str, Any], read: Read) -> tuple[Draft, Habits]:
    """Return the draft of a config; the file that it names as its set is read where it is here."""
    figures = _without_sections(data)
    _refuse_tokens(figures)
    figures |= _network_args(figures)
    sets = data if "datasets" in data else None
    name = figures.get("dataset_config")
    if sets is None and name:
        sets = read(str(name))
    draft = Draft(figures, dict(MEANINGS), REMARKS, family=_family(figures))
    if sets is not None:
        _read_sets(draft, sets, figures)
        if name:
            draft.keep(Figure("dataset_config", name), "data.source", "read")
    elif figures.get("train_data_dir"):
        draft.sources = _folders(str(figures["train_data_dir"]))
    _place_zeros(draft, figures)
    draft.full = not any(name.startswith("network_") or name == "LoRA_type" for name in figures)
    _place_module(draft, figures)
    draft.figures = figures
    return draft, _habits(draft, figures)


def _refuse_tokens(figures: Mapping[str, Any]) -> None:
    token = figures.get("token_string")
    if token:
        raise UsageError(
            f"the config trains the new token {token!r} and nothing else",
            hint="import trains adapters and bases: write a recipe with train.tokens",
        )


def _family(figures: Mapping[str, Any]) -> str | None:
    """Return the kind of base that switches and the network's name tell, None where it is SDXL."""
    module = re.fullmatch(r"networks\.lora_(?!fa$)(\w+)", str(figures.get("network_module") or ""))
    if module:
        return str(module.group(1))
    for name, family in (("flux1_checkbox", "Flux"), ("sd3_checkbox", "SD 3"), ("v2", "SD 2")):
        if not is_off(figures.get(name)):
            return family
    return "SD 1" if "sdxl" in figures and is_off(figures["sdxl"]) else None


def _place_zeros(draft: Draft, figures: dict[str, Any]) -> None:
    """Say what a 0 stands for: an alpha as the rank, and in the GUI a rate as the one for all."""
    alpha = Figure("network_alpha", figures.get("network_alpha"))
    rank = number_of(figures.get("network_dim", 4))
    if alpha.number == 0 and rank:
        draft.change(alpha, "train.adapter.alpha", float(rank), "0 stands for the rank there")
    if not _is_gui(figures):
        return
    rates = ("unet_lr", "text_encoder_lr")
    if all(number_of(figures.get(name)) == 0 for name in rates):
        draft.meanings = {each: what for each, what in draft.meanings.items() if each not in rates}
        for name, place in zip(rates, ("rate", "text_encoder_rates"), strict=True):
            note = "both are 0, which stands for learning_rate there"
            draft.same(Figure(name, figures[name]), f"train.phases[].{place}", None, note)


def _is_gui(figures: Mapping[str, Any]) -> bool:
    return "LoRA_type" in figures or "max_resolution" in figures


def _habits(draft: Draft, figures: Mapping[str, Any]) -> Habits:
    """Return the habits of the script: its GUI and its full fine-tune have some of their own."""
    if _is_gui(figures) and is_off(figures.get("max_train_epochs")):
        draft.meanings = {
            name: what for name, what in draft.meanings.items() if name != "max_train_epochs"
        } | {"epoch": "@epochs"}
        return replace(HABITS, epochs_win=False)
    if draft.full:
        draft.meanings = {**draft.meanings, "train_text_encoder": "@text"}
        return replace(HABITS, trains_text=False)
    return HABITS


def _without_sections(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of every section: their names carry no meaning to sd-scripts."""
    figures: dict[str, Any] = {}
    for key, value in data.items():
        if key in ("datasets", "general"):
            continue
        if isinstance(value, Mapping):
            figures |= _without_sections(value)
        else:
            figures[key] = value
    return figures


def _network_args(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return `network_args`, a list of name=value, as figures of their own."""
    given = figures.get("network_args")
    words = given if isinstance(given, list) else re.findall(r"\S+=\S+", str(given or ""))
    pairs = [str(word).partition("=") for word in words]
    return {f"network_args.{name.strip()}": value.strip() for name, mark, value in pairs if mark}


def _place_module(draft: Draft, figures: Mapping[str, Any]) -> None:
    module = figures.get("network_module")
    if not module:
        return
    known = str(module) in ("networks.lora", "lycoris.kohya", "networks.lora_fa")
    note = "" if known else f"harness trains LoRA: one stands in for {module}"
    draft.note(Figure("network_module", module), "train.adapter", "LoRA", note)
    if figures.get("network_args"):
        draft.note(Figure("network_args", figures["network_args"]), "train.adapter", "read")


def _read_sets(draft: Draft, sets: Mapping[str, Any], figures: dict[str, Any]) -> None:
    """Take the sets apart: general figures, those of a dataset, those of each subset."""
    general = sets.get("general", {})
    for key, value in general.items():
        _override(draft, figures, key, value)
    datasets = [each for each in sets.get("datasets", []) if isinstance(each, Mapping)]
    for number, dataset in enumerate(datasets):
        own = {key: value for key, value in dataset.items() if key != "subsets"}
        for key, value in own.items():
            name = f"datasets.{key}" if key in ("batch_size", "resolution") else key
            if not number:
                _override(draft, figures, name, value)
            elif figures.setdefault(name, value) != value:
                figures[f"datasets[{number}].{key}"] = value
                note = "one rule holds for all pictures: the first one's"
                draft.leave(Figure(f"datasets[{number}].{key}", value), note)
        for at, subset in enumerate(dataset.get("subsets", [])):
            _read_subset(draft, figures, dict(subset), f"datasets[{number}].subsets[{at}]")


def _override(draft: Draft, figures: dict[str, Any], name: str, value: Any) -> None:
    """Let a set's word stand before that of the command, as there."""
    before = figures.get(name)
    if before not in (None, value):
        draft.leave(Figure(name, before), "the set's own stands before it")
    figures[name] = value


def _read_subset(draft: Draft, figures: dict[str, Any], subset: dict[str, Any], place: str) -> None:
    folder = subset.pop("image_dir", None)
    own_regularisation = not is_off(subset.get("is_reg"))
    repeats = number_of(subset.get("num_repeats", figures.get("num_repeats", 1))) or 1
    if own_regularisation:
        figures[f"{place}.is_reg"] = folder
        draft.leave(Figure(f"{place}.is_reg", folder), REMARKS["is_reg"])
        return
    if "num_repeats" in subset:
        name = f"{place}.num_repeats"
        figures[name] = subset.pop("num_repeats")
        what = Figure(name, figures[name])
        draft.same(what, "train.phases[].steps", None, "repeats are counted in the steps")
    if folder:
        figures[f"{place}.image_dir"] = folder
        spec = {"use": "folder", "path": str(folder)}
        draft.sources.append(Source(f"{place}.image_dir", spec, repeats))
    for key, value in subset.items():
        if figures.setdefault(key, value) != value:
            figures[f"{place}.{key}"] = value
            note = "one rule holds for all pictures: the first one's"
            draft.leave(Figure(f"{place}.{key}", value), note)


def _folders(parent: str) -> list[Source]:
    """Return the folders `REPEATS_NAME` in a folder of this machine, or the folder as it is."""
    numbered = []
    root = Path(parent)
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        found = re.match(r"(\d+)_", folder.name)
        if found and folder.is_dir():
            spec = {"use": "folder", "path": str(folder)}
            numbered.append(Source("train_data_dir", spec, int(found.group(1))))
    whole = {"use": "folder", "path": parent, "recursive": True}
    return numbered or [Source("train_data_dir", whole)]
