"""OneTrainer: a JSON of everything, with its concepts inside or in a file beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.pages.foreign.figures import Draft, Figure, Source, flat, is_off, number_of
from harness.pages.foreign.habits import TRANSFORMER, Habits
from harness.pages.foreign.remarks import remarks

_LAYERS = {"attn-mlp": TRANSFORMER, "attentions": TRANSFORMER, "full": "."}
_LAYERS |= {"attn-only": "attention", "attn": "attention"}
HABITS = Habits(
    trainer="OneTrainer",
    defaults={
        "train.adapter.rank": 16,
        "train.adapter.alpha": 1.0,
        "train.adapter.targets": ".",
        "@rate": 3e-6,
        "@epochs": 100,
        "train.resolution": 512,
        "train.buckets": True,
        "train.precision": "fp16",
    },
    warmup_in_batches=True,
    warmup=200,
    layers=_LAYERS,
)
MEANINGS = {
    "base_model_name": "base.model",
    "vae.model_name": "base.vae",
    "peft_type": "@kind",
    "lora_rank": "train.adapter.rank",
    "lora_alpha": "train.adapter.alpha",
    "lora_decompose": "train.adapter.dora",
    "dropout_probability": "train.adapter.dropout",
    "unet.learning_rate": "@rate",
    "unet_learning_rate": "@rate",
    "learning_rate": "@rate",
    "text_encoder.train": "@text1",
    "text_encoder_2.train": "@text2",
    "train_text_encoder": "@text1",
    "train_text_encoder_2": "@text2",
    "text_encoder.learning_rate": "@text_rate1",
    "text_encoder_2.learning_rate": "@text_rate2",
    "text_encoder_learning_rate": "@text_rate1",
    "text_encoder_2_learning_rate": "@text_rate2",
    "batch_size": "train.batch",
    "gradient_accumulation_steps": "train.accumulation",
    "epochs": "@epochs",
    "learning_rate_scheduler": "@schedule",
    "learning_rate_warmup_steps": "@warmup_steps",
    "learning_rate_cycles": "@cycles",
    "learning_rate_min_factor": "@floor",
    "optimizer.optimizer": "@optimizer",
    "optimizer": "@optimizer",
    "weight_decay": "@optimizer.weight_decay",
    "clip_grad_norm": "train.max_grad_norm",
    "layer_filter_preset": "@layers",
    "lora_layer_preset": "@layers",
    "layer_filter": "@layers",
    "lora_layers": "@layers",
    "resolution": "train.resolution",
    "aspect_ratio_bucketing": "train.buckets",
    "train_dtype": "train.precision",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "compile": "train.compile",
    "ema": "train.ema",
    "ema_decay": "train.ema.decay",
    "offset_noise_weight": "train.noise_offset",
    "perturbation_noise_weight": "train.input_perturbation",
    "rescale_noise_scheduler_to_zero_terminal_snr": "train.zero_terminal_snr",
    "image.enable_random_flip": "train.flip",
    "text.enable_tag_shuffling": "data.caption.shuffle",
    "text.keep_tags_count": "data.caption.keep_first",
}
REMARKS = remarks(
    {
        "it says that the base is SDXL, as every base here is": "model_type",
        "SDXL has no such part": (
            "prior effnet_encoder decoder decoder_text_encoder decoder_vqgan text_encoder_3"
            " transformer text_encoder_4 quantization extra_model_name"
        ),
        "the UNet is always trained": "train_unet include train",
        "parts train for the whole phase: a second phase may rest them": (
            "stop_training_after stop_training_after_unit train_unet_epochs"
            " train_text_encoder_epochs"
        ),
        "it is kept for another optimizer than the one chosen": "optimizer_defaults",
        "the running mean takes every step": "ema_update_step_interval",
        "numbers of the networks are train.precision": (
            "weight_dtype unet_weight_dtype text_encoder_weight_dtype vae_weight_dtype"
            " fallback_train_dtype lora_weight_dtype text_encoder_2_weight_dtype"
        ),
        "it is how DoRA divides": "lora_decompose_norm_epsilon lora_decompose_output_axis",
        "rates of the page hold for any batch": "learning_rate_scaler",
        "the loss scaler belongs to fp16 and is always on": "loss_scaler",
        "the base says what it predicts": "force_epsilon_prediction",
        "custom schedules are not read": "custom_learning_rate_scheduler scheduler_params",
        "the loss is squared": "vb_loss_strength mae_strength log_cosh_strength",
        "new tokens are train.tokens, and none is trained here": (
            "embedding additional_embeddings train_embedding placeholder"
        ),
        "tiled edges are not trained": "force_circular_padding",
        "layers are chosen by train.adapter.targets": "layer_filter_regex",
        "checkpoints are counted in steps: train.checkpoint_every": (
            "save_every save_every_unit save_after save_after_unit save_skip_first"
        ),
        "the base's own weights are trained, and no adapter": (
            "peft_type lora_rank lora_alpha lora_decompose lora_layers lora_layer_preset"
        ),
        "it names the set for itself": "name enabled validation_concept",
        "random numbers belong to the recipe's seed": "seed",
        "every picture counts alike": "loss_weight",
        "captions are read from the .txt file beside each picture": "prompt_source prompt_path",
        "mirrored pictures are drawn at random": "enable_fixed_flip",
        "repeats are counted in the steps": "balancing balancing_strategy",
        "it writes what it trains on": "debug_mode",
    }
)


def recognizes(data: Mapping[str, Any]) -> bool:
    """Return whether this is a OneTrainer config."""
    return "training_method" in data and "model_type" in data


def draft_of(data: Mapping[str, Any], read: Callable[[str], Any]) -> Draft:
    """Return the draft of a config; concepts come from it or from the file that it names."""
    kind = str(data["model_type"])
    if "STABLE_DIFFUSION_XL" not in kind:
        raise UsageError(f"model_type is {kind}, and harness trains SDXL")
    method = str(data["training_method"])
    if method not in ("LORA", "FINE_TUNE"):
        raise UsageError(f"training_method is {method}, and harness trains LORA and FINE_TUNE")
    named = str(data.get("concept_file_name") or "")
    concepts = data.get("concepts") or read(named) or []
    plain = {key: value for key, value in data.items() if key != "concepts"}
    plain.pop("optimizer_defaults", None)
    figures = flat(plain)
    if "optimizer_defaults" in data:
        figures["optimizer_defaults"] = sorted(data["optimizer_defaults"] or {})
    draft = Draft(figures, dict(MEANINGS), REMARKS, full=method == "FINE_TUNE")
    draft.family = "SDXL for inpainting" if "INPAINT" in kind else None
    draft.note(Figure("training_method", method), "train.method", "full" if draft.full else "lora")
    if named:
        where = "it is read" if concepts else "the file is not here: --data names the pictures"
        draft.same(Figure("concept_file_name", named), "data.source", None, where)
    _read_concepts(draft, figures, concepts)
    _place_options(draft, figures)
    _place_loss(draft, figures)
    return draft


def _read_concepts(draft: Draft, figures: dict[str, Any], concepts: Sequence[Any]) -> None:
    for number, concept in enumerate(each for each in concepts if isinstance(each, Mapping)):
        place = f"concepts[{number}]"
        own = flat({key: value for key, value in concept.items() if key != "path"})
        figures |= {f"{place}.{key}": value for key, value in own.items()}
        for key, value in own.items():
            if number == 0 and key in MEANINGS:
                draft.meanings = {**draft.meanings, f"{place}.{key}": MEANINGS[key]}
            elif key in MEANINGS:
                note = "one rule holds for all pictures: the first concept's"
                draft.leave(Figure(f"{place}.{key}", value), note)
        figures[f"{place}.path"] = concept.get("path")
        if concept.get("enabled") is False or not is_off(concept.get("validation_concept")):
            draft.leave(Figure(f"{place}.path", concept.get("path")), "it is not trained on")
        elif concept.get("path"):
            spec: dict[str, Any] = {"use": "folder", "path": str(concept["path"])}
            if not is_off(concept.get("include_subdirectories")):
                spec["recursive"] = True
            draft.sources.append(Source(f"{place}.path", spec, _repeats(draft, concept, place)))


def _repeats(draft: Draft, concept: Mapping[str, Any], place: str) -> float:
    if concept.get("balancing_strategy", "REPEATS") != "REPEATS":
        note = "so many pictures an epoch there: harness takes every picture once"
        draft.leave(Figure(f"{place}.balancing", concept.get("balancing")), note)
        return 1
    return number_of(concept.get("balancing", concept.get("repeats", 1))) or 1


def _place_options(draft: Draft, figures: Mapping[str, Any]) -> None:
    """Let the optimizer's options count; those that are empty are its own defaults."""
    options = {
        name: f"@optimizer.{name.removeprefix('optimizer.')}"
        for name in figures
        if name.startswith("optimizer.") and name not in ("optimizer.optimizer",)
    }
    draft.meanings = {**draft.meanings, **options}


