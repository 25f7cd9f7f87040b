"""Loading a base: which of its files are read, and in which numbers each part computes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from harness.diffusion.load import (
    load_pipeline,
    load_text_encoders,
    load_unet,
    load_vae,
    pipeline_in,
)
from harness.diffusion.variants import variant_of
from harness.errors import MissingPrerequisite
from harness.pages.recipe import Base
from harness.pocket import locate

POCKET = Base(model="pocket/sdxl")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def halved(folder: Path, keeps_plain: bool = False) -> Path:
    """Write the pocket's base with its weights in files named `*.fp16.*`."""
    shutil.copytree(locate("pocket/sdxl"), folder)
    for part in PARTS:
        (plain,) = (folder / part).glob("*.safetensors")
        half = {name: value.half() for name, value in load_file(plain).items()}
        save_file(half, plain.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        if not keeps_plain:
            plain.unlink()
    return folder


def test_a_folder_that_holds_only_fp16_files_is_loaded_part_by_part_and_as_a_whole(
    tmp_path: Path,
) -> None:
    base = Base(model=str(halved(tmp_path / "half")))
    unet = load_unet(base, "cpu", torch.float32)
    assert torch.equal(unet.conv_in.weight, load_unet(POCKET, "cpu", torch.float16).conv_in.weight)
    assert load_vae(base, "cpu").dtype == torch.float32
    assert load_text_encoders(base, "cpu", torch.float32).second.dtype == torch.float32
    pipeline = load_pipeline(base, None, "euler", None, "cpu", "fp32")
    assert {getattr(pipeline, part).dtype for part in PARTS} == {torch.float32}


def test_a_vae_of_its_own_that_holds_only_fp16_files_is_loaded(tmp_path: Path) -> None:
    vae = halved(tmp_path / "half") / "vae"
    assert load_vae(Base(model=str(vae), vae=str(vae)), "cpu").dtype == torch.float32


def test_a_run_in_fp16_reads_the_small_files_and_one_in_fp32_the_whole_ones(
    tmp_path: Path,
) -> None:
    folder = halved(tmp_path / "both", keeps_plain=True)
    base, unet = Base(model=str(folder)), folder / "unet"
    (unet / "diffusion_pytorch_model.safetensors").write_bytes(b"not read")
    assert load_unet(base, "cpu", torch.float16).dtype == torch.float16
    with pytest.raises(MissingPrerequisite, match=r"/unet cannot be loaded"):
        load_unet(base, "cpu", torch.float32)


PLAIN = "unet/diffusion_pytorch_model.safetensors"
FP16 = "unet/diffusion_pytorch_model.fp16.safetensors"
BF16 = "unet/diffusion_pytorch_model.bf16.safetensors"
PIECES = [f"unet/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
HALF_PIECES = [f"unet/diffusion_pytorch_model.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
OLD_PIECES = [f"unet/diffusion_pytorch_model-0000{n}-of-00002.fp16.safetensors" for n in (1, 2)]


@pytest.mark.parametrize(
    ("files", "dtype", "variant"),
    [
        ([PLAIN, FP16], torch.float16, "fp16"),
        ([PLAIN, FP16], torch.float32, None),
        # Rounded twice, a number may land beside the one that is rounded once.
        ([PLAIN, FP16], torch.bfloat16, None),
        ([PLAIN, FP16, BF16], torch.bfloat16, "bf16"),
        ([PLAIN], torch.float16, None),
        ([FP16], torch.float32, "fp16"),
        ([FP16, BF16], torch.float32, "fp16"),
        ([BF16], torch.float16, "bf16"),
        ([*PIECES, *HALF_PIECES], torch.float16, "fp16"),
        (HALF_PIECES, torch.float32, "fp16"),
        (OLD_PIECES, torch.float32, "fp16"),
        ([PLAIN, "unet/diffusion_pytorch_model.non_ema.safetensors"], torch.float16, None),
        ([PLAIN, "vae/diffusion_pytorch_model.fp16.safetensors"], torch.float16, None),
        (["unet/other.fp16.safetensors", "unet/model.fp16.bin"], torch.float32, None),
        ([], torch.float16, None),
    ],
)
def test_the_files_of_the_runs_own_numbers_come_first_then_the_plain_ones_then_any(
    files: list[str], dtype: torch.dtype, variant: str | None
) -> None:
    assert variant_of(files, "unet", dtype) == variant


def test_files_at_the_top_of_a_repository_are_those_of_a_model_without_a_subfolder() -> None:
    files = ["diffusion_pytorch_model.fp16.safetensors", "sdxl_vae.safetensors", PLAIN]
    assert variant_of(files, None, torch.float32) == "fp16"


def test_a_repository_of_the_hub_that_is_here_is_loaded_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    kept = tmp_path / "models--someone--half"
    halved(kept / "snapshots" / ("a" * 40))
    (kept / "refs").mkdir()
    (kept / "refs/main").write_text("a" * 40)
    base = Base(model="someone/half")
    assert load_unet(base, "cpu", torch.float32).dtype == torch.float32
    pipeline = load_pipeline(base, None, "euler", None, "cpu", "fp32")
    assert pipeline.vae.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_vae_decodes_in_fp32_whatever_half_precision_the_rest_computes_in(
    dtype: torch.dtype,
) -> None:
    pipeline = pipeline_in(dtype, POCKET, None, None, "cpu")
    assert pipeline.unet.dtype == pipeline.text_encoder_2.dtype == dtype
    assert pipeline.vae.dtype == torch.float32
    own = AutoencoderKL.from_pretrained(locate("pocket/sdxl"), subfolder="vae")
    assert torch.equal(pipeline.vae.decoder.conv_in.weight, own.decoder.conv_in.weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_so_does_a_vae_that_the_benchmark_or_the_recipe_names(
    dtype: torch.dtype, tmp_path: Path
) -> None:
    named = str(halved(tmp_path / "half") / "vae")
    for base, vae in ((POCKET, named), (Base(model="pocket/sdxl", vae=named), None)):
        assert pipeline_in(dtype, base, None, vae, "cpu").vae.dtype == torch.float32
