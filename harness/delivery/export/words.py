"""What an exported adapter says of itself: metadata for user interfaces, and a card for people.

Facts come from the result and the manifest, so that one adapter always says the same.
"""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.delivery.export.trained import Trained
from harness.fingerprint import VERSION
from harness.pages.train import Phase
from harness.report.numbers import cell

MARK = "<!-- Written by harness export. -->"
"""Tells our own README from one that must not be overwritten."""
_TAGS = (
    "text-to-image",
    "lora",
    "diffusers",
    "template:sd-lora",
    "stable-diffusion-xl",
    "stable-diffusion-xl-diffusers",
    "harness",
)


def needed(trained: Trained) -> dict[str, str]:
    """Return the metadata without which a user interface takes the file for something else.

    A1111 holds any file with metadata for Stable Diffusion 1 unless it says otherwise.
    """
    adapter = trained.spec.train.adapter
    assert adapter is not None
    scale = math.sqrt(adapter.rank) if adapter.rslora else 1.0
    return {
        "format": "pt",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_v2": "False",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(adapter.rank),
        "ss_network_alpha": str(adapter.effective_alpha * scale),
        "ss_network_args": json.dumps({"dora_wd": "True"} if adapter.dora else {}),
    }


def metadata(trained: Trained, digest: str) -> dict[str, str]:
    """Return everything a file says of itself; `digest` is the SHA-256 of its tensors' bytes."""
    known = needed(trained) | _kohya(trained) | _modelspec(trained) | _own(trained)
    return known | {"sshs_model_hash": digest, "modelspec.hash_sha256": f"0x{digest}"}


def _kohya(trained: Trained) -> dict[str, str]:
    train = trained.spec.train
    phase, size = train.phases[0], train.resolution
    images = sum(each.images for each in trained.sets)
    folders = {each.name: {"n_repeats": 1, "img_count": each.images} for each in trained.sets}
    tags = {each.name: {trained.trigger: each.images} for each in trained.sets}
    buckets = {"0": {"resolution": [size, size], "count": images}}
    facts: dict[str, Any] = {
        "output_name": trained.name,
        "sd_model_name": trained.base,
        "clip_skip": None,
        "resolution": (size, size),
        "num_train_images": images,
        "training_started_at": trained.began.timestamp(),
        "training_finished_at": trained.ended.timestamp(),
        "dataset_dirs": json.dumps(folders),
        "tag_frequency": json.dumps(tags if trained.trigger else {}),
        "bucket_info": json.dumps({"buckets": buckets} if train.buckets is None else {}),
        "seed": train.seed,
        "learning_rate": phase.rate,
        "unet_lr": phase.rate,
        "text_encoder_lr": list(phase.text_encoder_rates) if phase.text_encoder_rates else None,
        "optimizer": train.optimizer.use,
        "lr_scheduler": phase.schedule.replace("cosine-restarts", "cosine_with_restarts"),
        "lr_warmup_steps": phase.warmup,
        "max_train_steps": train.steps,
        "steps": trained.step,
        "batch_size_per_device": train.batch,
        "gradient_accumulation_steps": train.accumulation,
        "total_batch_size": train.effective_batch,
        "mixed_precision": train.precision.replace("fp32", "no"),
        "min_snr_gamma": train.snr_gamma,
        "noise_offset": train.noise_offset or None,
        "zero_terminal_snr": train.zero_terminal_snr,
        "training_comment": f"harness {VERSION}",
    }
    return {f"ss_{name}": str(value) for name, value in facts.items()}


def _modelspec(trained: Trained) -> dict[str, str]:
    train = trained.spec.train
    facts = {
        "sai_model_spec": "1.0.1",
        "architecture": "stable-diffusion-xl-v1-base/lora",
        "implementation": "https://github.com/Stability-AI/generative-models",
        "title": trained.name,
        "description": trained.result.summary,
        "date": trained.ended.isoformat(timespec="seconds"),
        "resolution": f"{train.resolution}x{train.resolution}",
        "trigger_phrase": trained.trigger,
        "usage_hint": f"Begin the prompt with: {trained.trigger}" if trained.trigger else "",
        "tags": "style, toy" if trained.is_toy else "style",
        "prediction_type": "v" if train.prediction == "v_prediction" else "epsilon",
    }
    return {f"modelspec.{name}": value for name, value in facts.items() if value}


