"""No weight is left at random: what a file lacks, or has too much of, is refused by its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2ForImageClassification,
    Dinov2Model,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

from harness.diffusion.load import load_pipeline, load_text_encoders, load_unet, load_vae
from harness.errors import MissingPrerequisite
from harness.extractors import classifier, clip, dino, dinov2, preference
from harness.extractors.specs import Classifier, Dino, Dinov2, OpenClip, PickScore
from harness.pages.recipe import Base, Load
from harness.pocket import locate

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
SEEN = {"image_size": 28, "patch_size": 14}
Change = Callable[[dict[str, torch.Tensor]], object]


def write(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def dinov2_folder(folder: Path) -> Path:
    return write(folder, Dinov2Model(Dinov2Config(**SMALL, **SEEN, mlp_ratio=2)))


def vit_folder(folder: Path) -> Path:
    return write(folder, ViTModel(ViTConfig(**SMALL, **SEEN), add_pooling_layer=False))


def classifier_folder(folder: Path) -> Path:
    return write(folder, ViTForImageClassification(ViTConfig(**SMALL, **SEEN, num_labels=3)))


def clip_folder(folder: Path) -> Path:
    text, vision = SMALL | {"vocab_size": 64}, SMALL | {"image_size": 28, "patch_size": 14}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    return write(folder, CLIPModel(config))


EXTRACTORS = {
    "dinov2": (
        dinov2_folder,
        lambda name: dinov2.class_token(Dinov2(use="dinov2", model=name), "cpu"),
    ),
    "dino": (
        vit_folder,
        lambda name: dino.class_token(Dino(model=name), "cpu"),
    ),
    "classifier": (
        classifier_folder,
        lambda name: classifier.pooled(Classifier(use="classifier", model=name), "cpu"),
    ),
    "preference": (
        clip_folder,
        lambda name: preference.pick_score(PickScore(model=name), "cpu"),
    ),
}


def change(folder: Path, how: Change) -> None:
    (file,) = folder.glob("*.safetensors")
    weights = load_file(file)
    how(weights)
    file.unlink()  # where it is a link, what it leads to stays
    save_file(weights, file, metadata={"format": "pt"})


def kept(folder: Path) -> set[str]:
    (file,) = folder.glob("*.safetensors")
    return set(load_file(file))


@pytest.mark.parametrize("word", EXTRACTORS)
def test_a_weight_that_a_file_lacks_is_named(word: str, tmp_path: Path) -> None:
    make, load = EXTRACTORS[word]
    folder = make(tmp_path / word)
    gone = sorted(name for name in kept(folder) if ".1." in name and name.endswith("weight"))[0]
    change(folder, lambda weights: weights.pop(gone))
    with pytest.raises(MissingPrerequisite, match=r"1 weight is missing \(.*\.1\."):
        load(str(folder))


@pytest.mark.parametrize("word", EXTRACTORS)
def test_a_weight_that_the_network_has_no_place_for_is_named(word: str, tmp_path: Path) -> None:
    make, load = EXTRACTORS[word]
    folder = make(tmp_path / word)
    like = sorted(name for name in kept(folder) if ".1." in name and name.endswith("weight"))[0]
    other = like.replace(".1.", ".2.")
    change(folder, lambda weights: weights.update({other: weights[like].clone()}))
    with pytest.raises(MissingPrerequisite, match=r"1 weight is foreign \(.*\.2\."):
        load(str(folder))


@pytest.mark.parametrize("word", EXTRACTORS)
def test_a_weight_of_another_shape_is_named(word: str, tmp_path: Path) -> None:
    make, load = EXTRACTORS[word]
    folder = make(tmp_path / word)
    name = sorted(name for name in kept(folder) if ".1." in name and name.endswith("bias"))[0]
    change(folder, lambda weights: weights.update({name: torch.zeros(3)}))
    with pytest.raises(MissingPrerequisite, match=r"1 weight is of another shape \(.*\.1\."):
        load(str(folder))


def test_a_head_and_counters_of_places_that_nothing_reads_are_no_fault(tmp_path: Path) -> None:
    config = Dinov2Config(**SMALL, **SEEN, mlp_ratio=2, num_labels=3)
    folder = write(tmp_path / "head", Dinov2ForImageClassification(config))
    dinov2.class_token(Dinov2(use="dinov2", model=str(folder)), "cpu")
    old = clip_folder(tmp_path / "old")
    ids = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
    change(old, lambda weights: weights.update(ids))
    preference.load_model(str(old))


def test_a_pocket_clip_without_its_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(locate("pocket/clip"), tmp_path / "clip")
    (tmp_path / "clip" / clip.WEIGHTS).unlink()
    monkeypatch.setattr(clip, "locate", lambda name: str(tmp_path / "clip"))
    with pytest.raises(MissingPrerequisite, match=r"there is no model\.safetensors"):
        clip.embeddings(OpenClip(model="pocket/clip"), "cpu")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The pocket's base in a folder of its own, made of links."""
    source, folder = Path(locate("pocket/sdxl")), tmp_path / "base"
    for file in (each for each in source.rglob("*") if each.is_file()):
        target = folder / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(file)
    return folder


LOADERS: dict[str, Callable[[Base], object]] = {
    "unet": lambda base: load_unet(base, "cpu", torch.float32),
    "vae": lambda base: load_vae(base, "cpu"),
    "text_encoder": lambda base: load_text_encoders(base, "cpu", torch.float32),
    "text_encoder_2": lambda base: load_text_encoders(base, "cpu", torch.float32),
}


@pytest.mark.parametrize("part", LOADERS)
def test_a_part_of_a_base_that_lacks_a_weight_is_refused_alone_and_in_a_pipeline(
    part: str, base: Path
) -> None:
    names = sorted(name for name in kept(base / part) if name.endswith("weight"))
    change(base / part, lambda weights: weights.pop(names[0]))
    says = rf"{part}.* 1 weight is missing"
    with pytest.raises(MissingPrerequisite, match=says):
        LOADERS[part](Base(model=str(base)))
    for load in (None, Load(model=str(base))):
        start = Base(model=str(base) if load is None else "pocket/sdxl")
        with pytest.raises(MissingPrerequisite, match=says):
            load_pipeline(start, load, "euler", None, "cpu", "fp32")


@pytest.mark.parametrize("part", LOADERS)
def test_a_part_of_a_base_with_a_weight_of_another_shape_is_refused(part: str, base: Path) -> None:
    name = sorted(name for name in kept(base / part) if name.endswith("bias"))[0]
    change(base / part, lambda weights: weights.update({name: torch.zeros(3)}))
    with pytest.raises(MissingPrerequisite, match=rf"{part}.* 1 weight is of another shape"):
        LOADERS[part](Base(model=str(base)))


def test_a_vae_in_the_names_of_old_files_is_read_whole(base: Path) -> None:
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if ".to_" in name]:
            new, before = next((new, was) for new, was in old.items() if f".{new}." in name)
            weights[name.replace(new, before)] = weights.pop(name)

    before = load_vae(Base(model=str(base)), "cpu")
    change(base / "vae", rename)
    after = load_vae(Base(model=str(base)), "cpu")
    assert any(".query." in name for name in kept(base / "vae"))
    for name, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]), name
