"""Tiny pipelines of other families than SDXL, with random weights, as folders of diffusers.

Each is built from its configuration alone, so that it is the library's own code that draws.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from harness.pocket import locate

LETTERS = [chr(code) for code in range(32, 127)]
BYTES = [*range(33, 127), *range(161, 173), *range(174, 256)]
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat template that says the message and nothing else."""


def vae(channels: int, halvings: int = 1, **more: Any) -> Any:
    return diffusers.AutoencoderKL(
        latent_channels=channels,
        block_out_channels=(8,) * (halvings + 1),
        down_block_types=("DownEncoderBlock2D",) * (halvings + 1),
        up_block_types=("UpDecoderBlock2D",) * (halvings + 1),
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=32,
        **more,
    )


def plain_vae(channels: int, halvings: int = 1) -> Any:
    """Return a VAE of the families whose latents are not quantized again."""
    return vae(
        channels,
        halvings,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1,
        scaling_factor=0.4,
    )


def clip_tokenizer() -> Any:
    return CLIPTokenizer.from_pretrained(Path(locate("pocket/sdxl")) / "tokenizer")


def clip(kind: Any = CLIPTextModel, size: int = 16) -> Any:
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=size,
        intermediate_size=32,
        projection_dim=size,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return kind(config)


def t5_tokenizer() -> Any:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS[1:]]
    return T5Tokenizer(vocab=[(piece, -float(at)) for at, piece in enumerate(pieces)], extra_ids=0)


def t5(kind: Any = T5EncoderModel, config: Any = T5Config) -> Any:
    size = len(t5_tokenizer())
    return kind(config(vocab_size=size, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2))


def byte_letters() -> dict[str, int]:
    """Return one token for each byte, as byte-level tokenizers write it."""
    shown = {byte: chr(byte) for byte in BYTES}
    others = [byte for byte in range(256) if byte not in shown]
    shown |= {byte: chr(256 + at) for at, byte in enumerate(others)}
    return {shown[byte]: byte for byte in range(256)}


def qwen_tokenizer() -> Any:
    tokenizer = Qwen2Tokenizer(vocab=byte_letters(), merges=[])
    tokenizer.chat_template = CHAT
    return tokenizer


def qwen(kind: Any = Qwen3Model, layers: int = 2) -> Any:
    return kind(
        Qwen3Config(
            vocab_size=512,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
        )
    )


def gemma_tokenizer() -> Any:
    vocab = {word: at for at, word in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])}
    vocab |= {letter: len(vocab) + at for at, letter in enumerate(["▁", *LETTERS[1:]])}
    return GemmaTokenizer(vocab=vocab, merges=[])


def gemma() -> Any:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=256,
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
        )
    )


def flow() -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler()


def stable_diffusion() -> Any:
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=16,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    return diffusers.StableDiffusionPipeline(
        vae=vae(4),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_3() -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        out_channels=4,
        pos_embed_max_size=32,
    )
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=flow(),
        vae=plain_vae(4),
        text_encoder=clip(CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip(CLIPTextModelWithProjection),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
    )


def flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    return diffusers.FluxPipeline(
        scheduler=flow(),
        vae=plain_vae(4),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=transformer,
    )


def flux_2() -> Any:
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
    )
    coder = diffusers.AutoencoderKLFlux2(
        latent_channels=4,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        sample_size=32,
    )
    return diffusers.Flux2KleinPipeline(
        scheduler=flow(),
        vae=coder,
        text_encoder=qwen(Qwen3ForCausalLM, layers=28),
        tokenizer=qwen_tokenizer(),
        transformer=transformer,
    )


def pixart() -> Any:
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=16,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=16,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
    )
    return diffusers.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=vae(4),
        transformer=transformer,
        scheduler=diffusers.DDIMScheduler(),
    )


def sana() -> Any:
    transformer = diffusers.SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=32,
    )
    coder = diffusers.AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )
    return diffusers.SanaPipeline(
        tokenizer=gemma_tokenizer(),
        text_encoder=gemma(),
        vae=coder,
        transformer=transformer,
        scheduler=flow(),
    )


def lumina_2() -> Any:
    transformer = diffusers.Lumina2Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        hidden_size=8,
        num_layers=2,
        num_attention_heads=1,
        num_kv_heads=1,
        multiple_of=16,
        ffn_dim_multiplier=None,
        norm_eps=1e-5,
        scaling_factor=1.0,
        axes_dim_rope=(4, 2, 2),
        cap_feat_dim=8,
    )
    return diffusers.Lumina2Pipeline(
        transformer=transformer,
        scheduler=flow(),
        vae=plain_vae(4, halvings=3),
        text_encoder=gemma(),
        tokenizer=gemma_tokenizer(),
    )


def z_image() -> Any:
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        qk_norm=True,
        cap_feat_dim=16,
        axes_dims=[4, 6, 6],
        axes_lens=[256, 64, 64],
    )
    return diffusers.ZImagePipeline(
        scheduler=flow(),
        vae=plain_vae(4),
        text_encoder=qwen(),
        tokenizer=qwen_tokenizer(),
        transformer=transformer,
    )


def qwen_image() -> Any:
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    coder = diffusers.AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            "rope_theta": 1000000.0,
            "vocab_size": 512,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
        },
        vocab_size=512,
        hidden_size=16,
    )
    return diffusers.QwenImagePipeline(
        scheduler=flow(),
        vae=coder,
        text_encoder=Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=qwen_tokenizer(),
        transformer=transformer,
    )


def aura_flow() -> Any:
    transformer = diffusers.AuraFlowTransformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=16,
        out_channels=4,
        pos_embed_max_size=256,
    )
    return diffusers.AuraFlowPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(UMT5EncoderModel, UMT5Config),
        vae=vae(4),
        transformer=transformer,
        scheduler=flow(),
    )


FAMILIES: dict[str, Callable[[], Any]] = {
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusion3Pipeline": stable_diffusion_3,
    "FluxPipeline": flux,
    "Flux2KleinPipeline": flux_2,
    "PixArtSigmaPipeline": pixart,
    "SanaPipeline": sana,
    "Lumina2Pipeline": lumina_2,
    "ZImagePipeline": z_image,
    "AuraFlowPipeline": aura_flow,
    "QwenImagePipeline": qwen_image,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "PixArtSigmaPipeline": {"use_resolution_binning": False, "clean_caption": False},
    "SanaPipeline": {"use_resolution_binning": False, "max_sequence_length": 32},
    "FluxPipeline": {"max_sequence_length": 32},
    "Flux2KleinPipeline": {"max_sequence_length": 32},
    "ZImagePipeline": {"max_sequence_length": 64},
}
"""What a family must be told at this size, as a page would tell it."""


def save_family(name: str, folder: Path) -> Path:
    """Write a tiny pipeline with weights drawn from a fixed seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = FAMILIES[name]()
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def save_lora(pipeline: Any, folder: Path, layers: int = 2, rank: int = 2) -> Path:
    """Write a LoRA of diffusers' own form for the first linear layers of attention."""
    rng = torch.Generator().manual_seed(1)
    named = [
        (name, each)
        for name, each in pipeline.transformer.named_modules()
        if isinstance(each, torch.nn.Linear) and name.endswith(("to_q", "to_v"))
    ][:layers]
    weights = {}
    for name, each in named:
        down = torch.randn(rank, each.in_features, generator=rng)
        weights[f"transformer.{name}.lora_A.weight"] = down
        weights[f"transformer.{name}.lora_B.weight"] = torch.randn(
            each.out_features, rank, generator=rng
        )
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "style.safetensors")
    return folder / "style.safetensors"
