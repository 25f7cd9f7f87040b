"""Why a figure has no counterpart, for figures that several trainers share."""

from __future__ import annotations

from collections.abc import Mapping

_STORE = "everything goes into the store, under its content's key"
_SPEED = "it changes speed or memory and no figure of the result"
_PREVIEW = "previews are drawn as the benchmark's sampler draws"
_SAVING = "`harness export` says in which form and numbers an adapter is written"
_RESUME = "a run that was stopped goes on by itself: run it again"
_TRACK = "train.tracker says where the loss is logged"
_AUGMENT = "pictures are cut and mirrored here, and not changed otherwise"
_FLOW = "it belongs to models that learn a flow, not to SDXL"

_SHARED = {
    _STORE: (
        "output_dir logging_dir log_dir workspace_dir cache_dir training_folder debug_dir"
        " cache_dir_vae cache_dir_text output_model_destination log_prefix overwrite_output_dir"
        " write_batch_size save_every_n_epochs_state metadata_backend preserve_data_backend_cache"
    ),
    _SPEED: (
        "cache_latents cache_latents_to_disk cache_text_encoder_outputs vae_batch_size"
        " cache_text_encoder_outputs_to_disk cache_text_embeddings xformers sdpa mem_eff_attn"
        " enable_xformers_memory_efficient_attention max_data_loader_n_workers lowram highvram"
        " persistent_data_loader_workers dataloader_num_workers dataloader_threads no_half_vae"
        " sdxl_no_half_vae sdxl_cache_text_encoder_outputs num_cpu_threads_per_process"
        " dynamo_backend dynamo_mode dynamo_use_dynamic dynamo_use_fullgraph latent_caching"
        " clear_cache_before_training attention_mechanism allow_tf32 fused_backward_pass"
        " train_device temp_device device low_vram gradient_checkpointing_offload quantize"
        " enable_async_offloading enable_activation_offloading enable_autocast_cache"
        " layer_offload_fraction compile text_encoder_batch_size skip_cache_check fp8_base"
        " base_model_precision quantize_te quantize_via attn_mode split_attn blocks_to_swap"
        " latent_caching_epochs vae_cache_ondemand disable_benchmark torch_num_threads"
        " main_process_port gpu_ids num_machines multi_gpu machine_rank xformers_attention"
        " only_cache ddp_timeout ddp_gradient_as_bucket_view ddp_static_graph preload_vae"
        " cache_info lowvram vae_cache_scan_behaviour disable_mmap_load_safetensors"
    ),
    _SAVING: (
        "save_model_as save_precision output_dtype output_model_format dtype no_metadata"
        " save_last_n_epochs save_last_n_steps max_step_saves_to_keep checkpoints_total_limit"
        " metadata_author metadata_title metadata_description metadata_tags metadata_license"
        " training_comment save_filename_prefix include_train_config use_safetensors hub_token"
        " push_to_hub hub_model_id push_checkpoints_to_hub rolling_backup backup_before_save"
        " async_upload huggingface_repo_id huggingface_token save_n_epoch_ratio"
        " output_kohya_format bundle_additional_embeddings hf_repo_id hf_private save_dtype"
        " model_card_private huggingface_path_in_repo huggingface_repo_type"
        " huggingface_repo_visibility save_state_to_huggingface"
    ),
    _RESUME: (
        "resume resume_from_checkpoint save_state continue_last_backup save_state_on_train_end"
        " save_last_n_epochs_state save_last_n_steps_state backup_after backup_after_unit"
        " resume_from_huggingface rolling_backup_count initial_epoch initial_step"
        " skip_until_initial_step"
    ),
    _TRACK: (
        "log_with wandb_api_key wandb_run_name log_tracker_name report_to tracker_project_name"
        " tracker_run_name tensorboard tensorboard_expose tensorboard_port log_tracker_config"
        " performance_log_every tensorboard_always_on log_config logging_steps verbose"
    ),
    _PREVIEW: (
        "sample_sampler sample_every_n_epochs sample_every_n_steps sample_at_first sample_every"
        " validation_epochs num_validation_images validation_steps validation_seed sampler"
        " validation_step_interval validation_guidance validation_num_inference_steps"
        " validation_resolution validation_negative_prompt validation_guidance_rescale width"
        " validation_torch_compile num_eval_images height neg walk_seed guidance_scale"
        " sample_steps sample_after sample_after_unit sample_image_format network_multiplier"
        " skip_first_sample disable_sampling sample_definition_file_name guidance_rescale"
        " validation_disable_unconditional validation_prompt_library non_ema_sampling"
        " samples_to_tensorboard sample_skip_first force_first_sample"
    ),
    _AUGMENT: (
        "color_aug face_crop_aug_range enable_random_rotate enable_random_brightness"
        " enable_random_contrast enable_random_saturation enable_random_hue enable_crop_jitter"
        " random_rotate_and_crop circular_mask_generation augmentations random_scale"
        " image_interpolation_mode resize_interpolation"
    ),
    _FLOW: (
        "discrete_flow_shift timestep_sampling model_prediction_type apply_t5_attn_mask"
        " flow_schedule_shift t5xxl_max_token_length weighting_scheme bypass_guidance_embedding"
        " logit_mean logit_std mode_scale dynamic_timestep_shifting timestep_shift"
    ),
    "buckets may enlarge a small picture here; data.curate.min_pixels leaves it out": (
        "bucket_no_upscale"
    ),
    "the base draws class images here (train.prior); own ones are not read": (
        "reg_data_dir class_data_dir is_reg"
    ),
    "without class images of the base there is nothing that it weighs": "prior_loss_weight",
    "captions are read from .txt files": (
        "caption_extension caption_ext caption_extention caption_type"
    ),
    "SDXL is always trained at the last layer but one of its text encoders": (
        "clip_skip text_encoder_layer_skip text_encoder_2_layer_skip"
    ),
    "all noise levels are trained": (
        "min_timestep max_timestep min_noising_strength max_noising_strength min_denoising_steps"
        " max_denoising_steps timestep_bias_strategy timestep_bias_portion"
        " timestep_bias_multiplier timestep_bias_begin timestep_bias_end"
    ),
    "all noise levels are drawn alike": (
        "timestep_distribution noising_weight noising_bias content_or_style timestep_type"
        " linear_timesteps"
    ),
    "noise is drawn at one scale": "multires_noise_iterations multires_noise_discount",
    "the noise offset has one strength": (
        "adaptive_noise_scale noise_offset_random_strength noise_offset_type"
        " dynamic_noise_offset generalized_offset_noise"
    ),
    "input perturbation has one strength": "ip_noise_gamma_random_strength",
    "the norm of the adapter's weights is not bounded": "scale_weight_norms",
    "only the adapter's inputs are dropped: train.adapter.dropout": "rank_dropout module_dropout",
    "one rate holds for the whole UNet": (
        "down_lr_weight mid_lr_weight up_lr_weight block_lr_zero_threshold block_lr"
    ),
    "train.adapter.ranks gives blocks other ranks": (
        "block_dims block_alphas conv_block_dims conv_block_alphas"
    ),
    "an adapter has one alpha": "conv_alpha",
    "the loss is not masked": (
        "masked_loss alpha_mask masked_training unmasked_probability unmasked_weight"
        " normalize_masked_area_loss mask_path mask_min_value"
    ),
    "captions drop out by chance and not by epoch": "caption_dropout_every_n_epochs",
    "tags drop out at one rate from the first step on": "token_warmup_min token_warmup_step",
    "weights in captions are not read in training": "weighted_captions",
    "captions are cut at commas": (
        "caption_separator keep_tokens_separator secondary_separator tag_delimiter"
    ),
    "wildcards in captions are not read": "enable_wildcard",
    "only the words in front of a caption: data.caption.prefix": "caption_suffix",
    "it stands for captions that are missing": "class_tokens default_caption",
    "training starts from the base and from nothing else": (
        "network_weights dim_from_weights init_lora lora_model_name base_weights"
    ),
    "random numbers belong to a step here, so epochs need no seed": "concept_seed",
    "harness counts in optimizer steps": "max_train_epochs epochs num_train_epochs epoch",
    "quality is judged by a benchmark, not by a loss on pictures": (
        "validation validation_split validate_after validate_after_unit eval_steps_interval"
    ),
    "the version of its own form of config": "__version config_version meta version",
    "it belongs to another way of training": (
        "align_prop align_prop_probability align_prop_loss align_prop_weight align_prop_steps"
        " align_prop_truncate_steps align_prop_cfg_scale controlnet distillation_method"
        " distillation_config"
        " embedding_learning_rate preserve_embedding_norm embedding_weight_dtype token_count"
        " initial_embedding_text"
    ),
}
SHARED = {word: note for note, words in _SHARED.items() for word in words.split()}


def remarks(*more: Mapping[str, str]) -> dict[str, str]:
    """Return the shared reasons and those of one trainer, by figure."""
    own: dict[str, str] = {}
    for each in more:
        own |= {word: note for note, words in each.items() for word in words.split()}
    return SHARED | own
