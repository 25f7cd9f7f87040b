"""Words of other trainers, and the field of ours that says the same.

They are those of the diffusers scripts, kohya's sd-scripts, ai-toolkit and PEFT. A field that we
do not know is looked up here before a misspelling is suspected.
"""

from __future__ import annotations

_PLACES = {
    "base.model": "pretrained_model_name_or_path model_name_or_path base_model",
    "base.revision": "pretrained_model_revision",
    "base.vae": "pretrained_vae_model_name_or_path vae_path",
    "name": "output_name run_name",
    "data.source": "dataset_config in_json",
    "data.source.id": "dataset_name",
    "data.source.path": "train_data_dir instance_data_dir image_folder folder_path",
    "data.source.image": "image_column",
    "data.source.text": "caption_column",
    "data.curate.limit": "max_train_samples",
    "data.caption.prefix": "instance_prompt caption_prefix trigger_word class_tokens",
    "data.caption.shuffle": "shuffle_caption shuffle_tokens",
    "data.caption.keep_first": "keep_tokens",
    "data.caption.dropout": "caption_dropout_rate proportion_empty_prompts",
    "data.caption.tag_dropout": "caption_tag_dropout_rate token_dropout_rate",
    "data.caption.chunks": "max_token_length",
    "train.adapter": "network_module",
    "train.adapter.rank": "network_dim lora_rank lora_r rank linear r",
    "train.adapter.alpha": "network_alpha lora_alpha alpha linear_alpha",
    "train.adapter.dropout": "network_dropout lora_dropout",
    "train.adapter.targets": "target_modules lora_layers",
    "train.adapter.ranks": "rank_pattern network_reg_dims",
    "train.adapter.dora": "use_dora",
    "train.adapter.rslora": "use_rslora",
    "train.adapter_dtype": "network_weights_dtype",
    "train.tokens": "placeholder_token token_abstraction train_text_encoder_ti",
    "train.tokens[].vectors": "num_vectors num_new_tokens_per_abstraction",
    "train.tokens[].initializer": "initializer_token initializer_concept init_word",
    "train.resolution": "train_resolution",
    "train.crop": "center_crop random_crop",
    "train.flip": "random_flip flip_aug",
    "train.buckets": "enable_bucket aspect_ratio_buckets",
    "train.buckets.step": "bucket_reso_steps",
    "train.buckets.shortest": "min_bucket_reso",
    "train.buckets.longest": "max_bucket_reso",
    "train.batch": "train_batch_size batch_size per_device_train_batch_size",
    "train.accumulation": "gradient_accumulation_steps gradient_accumulation",
    "train.processes": "num_processes",
    "train.optimizer": "optimizer_type",
    "train.optimizer.beta1": "adam_beta1",
    "train.optimizer.beta2": "adam_beta2",
    "train.optimizer.eps": "adam_epsilon",
    "train.optimizer.weight_decay": "adam_weight_decay",
    "train.optimizer.text_encoder_weight_decay": "adam_weight_decay_text_encoder",
    "train.optimizer.bias_correction": "prodigy_use_bias_correction use_bias_correction",
    "train.optimizer.safeguard_warmup": "prodigy_safeguard_warmup",
    "train.phases[].steps": "max_train_steps num_train_steps steps",
    "train.phases[].rate": "learning_rate lr unet_lr rate",
    "train.phases[].text_encoder_rates": (
        "text_encoder_lr learning_rate_te learning_rate_te1 learning_rate_te2"
    ),
    "train.phases[].token_rate": "learning_rate_ti embedding_lr",
    "train.phases[].schedule": "lr_scheduler lr_scheduler_type scheduler",
    "train.phases[].warmup": "lr_warmup_steps warmup_steps",
    "train.phases[].cycles": "lr_num_cycles lr_scheduler_num_cycles",
    "train.phases[].power": "lr_power lr_scheduler_power",
    "train.prediction": "prediction_type v_parameterization v_pred",
    "train.zero_terminal_snr": "rescale_betas_zero_snr",
    "train.snr_gamma": "min_snr_gamma",
    "train.debiased": "debiased_estimation_loss",
    "train.huber": "loss_type",
    "train.huber.delta": "huber_c",
    "train.huber.schedule": "huber_schedule",
    "train.input_perturbation": "ip_noise_gamma",
    "train.prior": "with_prior_preservation",
    "train.prior.prompt": "class_prompt",
    "train.prior.images": "num_class_images",
    "train.prior.weight": "prior_loss_weight",
    "train.ema": "use_ema",
    "train.ema.decay": "ema_decay",
    "train.precision": "mixed_precision",
    "train.max_grad_norm": "gradient_clip_val",
    "train.checkpoint_every": "checkpointing_steps save_every save_every_n_steps",
    "train.previews": "validation_prompt validation_prompts sample_prompts",
    "train.tracker": "report_to log_with",
}
"""Our field, and the words that other trainers use for it."""
_CACHED = "; there is nothing to set"
_REMARKS = {
    "cache_latents cache_latents_to_disk": f"latents are always prepared ahead{_CACHED}",
    "cache_text_encoder_outputs cache_text_encoder_outputs_to_disk cache_text_embeddings": (
        f"captions are embedded ahead wherever the encoders rest{_CACHED}"
    ),
    "class_data_dir": "class images are drawn by the base: train.prior says how many",
    "enable_xformers_memory_efficient_attention xformers sdpa mem_eff_attn": (
        f"PyTorch's own fast attention is always used{_CACHED}"
    ),
    "dataloader_num_workers max_data_loader_n_workers": (
        f"all that a step reads is prepared ahead{_CACHED}"
    ),
    "lr_end lr_scheduler_min_lr_ratio": "here it is train.phases[].floor, a share of the rate",
    "network_train_unet_only": (
        "leave out train.phases[].text_encoder_rates: without them the text encoders rest"
    ),
    "num_train_epochs max_train_epochs epochs": (
        "training is counted in optimizer steps: train.phases[].steps ="
        " epochs × pictures / effective batch"
    ),
    "output_dir logging_dir cache_dir": "everything goes into the store, under its content's key",
    "resume_from_checkpoint resume save_state": (
        "a run that was stopped goes on by itself: run it again"
    ),
    "betas": "here it is beta1 and beta2",
    "train_text_encoder": "here it is train.phases[].text_encoder_rates",
    "use_8bit_adam": "here it is train.optimizer: {use: adamw-8bit}",
    "validation_epochs sample_every_n_steps sample_every": (
        "previews are drawn at every checkpoint: train.checkpoint_every"
    ),
}
"""Words of other trainers that have no field of ours, and what to do about each."""


def hint(word: str) -> str | None:
    """Return what to write in place of another trainer's word, where we know it."""
    return _hints().get(word.replace("-", "_").lower())


def places() -> list[str]:
    """Return every field of ours that a hint of the form "here it is FIELD" names."""
    return list(_PLACES)


def _hints() -> dict[str, str]:
    hints = {word: text for words, text in _REMARKS.items() for word in words.split()}
    for place, words in _PLACES.items():
        hints |= dict.fromkeys(words.split(), f"here it is {place}")
    return hints
