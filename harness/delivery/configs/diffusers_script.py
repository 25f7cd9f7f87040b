"""A recipe as a command line of the diffusers scripts for SDXL."""

from __future__ import annotations

from harness.delivery.configs.sheet import Sheet, lose_data, lose_rest
from harness.interfaces import SourceSpec

TRAINER = "the script"
_SCHEDULES = {
    "constant": "constant",
    "linear": "linear",
    "cosine": "cosine",
    "cosine-restarts": "cosine_with_restarts",
    "polynomial": "polynomial",
}

_TRUTHS = {
    "bias_correction": "prodigy_use_bias_correction",
    "safeguard_warmup": "prodigy_safeguard_warmup",
}


def script_of(sheet: Sheet) -> str:
    """Return the script that trains such a recipe."""
    if sheet.train.method == "full":
        return "train_text_to_image_sdxl.py"
    data = sheet.recipe.data
    single = data is not None and data.caption.words == "none"
    dreambooth = sheet.train.prior is not None or single or sheet.train.optimizer.use == "prodigy"
    return "train_dreambooth_lora_sdxl.py" if dreambooth else "train_text_to_image_lora_sdxl.py"


def fill(sheet: Sheet) -> str:
    """Fill the flags of one phase, and return the script that takes them."""
    script = script_of(sheet)
    _base(sheet, script)
    _data(sheet, script)
    _adapter(sheet, script)
    _rates(sheet, script)
    _optimizer(sheet, script)
    _losses(sheet, script)
    _numbers(sheet)
    lose_rest(sheet, TRAINER)
    return script


def _base(sheet: Sheet, script: str) -> None:
    base = sheet.recipe.base
    sheet.put("pretrained_model_name_or_path", base.model)
    if base.revision:
        sheet.put("revision", base.revision)
    if base.vae:
        sheet.put("pretrained_vae_model_name_or_path", base.vae)
    sheet.lose_set(f"{TRAINER} takes the newest", base__vae_revision=base.vae_revision)


def _data(sheet: Sheet, script: str) -> None:
    data = sheet.recipe.data
    assert data is not None
    lose_data(sheet, TRAINER)
    source, dreambooth = data.source, "dreambooth" in script
    _source(sheet, source, dreambooth, data.caption.words == "none")
    _instance(sheet, dreambooth)
    more = [each.source.use for each in data.boosters] + (
        [data.booster.use] if data.booster else []
    )
    caption = data.caption
    sheet.lose_set(f"{TRAINER} reads one set", data__boosters=more)
    sheet.lose_set(
        f"{TRAINER} reads captions as they are",
        data__caption__shuffle=caption.shuffle,
        data__caption__keep_first=caption.keep_first,
        data__caption__tag_dropout=caption.tag_dropout,
        data__caption__dropout=caption.dropout,
        data__caption__chunks=caption.chunks if caption.chunks > 1 else None,
    )


def _source(sheet: Sheet, source: SourceSpec, dreambooth: bool, wordless: bool) -> None:
    """Say where the pictures lie, and what of their words is not read."""
    if source.use == "hub":
        sheet.put("dataset_name", getattr(source, "id", ""))
        text = getattr(source, "text", None)
        if text and not wordless:
            sheet.put("caption_column", text)
        sheet.lose_set(
            f"{TRAINER} reads pictures and captions",
            data__source__tags=getattr(source, "tags", None),
            data__source__facts=getattr(source, "facts", None),
            data__source__rows=getattr(source, "rows", None),
            data__source__weight=getattr(source, "weight", None),
            data__source__revision=getattr(source, "revision", None),
        )
        if getattr(source, "image", "image") != "image":
            sheet.put("image_column", getattr(source, "image", "image"))
    else:
        folder = str(getattr(source, "path", f"curated/{sheet.recipe.name}"))
        sheet.put("instance_data_dir" if dreambooth else "train_data_dir", folder)
        if source.use != "folder":
            why = (
                f"it reads folders: `harness curate {sheet.recipe.name} --out {folder} --to folder`"
            )
            sheet.lose("data.source", source.use, why)
        elif not getattr(source, "recursive", False):
            sheet.lose("data.source", "one folder", "it reads folders inside it too")


