"""Failures on a card have words. A CPU raises the same errors by hand, at the real places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.autoencoders.vae import Decoder
from schooling import School, recipe, school
from transformers.models.clip.modeling_clip import CLIPMLP

from harness.errors import DeviceError, MissingPrerequisite
from harness.extractors.specs import Pixels
from harness.interfaces import StageContext
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Base
from harness.pages.stages import FeaturesSpec, LatentsSpec, SampleSpec
from harness.pages.train import Train
from harness.pipeline import installation, workspace
from harness.pipeline.stages import STAGES
from harness.pipeline.stages.failures import in_words, remedies
from harness.pipeline.stages.job import piece_function
from harness.training.objective import Objective

POCKET = Base(model="pocket/sdxl")
TORCHS_WORDS = "CUDA out of memory. Tried to allocate 20.00 MiB."


def out_of_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError(TORCHS_WORDS)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe(), tmp_path_factory.mktemp("small"))


def told_by_training(own: School, folder: Path) -> str:
    with pytest.raises(DeviceError) as error:
        own.train(folder)
    assert isinstance(error.value.__cause__, torch.OutOfMemoryError)
    return str(error.value)


def test_training_without_memory_names_part_pass_and_forecast_and_what_to_set(
    small: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.nn.GroupNorm, "forward", out_of_memory)
    words = told_by_training(small, tmp_path)
    assert "ran out of memory in the UNet, training with 1 sample a pass of batch 2" in words
    assert re.search(r"× accumulation 2 \(forecast [01]\.\d GB\)", words)
    assert "gradient_checkpointing: true" in words
    assert "attention_slicing: true" in words


def test_the_part_is_known_from_where_the_error_was_raised(
    small: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.optim.AdamW, "step", out_of_memory)
    words = told_by_training(small, tmp_path)
    assert "ran out of memory in the optimizer's step, training with 4 samples a pass" in words


def test_a_pass_that_does_not_fit_is_done_again_in_halves(
    small: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    complete = Objective.loss

    def loss(objective, content):
        if len(content.samples) > 1:
            raise torch.OutOfMemoryError(TORCHS_WORDS)
        return complete(objective, content)

    monkeypatch.setattr(Objective, "loss", loss)
    context = small.train(tmp_path)
    assert context.notes["samples_per_pass"] == 1


def test_the_deterministic_mode_does_not_change_its_passes(
    small: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    train = small.spec.train.model_copy(update={"deterministic": True})
    spec = small.spec.model_copy(update={"train": train})
    monkeypatch.setattr(Objective, "loss", out_of_memory)
    with pytest.raises(DeviceError, match="training with 4 samples a pass"):
        STAGES["train"].load()(spec, small.workplace(tmp_path))


def test_remedies_are_only_those_that_the_page_has_not_taken_yet():
    taken = {
        "gradient_checkpointing": True,
        "attention_slicing": True,
        "precision": "bf16",
        "batch": 1,
        "optimizer": {"use": "adafactor"},
    }
    train = recipe(**taken).train
    assert isinstance(train, Train)
    assert remedies(train) == (
        "set in train: a lower resolution or rank; close other programs on the GPU"
    )


def sampling() -> SampleSpec:
    sampler = Sampler(steps=2, guidance=4.0, width=64, height=64)
    prompts = (Prompt(id="p", text="a cat"),)
    return SampleSpec(base=POCKET, pins={}, prompts=prompts, seeds=(1,), sampler=sampler)


@pytest.mark.parametrize(
    ("module", "part"),
    [(BasicTransformerBlock, "the UNet"), (Decoder, "the VAE"), (CLIPMLP, "the text encoders")],
)
def test_sampling_without_memory_names_the_part_and_the_batch(
    module: type, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "forward", out_of_memory)
    with pytest.raises(DeviceError) as error:
        STAGES["sample"].load()(sampling(), StageContext(tmp_path, {}, batch=8))
    words = str(error.value)
    assert f"ran out of memory in {part}, sampling one image of 64×64 (forecast" in words
    assert "--batch" not in words


def test_a_piece_in_a_worker_has_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.nn.GroupNorm, "forward", out_of_memory)
    do_piece = piece_function("sample", sampling(), StageContext(tmp_path, {}, batch=8))
    with pytest.raises(DeviceError, match="in the UNet, sampling one image"):
        do_piece(0)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            LatentsSpec(vae=POCKET, pins={}, resolution=1024, crop="center", flip=False),
            "encoding pictures of about 1024 px to latents",
        ),
        (
            FeaturesSpec(extractor=Pixels(use="pixels")),
            "extracting pixels features of one image",
        ),
    ],
)
def test_latents_and_features_without_memory_say_what_they_were_doing(spec, words, tmp_path):
    with (
        pytest.raises(DeviceError, match=words),
        in_words(spec, StageContext(tmp_path, {}, batch=8)),
    ):
        out_of_memory()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("CUDA error: no kernel image is available for execution on the device", "has no code for"),
        ("The NVIDIA driver on your system is too old (found version 11040)", "does not serve"),
        ("CUDA driver version is insufficient for CUDA runtime version", "does not serve"),
    ],
)
def test_what_does_not_fit_together_is_told_with_versions(message: str, what: str, tmp_path: Path):
    with (
        pytest.raises(MissingPrerequisite, match=what) as error,
        in_words(sampling(), StageContext(tmp_path, {})),
    ):
        raise RuntimeError(message)
    assert f"PyTorch {torch.__version__} is built" in error.value.what
    assert error.value.hint


def test_other_errors_of_a_stage_pass_unchanged(tmp_path: Path):
    with (
        pytest.raises(RuntimeError, match="shapes"),
        in_words(sampling(), StageContext(tmp_path, {})),
    ):
        raise RuntimeError("shapes do not match")


def test_a_gpu_that_pytorch_cannot_use_is_told_with_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    if torch.cuda.is_available():
        pytest.skip("PyTorch can use the GPU of this machine")
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27 21:21:55 UTC 2021"
    (tmp_path / "version").write_text(line)
    monkeypatch.setattr(installation, "DRIVER", tmp_path / "version")
    with pytest.raises(MissingPrerequisite, match=r"the NVIDIA driver is 470\.82\.01"):
        workspace.resolve_device("cuda")
    assert workspace.resolve_device("auto") == "cpu"
    assert "an NVIDIA GPU here that PyTorch cannot use" in caplog.text


def test_a_machine_without_a_gpu_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(installation, "DRIVER", tmp_path / "none")
    with pytest.raises(MissingPrerequisite, match="there is no CUDA device here"):
        workspace.resolve_device("cuda")
