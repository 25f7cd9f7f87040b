"""What an adapter file says of itself to user interfaces, and the JSON they keep beside it.

Facts come from the result and the manifest, so that one adapter always says the same.
"""

from __future__ import annotations

import json
import math
from typing import Any

from harness.delivery.export.trained_adapter import TrainedAdapter
from harness.fingerprint import VERSION
from harness.pages.train import Adapter
from harness.report.numbers import cell


def required(trained: TrainedAdapter) -> dict[str, str]:
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
        "ss_network_module": "networks.lora" if adapter.use == "lora" else "lycoris.kohya",
        "ss_network_dim": str(adapter.rank),
        "ss_network_alpha": str(adapter.effective_alpha * scale),
        "ss_network_args": json.dumps(_arguments(adapter)),
    }


def _arguments(adapter: Adapter) -> dict[str, str]:
    """Return the arguments of the network; rotated inputs are written as whole differences."""
    if adapter.use == "lora":
        return {"dora_wd": "True"} if adapter.dora else {}
    said = {"algo": {"oft": "full"}.get(adapter.use, adapter.use)}
    return said | ({"factor": str(adapter.factor)} if adapter.factor else {})


def complete(trained: TrainedAdapter, digest: str) -> dict[str, str]:
    """Return everything a file says of itself; `digest` is the SHA-256 of its tensors' bytes."""
    known = required(trained) | _kohya(trained) | _modelspec(trained) | _own(trained)
    return known | {"sshs_model_hash": digest, "modelspec.hash_sha256": f"0x{digest}"}


def _kohya(trained: TrainedAdapter) -> dict[str, str]:
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


def _modelspec(trained: TrainedAdapter) -> dict[str, str]:
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


def _own(trained: TrainedAdapter) -> dict[str, str]:
    result = trained.result
    return {
        "harness.version": VERSION,
        "harness.recipe": result.recipe,
        "harness.benchmark": result.benchmark,
        "harness.signature": result.signature,
        "harness.key": trained.key,
    }


def sidecar(trained: TrainedAdapter) -> str:
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