def _instance(sheet: Sheet, dreambooth: bool) -> None:
    """Put the instance prompt, which DreamBooth's script alone has."""
    data = sheet.recipe.data
    assert data is not None
    if dreambooth:
        sheet.put("instance_prompt", data.caption.prefix or sheet.recipe.name)
        if not data.caption.prefix:
            sheet.lose("data.caption.prefix", "none", "it calls every picture by something")
        if data.caption.words != "none" and "caption_column" not in sheet.flags:
            why = "every picture is called by the instance prompt"
            sheet.lose("data.caption.words", data.caption.words, why)
    elif data.caption.prefix:
        sheet.lose("data.caption.prefix", data.caption.prefix, "write it into the captions")


def _adapter(sheet: Sheet, script: str) -> None:
    adapter = sheet.train.adapter
    if adapter is None:
        return
    sheet.put("rank", adapter.rank)
    if adapter.effective_alpha != adapter.rank:
        if "dreambooth" in script:
            sheet.put("lora_alpha", adapter.effective_alpha)
        else:
            why = f"{TRAINER} ties it to the rank"
            sheet.lose("train.adapter.alpha", adapter.alpha, why)
    if adapter.dropout and "dreambooth" in script:
        sheet.put("lora_dropout", adapter.dropout)
    elif adapter.dropout:
        sheet.lose("train.adapter.dropout", adapter.dropout, f"{TRAINER} has none")
    if adapter.dora and "dreambooth" in script:
        sheet.put("use_dora", True)
    elif adapter.dora:
        sheet.lose("train.adapter.dora", True, f"{TRAINER} has none")
    if adapter.targets != "attention":
        why = f"{TRAINER} puts adapters on attention"
        sheet.lose("train.adapter.targets", adapter.targets, why)
    sheet.lose_set(
        f"{TRAINER} has none",
        train__adapter__ranks=adapter.ranks,
        train__adapter__rslora=adapter.rslora,
    )


def _rates(sheet: Sheet, script: str) -> None:
    phase, train = sheet.phase, sheet.train
    sheet.put("max_train_steps", phase.steps)
    sheet.put("learning_rate", phase.rate)
    text = phase.text_encoder_rates
    if text is not None and train.method == "full":
        sheet.lose("train.phases.text_encoder_rates", text, f"{TRAINER} trains the UNet alone")
    elif text is not None:
        sheet.put("train_text_encoder", True)
        if "dreambooth" in script:
            sheet.put("text_encoder_lr", text[0])
        if text[0] != text[1] or ("dreambooth" not in script and text[0] != phase.rate):
            why = f"{TRAINER} has one rate for both"
            sheet.lose("train.phases.text_encoder_rates", text, why)
    word = _SCHEDULES.get(phase.schedule)
    if word is None:
        word = "linear"
        sheet.lose("train.phases.schedule", phase.schedule, f"{TRAINER} has none: linear stands in")
    sheet.put(
        "lr_scheduler", "constant_with_warmup" if word == "constant" and phase.warmup else word
    )
    sheet.put("lr_warmup_steps", phase.warmup)
    if phase.cycles > 1:
        sheet.put("lr_num_cycles", phase.cycles)
    if phase.power != 1:
        sheet.put("lr_power", phase.power)
    sheet.lose_set(f"{TRAINER}'s rate falls to 0", train__phases__floor=phase.floor)
    _unit(sheet, script)


def _unit(sheet: Sheet, script: str) -> None:
    legacy = sheet.train.lr_schedule_unit == "diffusers-legacy"
    stretches = "text_to_image" in script and sheet.train.accumulation > 1
    if stretches != legacy and (sheet.phase.warmup or sheet.phase.schedule != "constant"):
        why = "its script stretches warm-up and schedule by the accumulation"
        why = why if stretches else "its script counts in optimizer steps"
        sheet.lose("train.lr_schedule_unit", sheet.train.lr_schedule_unit, why)