def _own(trained: Trained) -> dict[str, str]:
    result = trained.result
    return {
        "harness.version": VERSION,
        "harness.recipe": result.recipe,
        "harness.benchmark": result.benchmark,
        "harness.signature": result.signature,
        "harness.key": trained.key,
    }


def sidecar(trained: Trained) -> str:
    """Return the JSON that A1111 and Forge keep beside a LoRA."""
    result = trained.result
    scores = "; ".join(f"{score.metric} {cell(score)}" for score in result.scores)
    facts = {
        "description": result.summary,
        "sd version": "SDXL",
        "activation text": trained.trigger,
        "preferred weight": 1.0,
        "negative text": "",
        "notes": f"{result.benchmark} ({result.signature}): {scores}",
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def card(trained: Trained, form: str, files: tuple[str, ...], place: str) -> str:
    """Return the model card; `place` is where `load_lora_weights` will find the weights."""
    adapter = trained.spec.train.adapter
    assert adapter is not None
    environment = Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "code": code}
    return environment.get_template("model_card.md.j2").render(
        mark=MARK,
        trained=trained,
        result=trained.result,
        revision=trained.spec.base.revision,
        tags=_TAGS,
        figures=figures(trained),
        cell=cell,
        form=form,
        in_diffusers=form == "diffusers" or not (adapter.dora or adapter.ranks),
        weights=files[0],
        tokens=_tokens(trained) if "embeddings.safetensors" in files else [],
        place=place,
    )


def figures(trained: Trained) -> dict[str, str]:
    """Return the recipe's figures, each under its word."""
    train = trained.spec.train
    adapter = train.adapter
    assert adapter is not None
    kinds = [word for word, is_so in (("DoRA", adapter.dora), ("rsLoRA", adapter.rslora)) if is_so]
    sets = [f"{each.name} ({each.images:,} pictures)" for each in trained.sets]
    facts = {
        "base": trained.base,
        "data": ", ".join(sets),
        "rank": ", ".join([f"{adapter.rank}", *(f"{p}: {r}" for p, r in adapter.ranks.items())]),
        "alpha": f"{adapter.effective_alpha:g}",
        "layers": ", ".join([adapter.targets, *kinds]),
        "text encoders": "trained" if any(p.text_encoder_rates for p in train.phases) else "",
        "tokens": ", ".join(token.name for token in train.tokens),
        "resolution": f"{train.resolution} px" + (", in buckets" if train.buckets else ""),
        "batch": f"{train.effective_batch} pictures a step",
        "optimizer": train.optimizer.use,
        "phases": "; ".join(_phase(phase) for phase in train.phases),
        "kept after": f"{trained.step:,} of {train.steps:,} optimizer steps",
        "precision": train.precision,
        "min-SNR γ": f"{train.snr_gamma:g}" if train.snr_gamma else "",
        "noise offset": f"{train.noise_offset:g}" if train.noise_offset else "",
        "prior preservation": f"{train.prior.images} images" if train.prior else "",
        "seed": str(train.seed),
    }
    return {name: value for name, value in facts.items() if value}


def _phase(phase: Phase) -> str:
    warmup = f", {phase.warmup} of warm-up" if phase.warmup else ""
    return f"{phase.steps:,} steps at {phase.rate:g}, {phase.schedule}{warmup}"


def _tokens(trained: Trained) -> list[tuple[str, int, int]]:
    """Return each new token and which rows of the embeddings are its own."""
    found, first = [], 0
    for token in trained.spec.train.tokens:
        found.append((token.name, first, first + token.vectors))
        first += token.vectors
    return found


def plain(text: str) -> str:
    """Return a stranger's words as one line of Markdown in which nothing is a sign."""
    line = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", " ".join(text.split()))
    line = re.sub(r"^(\d*)([-+=.)])(?=\s|[-=]|$)", r"\1\\\2", line)
    return html.escape(line, quote=False)


def code(text: str) -> str:
    """Return a name that cannot leave its backticks."""
    return re.sub(r"[^\w./:@=+-]", "_", text)
