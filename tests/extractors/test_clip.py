"""open_clip models from names, files and folders, in the formats that real ones come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SigLipTokenizer
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from harness.errors import MissingPrerequisite, ScoringError
from harness.extractors.clip import embeddings, is_cut, look_of
from harness.extractors.specs import OpenClip
from harness.interfaces import Network, Rows

VISION = {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CLIP: dict[str, Any] = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
WORDS = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz0123456789", ","]
SIGLIP: dict[str, Any] = {
    "embed_dim": 64,
    "init_logit_bias": -10,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": len(WORDS),
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 64,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 64, 3), dtype=np.uint8))
    for seed in range(3)
]
TOKENIZER = open_clip.SimpleTokenizer()
TAGS = ", ".join(f"tag {number}" for number in range(60))


def words() -> PreTrainedTokenizerFast:
    """Return a tokenizer of one token a word that ends every text with </s>, as T5's does."""
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="</s>",
        cls_token="</s>",
    )


def folder_of(model: Any, config: dict[str, Any], look: dict[str, Any], place: Path) -> Path:
    """Write a model as open_clip.push_to_hf_hub does."""
    place.mkdir()
    save_file(model.state_dict(), place / "open_clip_model.safetensors")
    document = {"model_cfg": config, "preprocess_cfg": look}
    (place / "open_clip_config.json").write_text(json.dumps(document))
    return place


@pytest.fixture(scope="module")
def clip() -> open_clip.CLIP:
    torch.manual_seed(0)
    return open_clip.CLIP(**CLIP).eval()


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[open_clip.CustomTextCLIP, Path]:
    torch.manual_seed(1)
    model = open_clip.CustomTextCLIP(**SIGLIP).eval()
    look = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    config = SIGLIP | {"custom_text": True}
    folder = folder_of(model, config, look, tmp_path_factory.mktemp("hub") / "siglip")
    words().save_pretrained(folder)
    return model, folder


@torch.no_grad()
def looked(network: Network, texts: list[str]) -> Rows:
    assert network.read is not None
    return {**network.see(PICTURES, texts), **network.read(texts)}


@torch.no_grad()
def test_a_folder_is_the_model_whose_weights_lie_in_it(
    clip: open_clip.CLIP, tmp_path: Path
) -> None:
    folder = folder_of(clip, CLIP, {}, tmp_path / "model")
    look = open_clip.image_transform(32, is_train=False)
    expected = clip.encode_image(torch.stack([look(each) for each in PICTURES]), normalize=True)
    for name in (str(folder), f"local-dir:{folder}"):
        found = looked(embeddings(OpenClip(model=name), "cpu"), ["a cat"])
        assert found["images"] == pytest.approx(expected.numpy(), abs=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_a_bare_file_of_weights_is_loaded_under_its_models_name(
    clip: open_clip.CLIP, tmp_path: Path, name: str
) -> None:
    (tmp_path / "tiny-bare.json").write_text(json.dumps(CLIP))
    open_clip.add_model_config(tmp_path / "tiny-bare.json")
    if name.endswith(".pt"):
        torch.save({"state_dict": clip.state_dict(), "epoch": 3}, tmp_path / name)
    else:
        save_file(clip.state_dict(), tmp_path / name)
    network = embeddings(OpenClip(model="tiny-bare", pretrained=str(tmp_path / name)), "cpu")
    read = clip.encode_text(open_clip.tokenize(["a cat"]), normalize=True)
    assert looked(network, ["a cat"])["texts"] == pytest.approx(read.numpy(), abs=1e-6)


def test_a_file_that_would_run_code_is_not_loaded(tmp_path: Path) -> None:
    torch.save({"state_dict": CodeInside()}, tmp_path / "evil.pt")
    with pytest.raises(MissingPrerequisite, match="Weights only load failed"):
        embeddings(OpenClip(model="ViT-S-32", pretrained=str(tmp_path / "evil.pt")), "cpu")


class CodeInside:
    """What a pickle may hold and weights may not."""


@torch.no_grad()
def test_a_siglip_model_is_shown_squashed_pictures_and_reads_with_its_own_tokenizer(
    siglip: tuple[open_clip.CustomTextCLIP, Path],
) -> None:
    model, folder = siglip
    look = open_clip.image_transform(
        32, is_train=False, mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="squash"
    )
    found = looked(embeddings(OpenClip(model=str(folder)), "cpu"), ["A, b!", "a b"])
    seen = model.encode_image(torch.stack([look(each) for each in PICTURES]), normalize=True)
    assert found["images"] == pytest.approx(seen.numpy(), abs=1e-6)
    tokens = torch.tensor([[3, 4, 1] + [0] * 13])
    read = model.encode_text(tokens, normalize=True).numpy()
    assert found["texts"] == pytest.approx(np.concatenate([read, read]), abs=1e-6)


def test_a_siglip_prompt_is_cut_after_its_own_number_of_tokens(
    siglip: tuple[open_clip.CustomTextCLIP, Path],
) -> None:
    network = embeddings(OpenClip(model=str(siglip[1])), "cpu")
    texts = ["a " * 15, "a " * 16, "a, " * 15]
    assert looked(network, texts)["cut"].tolist() == [[0], [1], [0]]


@pytest.mark.parametrize("spare", [74, 75, 76])
def test_a_clip_prompt_has_75_tokens_between_its_marks(spare: int) -> None:
    text = "cat " * spare
    assert len(TOKENIZER.encode(text)) == spare
    assert is_cut(TOKENIZER, text) == (spare > 75)


def test_sixty_tags_are_cut() -> None:
    assert is_cut(TOKENIZER, TAGS)


@given(text=st.text(st.sampled_from("ab ,.?_<é&;"), max_size=60), room=st.integers(3, 20))
@settings(max_examples=150, deadline=None)
def test_a_text_is_cut_where_a_longer_context_would_hold_more_of_it(text: str, room: int) -> None:
    wide = TOKENIZER([text], context_length=400)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TOKENIZER, "context_length", room)
        assert is_cut(TOKENIZER, text) == (int((wide != 0).sum()) > room)


