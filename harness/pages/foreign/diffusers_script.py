"""The training scripts of diffusers, as a command line in a file of shell or on stdin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.pages.foreign.figures import Draft, Figure, Source
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.remarks import remarks

_TEXT_TO_IMAGE = Habits(
    trainer="diffusers",
    defaults={
        "train.adapter.rank": 4,
        "train.batch": 16,
        "train.resolution": 1024,
        "train.crop": "random",
        "@epochs": 100,
        "train.precision": "fp32",
    },
    warmup=500,
    constant_is_plain=True,
)
_DREAMBOOTH = Habits(
    trainer="diffusers",
    defaults={
        "train.adapter.rank": 4,
        "train.batch": 4,
        "train.resolution": 1024,
        "train.crop": "random",
        "@epochs": 1,
        "@text_rate": 5e-6,
        "train.precision": "fp32",
    },
    warmup=500,
    constant_is_plain=True,
    weight_decay={"adamw": 1e-4, "adamw-8bit": 1e-4, "prodigy": 1e-4},
)
MEANINGS = {
    "pretrained_model_name_or_path": "base.model",
    "revision": "base.revision",
    "pretrained_vae_model_name_or_path": "base.vae",
    "rank": "train.adapter.rank",
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
    "optimizer": "@optimizer",
    "use_8bit_adam": "@8bit",
    "adam_beta1": "@optimizer.beta1",
    "adam_beta2": "@optimizer.beta2",
    "adam_weight_decay": "@optimizer.weight_decay",
    "adam_weight_decay_text_encoder": "@optimizer.text_encoder_weight_decay",
    "adam_epsilon": "@optimizer.eps",
    "prodigy_use_bias_correction": "@optimizer.bias_correction",
    "prodigy_safeguard_warmup": "@optimizer.safeguard_warmup",
    "max_grad_norm": "train.max_grad_norm",
    "resolution": "train.resolution",
    "center_crop": "@center_crop",
    "random_flip": "train.flip",
    "instance_prompt": "data.caption.prefix",
    "proportion_empty_prompts": "data.caption.dropout",
    "snr_gamma": "train.snr_gamma",
    "noise_offset": "train.noise_offset",
    "prediction_type": "train.prediction",
    "with_prior_preservation": "train.prior",
    "class_prompt": "train.prior.prompt",
    "num_class_images": "train.prior.images",
    "prior_loss_weight": "train.prior.weight",
    "mixed_precision": "train.precision",
    "launch.mixed_precision": "train.precision",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "use_ema": "train.ema",
    "seed": "train.seed",
    "checkpointing_steps": "train.checkpoint_every",
    "validation_prompt": "train.previews",
}
REMARKS = remarks(
    {
        "every caption is the instance prompt; a column would be data.source.text": (
            "caption_column"
        ),
        "its script names the column": "image_column",
        "class images are drawn a batch at a time, whatever the batch": "sample_batch_size",
        "class images are drawn in the networks' numbers": "prior_generation_precision",
        "rates of the page hold for any batch": "scale_lr",
        "the hub keeps one form of a set": "dataset_config_name variant",
        "every picture is shown once a pass": "repeats",
        "images are cut to size as they lie": "image_interpolation_mode",
        "where the script runs is no figure of the recipe": "config_file deepspeed local_rank",
        "the EDM way of training is not there": "do_edm_style_training",
    }
)


def recognizes(script: str) -> bool:
    """Return whether a script of this name is one of diffusers' for SDXL."""
    return "train_" in script and script.endswith("_sdxl.py")


def draft_of(script: str, flags: Mapping[str, Any]) -> tuple[Draft, Habits]:
    """Return the draft of a command line, and the habits of the script that it runs."""
    figures = dict(flags)
    dreambooth = "dreambooth" in script
    draft = Draft(figures, dict(MEANINGS), REMARKS, full="lora" not in script)
    _place_source(draft, figures, dreambooth)
    if not dreambooth and str(figures.get("gradient_accumulation_steps", 1)) not in ("0", "1"):
        note = "its script stretches warm-up and schedule by the accumulation"
        draft.assume("schedule's unit", "train.lr_schedule_unit", "diffusers-legacy", note)
    precision = figures.get("mixed_precision", figures.get("launch.mixed_precision", "no"))
    if not draft.full and str(precision) == "bf16":
        note = "its script keeps the adapter in bf16 too"
        draft.assume("numbers of the adapter", "train.adapter_dtype", "bfloat16", note)
    return draft, _DREAMBOOTH if dreambooth else _TEXT_TO_IMAGE


def _place_source(draft: Draft, figures: dict[str, Any], dreambooth: bool) -> None:
    column = figures.get("caption_column")
    if dreambooth and column is None:
        note = "every caption is the instance prompt"
        draft.assume("caption_column", "data.caption.words", "none", note)
    if name := figures.get("dataset_name"):
        spec: dict[str, Any] = {"use": "hub", "id": str(name)}
        if column or not dreambooth:
            spec["text"] = str(column or "text")
        if figures.get("image_column"):
            spec["image"] = str(figures["image_column"])
            draft.note(Figure("image_column", spec["image"]), "data.source.image", spec["image"])
        if column:
            draft.note(Figure("caption_column", column), "data.source.text", column)
        draft.sources.append(Source("dataset_name", spec))
    for key in ("train_data_dir", "instance_data_dir"):
        if figures.get(key) and not draft.sources:
            spec = {"use": "folder", "path": str(figures[key]), "recursive": True}
            draft.sources.append(Source(key, spec))
            if column:
                note = "the folder's metadata names captions by its own column"
                draft.leave(Figure("caption_column", column), note)
    limit = figures.get("max_train_samples")
    if limit and str(limit).isdigit() and int(limit) > 0:
        draft.page.setdefault("data", {})["curate"] = {"limit": int(limit)}
        draft.note(Figure("max_train_samples", limit), "data.curate.limit", int(limit))
        for source in draft.sources:
            source.count = int(limit)
