"""A recipe as the TOML of kohya's sd-scripts: its flags, and its set in a file beside them."""

from __future__ import annotations

from typing import Any

from harness.delivery.configs.sheet import Sheet, lose_data, lose_rest
from harness.interfaces import SourceSpec
from harness.pages.foreign.habits import TRANSFORMER

TRAINER = "sd-scripts"
_OPTIMIZERS = {
    "adamw": "AdamW",
    "adamw-8bit": "AdamW8bit",
    "prodigy": "Prodigy",
    "adafactor": "AdaFactor",
    "lion": "Lion",
    "came": "pytorch_optimizer.CAME",
    "schedule-free": "AdamWScheduleFree",
}
_SCHEDULES = {
    "constant": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine-restarts": "cosine_with_restarts",
    "polynomial": "polynomial",
}
_CONVOLUTIONS = r"(conv1|conv2|samplers\.0\.conv)$"


def fill(sheet: Sheet) -> dict[str, Any]:
    """Fill the flags of one phase, and return what stands in the file of the set."""
    _base(sheet)
    _adapter(sheet)
    _rates(sheet)
    _optimizer(sheet)
    _losses(sheet)
    _numbers(sheet)
    lose_rest(sheet, TRAINER)
    return _set(sheet)


def _base(sheet: Sheet) -> None:
    base = sheet.recipe.base
    sheet.put("pretrained_model_name_or_path", base.model)
    if base.vae:
        sheet.put("vae", base.vae)
    sheet.lose_set(
        f"{TRAINER} takes the newest",
        base__revision=base.revision,
        base__vae_revision=base.vae_revision,
    )
    sheet.put("output_dir", "out")
    sheet.put("output_name", sheet.recipe.name)
    sheet.put("save_model_as", "safetensors")


def _adapter(sheet: Sheet) -> None:
    adapter = sheet.train.adapter
    if adapter is None:
        return
    sheet.put("network_module", "networks.lora")
    sheet.put("network_dim", adapter.rank)
    sheet.put("network_alpha", adapter.effective_alpha)
    if adapter.dropout:
        sheet.put("network_dropout", adapter.dropout)
    convolutions = adapter.ranks.get(_CONVOLUTIONS)
    if convolutions is not None:
        sheet.put("network_args", [f"conv_dim={convolutions}", f"conv_alpha={convolutions}"])
    elif adapter.targets != TRANSFORMER:
        why = f"{TRAINER} puts adapters on every linear layer of the transformers"
        sheet.lose("train.adapter.targets", adapter.targets, why)
    others = {key: rank for key, rank in adapter.ranks.items() if key != _CONVOLUTIONS}
    sheet.lose_set(
        f"{TRAINER}'s LoRA has none",
        train__adapter__ranks=others,
        train__adapter__dora=adapter.dora,
        train__adapter__rslora=adapter.rslora,
    )


def _rates(sheet: Sheet) -> None:
    phase, train = sheet.phase, sheet.train
    sheet.put("max_train_steps", phase.steps)
    sheet.put("learning_rate", phase.rate)
    text = phase.text_encoder_rates
    if train.method == "full":
        sheet.put("train_text_encoder", text is not None)
        if text is not None:
            sheet.put("learning_rate_te1", text[0])
            sheet.put("learning_rate_te2", text[1])
    elif text is None:
        sheet.put("network_train_unet_only", True)
    else:
        sheet.put("text_encoder_lr", list(text))
    _schedule(sheet)


def _schedule(sheet: Sheet) -> None:
    phase = sheet.phase
    word = _SCHEDULES.get(phase.schedule)
    if word is None:
        word = "linear"
        sheet.lose("train.phases.schedule", phase.schedule, f"{TRAINER} has none: linear stands in")
    if phase.schedule == "cosine" and phase.floor:
        word = "cosine_with_min_lr"
        sheet.put("lr_scheduler_min_lr_ratio", phase.floor)
    elif phase.floor:
        sheet.lose("train.phases.floor", phase.floor, "only its cosine has a floor")
    if word == "constant" and phase.warmup:
        word = "constant_with_warmup"
    sheet.put("lr_scheduler", word)
    if phase.warmup:
        sheet.put("lr_warmup_steps", phase.warmup)
    if phase.schedule == "cosine-restarts":
        sheet.put("lr_scheduler_num_cycles", phase.cycles)
    if phase.schedule == "polynomial":
        sheet.put("lr_scheduler_power", phase.power)
    if sheet.train.lr_schedule_unit != "optimizer-step":
        why = f"{TRAINER} counts in optimizer steps"
        sheet.lose("train.lr_schedule_unit", sheet.train.lr_schedule_unit, why)


