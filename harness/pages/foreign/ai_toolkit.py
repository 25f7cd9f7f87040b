"""ai-toolkit: one YAML job with a list of processes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure, Source, flat, is_off, number_of
from harness.pages.foreign.habits import TRANSFORMER, Habits
from harness.pages.foreign.remarks import remarks

HABITS = Habits(
    trainer="ai-toolkit",
    defaults={
        "train.adapter.rank": 4,
        "train.adapter.alpha": 1.0,
        "train.adapter.targets": TRANSFORMER,
        "@rate": 1e-6,
        "@epochs": None,
        "train.resolution": 512,
        "train.buckets": True,
        "train.precision": "fp32",
    },
    steps_are_batches=True,
)
_OTHERS = ("is_flux", "is_v3", "is_auraflow", "is_pixart", "is_lumina2", "is_v2")
_SET = "datasets[]."
MEANINGS = {
    "model.name_or_path": "base.model",
    "model.vae_path": "base.vae",
    "network.type": "@kind",
    "network.linear": "train.adapter.rank",
    "network.rank": "train.adapter.rank",
    "network.linear_alpha": "train.adapter.alpha",
    "network.alpha": "train.adapter.alpha",
    "network.conv": "@conv_rank",
    "network.dropout": "train.adapter.dropout",
    "trigger_word": "data.caption.prefix",
    "train.unet_lr": "@rate",
    "train.lr": "@rate",
    "train.text_encoder_lr": "@text_rate",
    "train.train_text_encoder": "@text",
    "train.batch_size": "train.batch",
    "train.gradient_accumulation_steps": "train.accumulation",
    "train.gradient_accumulation": "train.accumulation",
    "train.steps": "@steps",
    "train.lr_scheduler": "@schedule",
    "train.optimizer": "@optimizer",
    "train.max_grad_norm": "train.max_grad_norm",
    "train.min_snr_gamma": "train.snr_gamma",
    "train.snr_gamma": "@unclamped_gamma",
    "train.noise_offset": "train.noise_offset",
    "train.loss_type": "train.huber",
    "train.ema_config.use_ema": "train.ema",
    "train.ema_config.ema_decay": "train.ema.decay",
    "train.dtype": "train.precision",
    "train.gradient_checkpointing": "train.gradient_checkpointing",
    "train.seed": "train.seed",
    "save.save_every": "train.checkpoint_every",
    "sample.prompts": "train.previews",
    f"{_SET}resolution": "train.resolution",
    f"{_SET}buckets": "train.buckets",
    f"{_SET}bucket_tolerance": "train.buckets.step",
    f"{_SET}random_crop": "@random_crop",
    f"{_SET}flip_x": "train.flip",
    f"{_SET}shuffle_tokens": "data.caption.shuffle",
    f"{_SET}keep_tokens": "data.caption.keep_first",
    f"{_SET}caption_dropout_rate": "data.caption.dropout",
    f"{_SET}token_dropout_rate": "data.caption.tag_dropout",
}
REMARKS = remarks(
    {
        "it is the form of its own job": "job type process_type",
        "it says that the base is SDXL, as every base here is": "is_xl arch noise_scheduler",
        "the UNet is always trained": "train_unet",
        "the batch is train.batch_size there": "batch_size",
        "preservation by the base's own predictions is not there; train.prior draws class images": (
            "diff_output_preservation diff_output_preservation_multiplier"
            " diff_output_preservation_class reg_weight"
        ),
        "previews have no seed of their own": "sample.seed seed",
        "every picture counts alike": "network_weight loss_multiplier",
        "pictures are mirrored left to right only": "flip_y",
        "it names the form of a LoKr, and harness trains LoRA": "lokr_full_rank lokr_factor",
        "train.tracker says where the loss is logged": "use_wandb wandb_key run_name log_every",
    }
)


def recognizes(data: Mapping[str, Any]) -> bool:
    """Return whether this is an ai-toolkit job."""
    config = data.get("config")
    return isinstance(config, Mapping) and isinstance(config.get("process"), list)


def draft_of(data: Mapping[str, Any]) -> Draft:
    """Return the draft of a job's first process that trains."""
    processes = [each for each in data["config"]["process"] if isinstance(each, Mapping)]
    trained = [each for each in processes if "train" in each and "model" in each]
    if not trained:
        raise UsageError("no process of this job trains: none has both train and model")
    process = dict(trained[0])
    datasets = [dict(each) for each in process.pop("datasets", []) if isinstance(each, Mapping)]
    figures = flat({key: value for key, value in process.items() if key != "datasets"})
    figures |= {"job": data.get("job"), "config.name": data["config"].get("name")}
    figures |= flat({"meta": data.get("meta")}) if data.get("meta") else {}
    draft = Draft(figures, dict(MEANINGS), REMARKS)
    _refuse_others(process.get("model", {}))
    _refuse_trainings(process)
    draft.family = _family(process.get("model", {}))
    _place_options(draft, figures)
    for number, dataset in enumerate(datasets):
        _read_dataset(draft, figures, dataset, number)
    first = {name.replace(_SET, "datasets[0]."): what for name, what in draft.meanings.items()}
    draft.meanings = first
    return draft


