"""What a trainer wrote into its file about the training, as the words of a recipe.

Nothing here is believed further than its type: a stranger's number is a number or is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from harness.diffusion.adapter_settings import SETTINGS

_MOST = 4_000_000
"""Signs of one metadata entry that are read as JSON."""
_KOHYA = {
    "base.model": "ss_sd_model_name",
    "base.family": "ss_base_model_version",
    "train.adapter.module": "ss_network_module",
    "train.adapter.rank": "ss_network_dim",
    "train.adapter.alpha": "ss_network_alpha",
    "train.adapter.dropout": "ss_network_dropout",
    "train.optimizer": "ss_optimizer",
    "train.rate": "ss_learning_rate",
    "train.unet_rate": "ss_unet_lr",
    "train.text_encoder_rate": "ss_text_encoder_lr",
    "train.schedule": "ss_lr_scheduler",
    "train.warmup": "ss_lr_warmup_steps",
    "train.steps": "ss_max_train_steps",
    "train.steps_done": "ss_steps",
    "train.epochs": "ss_num_epochs",
    "train.epoch": "ss_epoch",
    "train.batch": "ss_total_batch_size",
    "train.batch_a_device": "ss_batch_size_per_device",
    "train.accumulation": "ss_gradient_accumulation_steps",
    "train.resolution": "ss_resolution",
    "train.precision": "ss_mixed_precision",
    "train.snr_gamma": "ss_min_snr_gamma",
    "train.noise_offset": "ss_noise_offset",
    "train.seed": "ss_seed",
    "data.images": "ss_num_train_images",
    "data.clip_skip": "ss_clip_skip",
    "name": "ss_output_name",
}
"""The words of a recipe, or close to them, and the entry of sd-scripts that says the same."""
_SPEC = {
    "title": "modelspec.title",
    "architecture": "modelspec.architecture",
    "trigger": "modelspec.trigger_phrase",
    "prediction": "modelspec.prediction_type",
    "author": "modelspec.author",
    "licence": "modelspec.license",
    "date": "modelspec.date",
    "resolution": "modelspec.resolution",
}
_NOTHING = ("", "None", "null", "[]", "{}")
Facts = dict[str, Any]


def trainer_of(metadata: Mapping[str, str]) -> str:
    """Return the program that wrote a file, as far as its metadata tells."""
    software = _table(metadata.get("software"))
    if "harness.version" in metadata or ("train" in metadata and "base" in metadata):
        return "harness"
    if isinstance(software.get("name"), str):
        return str(software["name"])[:60]  # ai-toolkit names itself here
    if "training_info" in metadata and "name" in metadata:
        return "ai-toolkit"
    if "ot_config" in metadata or any(key.startswith("ot_") for key in metadata):
        return "OneTrainer"
    if any(key.startswith("ss_") for key in metadata):
        module = metadata.get("ss_network_module", "")
        return "sd-scripts with LyCORIS" if "lycoris" in module else "sd-scripts"
    if SETTINGS in metadata:
        return "diffusers with PEFT"
    return "unknown"


def recipe_of(metadata: Mapping[str, str]) -> Facts:
    """Return what the metadata says of the training, by the words of a recipe."""
    facts = {word: _value(metadata[key]) for word, key in _KOHYA.items() if key in metadata}
    facts |= _own(metadata) | _ai_toolkit(metadata) | _network_arguments(metadata)
    folders = _table(metadata.get("ss_dataset_dirs"))
    if folders:
        facts["data.folders"] = {
            str(name)[:90]: {
                key: value[key] for key in ("n_repeats", "img_count") if _is_count(value.get(key))
            }
            for name, value in list(folders.items())[:20]
            if isinstance(value, dict)
        }
    tags = _tags(metadata)
    if tags:
        facts["data.tags"] = tags
    return {word: value for word, value in facts.items() if value not in (None, {}, [])}


def specification_of(metadata: Mapping[str, str]) -> Facts:
    """Return the entries of Stability's model specification."""
    return {word: metadata[key][:300] for word, key in _SPEC.items() if metadata.get(key)}


def settings_of(metadata: Mapping[str, str]) -> Facts:
    """Return PEFT's settings, which diffusers writes into a file."""
    return _table(metadata.get(SETTINGS))


def _own(metadata: Mapping[str, str]) -> Facts:
    """Return the recipe that a file of ours carries whole."""
    train = _table(metadata.get("train"))
    known = {f"train.{key}": value for key, value in train.items()}
    return known | ({"base.model": metadata["base"][:200]} if train and "base" in metadata else {})


def _ai_toolkit(metadata: Mapping[str, str]) -> Facts:
    info = _table(metadata.get("training_info"))
    words = {"train.steps_done": "step", "train.epoch": "epoch"}
    return {word: info[key] for word, key in words.items() if _is_count(info.get(key))}


def _network_arguments(metadata: Mapping[str, str]) -> Facts:
    arguments = _table(metadata.get("ss_network_args"))
    return {
        f"train.adapter.{str(key)[:40]}": _value(str(value)[:200])
        for key, value in list(arguments.items())[:40]
    }


def _tags(metadata: Mapping[str, str]) -> dict[str, int]:
    """Return the tags that most pictures have; the trigger is often the first."""
    counts: dict[str, int] = {}
    for each in _table(metadata.get("ss_tag_frequency")).values():
        if isinstance(each, dict):
            for tag, count in each.items():
                if _is_count(count):
                    name = str(tag).strip()[:90]
                    counts[name] = counts.get(name, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:12])


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12


def _table(text: str | None) -> Facts:
    """Return a JSON object; what is none, or too long, is empty."""
    if not text or len(text) > _MOST:
        return {}
    try:
        table = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _value(text: str) -> Any:
    """Return a number where a text is one, a truth where it is one, else its first 300 signs."""
    text = text.strip()
    if text in _NOTHING:
        return None
    if text in ("True", "False"):
        return text == "True"
    if re.fullmatch(r"[+-]?\d{1,15}", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text[:40]):
        number = float(text)
        return number if math.isfinite(number) else None
    return text[:300]