def _place_loss(draft: Draft, figures: dict[str, Any]) -> None:
    """Split the weight of the loss, and its kind, into figures of their own."""
    weight = str(figures.get("loss_weight_fn", "CONSTANT"))
    strength = figures.get("loss_weight_strength", 5.0)
    name = Figure("loss_weight_fn", weight)
    meanings = dict(draft.meanings)
    if weight == "MIN_SNR_GAMMA":
        meanings["loss_weight_strength"] = "train.snr_gamma"
        figures["loss_weight_strength"] = strength
        draft.note(name, "train.snr_gamma", strength)
    elif weight == "DEBIASED_ESTIMATION":
        draft.keep(name, "train.debiased", True)
    elif weight != "CONSTANT":
        draft.leave(name, f"harness has no such weight of the loss: {weight}")
    else:
        draft.same(name, "train", None, "the loss has no weights")
    if number_of(figures.get("mse_strength")) == 1:
        squared = Figure("mse_strength", figures["mse_strength"])
        draft.same(squared, "train.huber", None, "the loss is squared")
    if weight != "MIN_SNR_GAMMA" and "loss_weight_strength" in figures:
        draft.leave(Figure("loss_weight_strength", strength), f"{weight} has no strength")
    huber = number_of(figures.get("huber_strength", 0)) or 0
    if huber > 0 and not number_of(figures.get("mse_strength", 0)):
        meanings |= {"huber_strength": "train.huber", "huber_delta": "@huber_delta"}
    if not is_off(figures.get("force_v_prediction")):
        meanings["force_v_prediction"] = "train.prediction"
    draft.meanings = meanings