def _refuse_others(model: Mapping[str, Any]) -> None:
    kind = next((name for name in _OTHERS if not is_off(model.get(name))), None)
    arch = str(model.get("arch", "sdxl")).lower()
    if kind or (arch not in ("sdxl", "xl") and is_off(model.get("is_xl"))):
        raise UsageError(
            f"this job trains another kind of model ({kind or arch}), and harness trains SDXL",
            hint="a recipe of an SDXL base has model.is_xl: true",
        )


def _refuse_trainings(process: Mapping[str, Any]) -> None:
    kinds = {"slider": "a slider", "embedding": "new tokens alone", "adapter": "a control adapter"}
    for name, what in kinds.items():
        if process.get(name) and not process.get("network"):
            raise UsageError(f"this job trains {what} ({name}), and harness trains LoRA and bases")
    if process.get("slider"):
        raise UsageError("this job trains a slider, which learns from prompts and no pictures")


def _family(model: Mapping[str, Any]) -> str | None:
    """Return SD 1.5 where no word says SDXL: it is what such a job trains."""
    said = "arch" in model or not is_off(model.get("is_xl"))
    named = re.search(r"xl|pony|illustrious|noob", str(model.get("name_or_path", "")).lower())
    return None if said or named else "SD 1.5, for want of is_xl: true"


def _place_options(draft: Draft, figures: Mapping[str, Any]) -> None:
    """Let the optimizer's options and the schedule's count, which stand in mappings."""
    meanings = dict(draft.meanings)
    for name in figures:
        if name.startswith("train.optimizer_params."):
            option = name.rsplit(".", 1)[-1]
            meanings[name] = f"@optimizer.{option}"
        if name in ("train.lr_scheduler_params.eta_min", "train.lr_scheduler_params.min_lr"):
            meanings[name] = "@end_rate"
    draft.meanings = meanings


def _read_dataset(draft: Draft, figures: dict[str, Any], dataset: dict[str, Any], at: int) -> None:
    place = f"datasets[{at}]"
    folder = dataset.pop("folder_path", None) or dataset.pop("dataset_path", None)
    for key, value in dataset.items():
        figures[f"{place}.{key}"] = value
    if not is_off(dataset.get("is_reg")):
        draft.leave(Figure(f"{place}.is_reg", dataset["is_reg"]), REMARKS["is_reg"])
        figures[f"{place}.folder_path"] = folder
        return
    repeats = number_of(dataset.get("num_repeats", 1)) or 1
    if "num_repeats" in dataset:
        what = Figure(f"{place}.num_repeats", dataset["num_repeats"])
        draft.same(what, "data.source", None, "it matters only beside other sets")
    if folder:
        figures[f"{place}.folder_path"] = folder
        spec = {"use": "folder", "path": str(folder)}
        draft.sources.append(Source(f"{place}.folder_path", spec, repeats))
    if at:
        for key, value in dataset.items():
            if key not in ("num_repeats", "is_reg"):
                same = figures.get(f"datasets[0].{key}") == value
                note = "one rule holds for all pictures: the first one's"
                what = Figure(f"{place}.{key}", value)
                if same:
                    draft.note(what, "data", value)
                else:
                    draft.leave(what, note)