@pytest.mark.parametrize("mode", ["", "clips"])
def test_a_transformers_tokenizer_cuts_where_it_says(tmp_path: Path, mode: str) -> None:
    words().save_pretrained(tmp_path)
    tokenizer = HFTokenizer(str(tmp_path), context_length=8, tokenizer_mode=mode)
    most = 5 if mode == "clips" else 7
    assert not is_cut(tokenizer, "a " * most)
    assert is_cut(tokenizer, "a " * (most + 1))
    held = (tokenizer(["b " * (most + 1)])[0] == WORDS.index("b")).sum()
    assert held == most


def test_a_siglip_tokenizer_counts_after_it_has_cleaned() -> None:
    tokenizer = object.__new__(SigLipTokenizer)
    tokenizer.tokenizer, tokenizer.context_length = words(), 8
    assert not is_cut(tokenizer, "A, ! b. c d e f g")
    assert is_cut(tokenizer, "a b c d e f g h")


def test_openais_weights_are_refused_under_a_name_without_quickgelu() -> None:
    with pytest.raises(ValidationError, match="model: ViT-L-14-quickgelu"):
        OpenClip(model="ViT-L-14", pretrained="openai")


def test_a_bare_file_is_shown_pictures_as_every_known_weight_of_its_model_is() -> None:
    siglip = look_of("ViT-B-16-SigLIP", "/models/siglip.safetensors")
    assert siglip["mean"] == siglip["std"] == (0.5, 0.5, 0.5)
    assert siglip["resize_mode"] == "squash"
    assert look_of("ViT-B-16-SigLIP", "webli") == {}, "open_clip knows of the tag itself"


@pytest.mark.parametrize(
    ("model", "pretrained", "right"),
    [
        ("ViT-H-14", "dfn5b", "ViT-H-14-quickgelu"),
        ("ViT-B-32", "/models/vit_b_32-OpenAI.safetensors", "ViT-B-32-quickgelu"),
    ],
)
def test_weights_of_the_other_activation_are_refused_with_the_right_name(
    model: str, pretrained: str, right: str
) -> None:
    with pytest.raises(ScoringError, match=f"model: {right}"):
        embeddings(OpenClip(model=model, pretrained=pretrained), "cpu")


def test_a_model_without_weights_is_not_left_at_random() -> None:
    with pytest.raises(MissingPrerequisite, match=r"ViT-B-32 has no weights.*laion2b"):
        embeddings(OpenClip(model="ViT-B-32"), "cpu")


def test_a_folder_without_weights_is_not_left_at_random(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP}))
    with pytest.raises(MissingPrerequisite, match="correct the path"):
        embeddings(OpenClip(model=str(tmp_path)), "cpu")


@pytest.mark.parametrize(
    ("spec", "command"),
    [
        (OpenClip(model="ViT-S-32", pretrained="/no/w.pt"), "correct the path /no/w.pt"),
        (OpenClip(model="hf-hub:timm/ViT-B-16-SigLIP"), "hf download timm/ViT-B-16-SigLIP"),
        (
            OpenClip(model="ViT-H-14", pretrained="w/HPS_v2.1_compressed.pt"),
            "curl --create-dirs -L -o 'w/HPS_v2.1_compressed.pt' 'https://huggingface.co/xswu/HPSv2",
        ),
    ],
)
def test_what_is_not_there_comes_with_the_command_that_fetches_it(
    spec: OpenClip, command: str
) -> None:
    with pytest.raises(MissingPrerequisite) as refusal:
        embeddings(spec, "cpu")
    assert command in str(refusal.value)


def test_a_local_folder_is_pinned_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    first = OpenClip(model=f"local-dir:{tmp_path}").fingerprint()
    (tmp_path / "open_clip_config.json").write_text("{ }")
    assert first["weights"] != OpenClip(model=f"local-dir:{tmp_path}").fingerprint()["weights"]