def _optimizer(sheet: Sheet) -> None:
    given = sheet.train.optimizer.model_dump(exclude={"use"})
    word = sheet.train.optimizer.use
    sheet.put("optimizer_type", _OPTIMIZERS.get(word, word))
    betas = [given.pop(name) for name in ("beta1", "beta2", "beta3") if name in given]
    options = [f"betas={','.join(map(str, betas))}"] if betas else []
    if word == "adafactor":
        given.pop("relative_step", None)
        options += ["scale_parameter=False", "relative_step=False", "warmup_init=False"]
    if word == "prodigy":
        options += ["decouple=True", f"use_bias_correction={given.pop('bias_correction')}"]
    own = given.pop("text_encoder_weight_decay", None)
    if own is not None:
        why = f"{TRAINER} has one decay for all"
        sheet.lose("train.optimizer.text_encoder_weight_decay", own, why)
    options += [f"{name}={value}" for name, value in given.items()]
    sheet.put("optimizer_args", options)
    sheet.put(
        "max_grad_norm", 0.0 if sheet.train.max_grad_norm >= 1e9 else sheet.train.max_grad_norm
    )


def _losses(sheet: Sheet) -> None:
    train = sheet.train
    for name, value in (
        ("v_parameterization", train.prediction == "v_prediction"),
        ("zero_terminal_snr", train.zero_terminal_snr),
        ("min_snr_gamma", train.snr_gamma),
        ("debiased_estimation_loss", train.debiased),
        ("noise_offset", train.noise_offset),
        ("ip_noise_gamma", train.input_perturbation),
    ):
        if value:
            sheet.put(name, value)
    if train.huber is not None:
        sheet.put("loss_type", "huber")
        sheet.put("huber_c", train.huber.delta)
        sheet.put("huber_schedule", train.huber.schedule)
    sheet.lose_set(
        f"{TRAINER} reads pictures of a class from a folder of yours", train__prior=train.prior
    )
    sheet.lose_set(f"{TRAINER} keeps no running mean", train__ema=train.ema)
    if train.prediction == "epsilon":
        sheet.lose("train.prediction", "epsilon", "it is what its flags mean without more")


def _numbers(sheet: Sheet) -> None:
    train = sheet.train
    sheet.put("train_batch_size", train.batch)
    sheet.put("gradient_accumulation_steps", train.accumulation)
    if train.processes > 1:
        why = f"start it with `accelerate launch --num_processes {train.processes}`"
        sheet.lose("train.processes", train.processes, why)
    sheet.put("mixed_precision", "no" if train.precision == "fp32" else train.precision)
    if train.adapter_dtype == "bfloat16":
        sheet.put("full_bf16", True)
    sheet.put("gradient_checkpointing", bool(train.gradient_checkpointing))
    if train.gradient_checkpointing and train.gradient_checkpointing is not True:
        why = "all blocks or none there: it saves memory and changes no figure"
        sheet.lose("train.gradient_checkpointing", train.gradient_checkpointing, why)
    sheet.put("seed", train.seed)
    if train.checkpoint_every:
        sheet.put("save_every_n_steps", train.checkpoint_every)
    sheet.lose_set(
        "write them into a file, and name it as sample_prompts", train__previews=train.previews
    )
    chunks = sheet.recipe.data.caption.chunks if sheet.recipe.data else 1
    if chunks > 1:
        sheet.put("max_token_length", 75 * chunks)


def _set(sheet: Sheet) -> dict[str, Any]:
    """Return the dataset_config: rules for all pictures, and a subset for each source."""
    data, train = sheet.recipe.data, sheet.train
    assert data is not None
    lose_data(sheet, TRAINER)
    caption = data.caption
    rules: dict[str, Any] = {"caption_extension": ".txt"}
    for name, value in (
        ("shuffle_caption", caption.shuffle),
        ("keep_tokens", caption.keep_first),
        ("caption_dropout_rate", caption.dropout),
        ("caption_tag_dropout_rate", caption.tag_dropout),
        ("caption_prefix", f"{caption.prefix}," if caption.prefix else ""),
        ("flip_aug", train.flip),
        ("random_crop", train.crop == "random"),
    ):
        if value:
            rules[name] = value
    if caption.words == "none":
        sheet.lose("data.caption.words", "none", "write the prefix into a .txt beside each picture")
    dataset: dict[str, Any] = {"resolution": train.resolution, "batch_size": train.batch}
    dataset["enable_bucket"] = train.buckets is not None
    if train.buckets is not None:
        dataset["bucket_reso_steps"] = train.buckets.step
        dataset["min_bucket_reso"] = train.buckets.shortest
        dataset["max_bucket_reso"] = train.buckets.longest
    sources = [("data.source", data.source)]
    sources += [("data.booster", data.booster)] if data.booster is not None else []
    sources += [("data.boosters", each.source) for each in data.boosters]
    for each in data.boosters:
        why = "set num_repeats so that it makes up this share"
        for place in ("data.booster", "data.boosters"):
            sheet.lose(place, each.weight, why)
    return {
        "general": rules,
        "dataset": dataset,
        "subsets": [{"image_dir": _folder(sheet, *each), "num_repeats": 1} for each in sources],
    }


def _folder(sheet: Sheet, place: str, source: SourceSpec) -> str:
    if source.use != "folder":
        out = f"curated/{sheet.recipe.name}"
        why = f"it reads folders: `harness curate {sheet.recipe.name} --out {out} --to folder`"
        sheet.lose(place, source.use, why)
        return out
    if getattr(source, "recursive", False):
        sheet.lose(place, "recursive", "it reads the pictures of one folder and of none inside it")
    return str(getattr(source, "path", ""))