def _optimizer(sheet: Sheet, script: str) -> None:
    given = sheet.train.optimizer.model_dump(exclude={"use"})
    word = sheet.train.optimizer.use
    if word == "adamw-8bit":
        sheet.put("use_8bit_adam", True)
    elif word == "prodigy" and "dreambooth" in script:
        sheet.put("optimizer", "prodigy")
        for name, flag in _TRUTHS.items():
            sheet.put(flag, given[name])
            if not given[name]:
                sheet.lose(f"train.optimizer.{name}", False, "its flag takes no false")
        if given["d_coef"] != 1.0:
            sheet.lose("train.optimizer.d_coef", given["d_coef"], f"{TRAINER} has none")
    elif word != "adamw":
        sheet.lose("train.optimizer", word, f"{TRAINER} has none: AdamW stands in")
        given = {}
    own = given.get("text_encoder_weight_decay")
    names = {"beta1": "adam_beta1", "beta2": "adam_beta2", "eps": "adam_epsilon"}
    for name, flag in {**names, "weight_decay": "adam_weight_decay"}.items():
        if name in given:
            sheet.put(flag, given[name])
    if own is not None and "dreambooth" in script:
        sheet.put("adam_weight_decay_text_encoder", own)
    elif own is not None:
        sheet.lose("train.optimizer.text_encoder_weight_decay", own, f"{TRAINER} has one decay")
    norm = sheet.train.max_grad_norm
    sheet.put("max_grad_norm", norm)


def _losses(sheet: Sheet, script: str) -> None:
    train = sheet.train
    if train.snr_gamma:
        sheet.put("snr_gamma", train.snr_gamma)
    if train.noise_offset and "dreambooth" not in script:
        sheet.put("noise_offset", train.noise_offset)
    elif train.noise_offset:
        sheet.lose("train.noise_offset", train.noise_offset, f"{TRAINER} has none")
    if train.prediction and "dreambooth" not in script:
        sheet.put("prediction_type", train.prediction)
    elif train.prediction:
        sheet.lose("train.prediction", train.prediction, "the base says what it predicts")
    if train.prior is not None:
        sheet.put("with_prior_preservation", True)
        sheet.put("class_data_dir", "class-images")
        sheet.put("class_prompt", train.prior.prompt)
        sheet.put("num_class_images", train.prior.images)
        sheet.put("prior_loss_weight", train.prior.weight)
        if train.snr_gamma:
            why = "its script mixes the weights of pictures and class images"
            sheet.lose("train.snr_gamma", train.snr_gamma, why)
        drawn = train.prior.model_dump(
            exclude={"prompt", "images", "weight"}, exclude_defaults=True
        )
        sheet.lose_set("it draws class images by its own figures", train__prior=drawn)
    if train.ema is not None and train.method == "full":
        sheet.put("use_ema", True)
    elif train.ema is not None:
        sheet.lose("train.ema", train.ema.decay, f"{TRAINER} keeps no running mean of a LoRA")
    sheet.lose_set(
        f"{TRAINER} has none",
        train__debiased=train.debiased,
        train__huber=train.huber,
        train__input_perturbation=train.input_perturbation,
        train__zero_terminal_snr=train.zero_terminal_snr,
        train__buckets=train.buckets,
    )


def _numbers(sheet: Sheet) -> None:
    train = sheet.train
    sheet.put("resolution", train.resolution)
    if train.crop == "center":
        sheet.put("center_crop", True)
    if train.flip:
        sheet.put("random_flip", True)
    sheet.put("train_batch_size", train.batch)
    sheet.put("gradient_accumulation_steps", train.accumulation)
    if train.gradient_checkpointing:
        sheet.put("gradient_checkpointing", True)
    if train.gradient_checkpointing and train.gradient_checkpointing is not True:
        why = "all blocks or none there: it saves memory and changes no figure"
        sheet.lose("train.gradient_checkpointing", train.gradient_checkpointing, why)
    sheet.put("mixed_precision", "no" if train.precision == "fp32" else train.precision)
    if train.precision == "bf16" and train.adapter_dtype == "float32" and train.method == "lora":
        sheet.lose("train.adapter_dtype", "float32", "its script keeps the adapter in bf16 too")
    sheet.put("checkpointing_steps", train.checkpoint_every or 500)
    if train.checkpoint_every is None:
        sheet.lose("train.checkpoint_every", None, "its script always keeps checkpoints")
    if train.previews:
        sheet.put("validation_prompt", train.previews[0])
        if len(train.previews) > 1:
            sheet.lose("train.previews", train.previews, "it draws one prompt")
    sheet.put("seed", train.seed)
    sheet.put("output_dir", f"out/{sheet.recipe.name}")
