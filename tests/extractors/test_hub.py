"""Models of the hub: which commit is read, and how a page fixes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hub import KeptHub
from transformers import ViTConfig, ViTModel

from harness.extractors import dino
from harness.extractors.commits import commits_of
from harness.extractors.hub import commit_of, is_repository
from harness.extractors.specs import (
    Csd,
    Dino,
    Dinov2,
    Head,
    Lite0,
    OpenClip,
    PickScore,
    Pixels,
    WdTagger,
)
from harness.interfaces import ExtractorSpec
from harness.keys import described
from harness.pocket.world import row

OLD, NEW = "a" * 40, "b" * 40
FACES = [row("ninja", number).image() for number in range(2)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptHub:
    """A ViT at two commits, of which the branch `main` means the newer."""
    hub = KeptHub(tmp_path / "hub", monkeypatch)
    for commit, seed, ref in ((OLD, 0, "first"), (NEW, 1, "main")):
        torch.manual_seed(seed)
        config = ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=224,
            patch_size=56,
        )
        ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / commit)
        hub.keep("someone/vit", tmp_path / commit, commit, ref)
    return hub


def seen(spec: Dino) -> np.ndarray:
    return np.asarray(dino.class_token(spec, "cpu").see(FACES, ["", ""])["images"])


@torch.inference_mode()
def test_the_weights_of_the_named_revision_are_read(hub: KeptHub, tmp_path: Path) -> None:
    old, new = (seen(Dino(model=str(tmp_path / commit))) for commit in (OLD, NEW))
    assert np.abs(old - new).max() > 1e-3
    for revision, expected in ((None, new), ("first", old), (OLD, old), ("main", new)):
        spec = Dino(model="someone/vit", revision=revision)
        np.testing.assert_array_equal(seen(spec), expected)
        commit = OLD if expected is old else NEW
        assert commits_of(spec) == {"someone/vit": commit}


def test_what_is_not_kept_here_has_no_commit_until_a_page_names_one(hub: KeptHub) -> None:
    assert commit_of("someone/else") is None
    assert commit_of("someone/vit", "another") is None
    assert commit_of("someone/else", OLD) == OLD
    assert commits_of(Dino(model="someone/else")) == {}


def test_a_revision_reads_no_file_outside_of_the_cache(hub: KeptHub, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the key of a door")
    path = "../../../secret"
    assert (tmp_path / "hub" / "models--someone--vit" / "refs" / path).is_file()
    assert commit_of("someone/vit", path) is None
    assert commit_of("someone/vit", str(tmp_path / "secret")) is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("facebook/dino-vits16", True),
        ("pocket/clip", False),
        ("models/head.safetensors", False),
        ("./models", False),
        ("/models/vit", False),
        ("ViT-L-14", False),
        ("a/b/c", False),
    ],
)
def test_a_repository_is_told_from_a_path_by_its_name(name: str, is_one: bool) -> None:
    assert is_repository(name) == is_one


def test_a_folder_of_that_name_is_no_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_repository("someone/vit")
    (tmp_path / "someone" / "vit").mkdir(parents=True)
    assert not is_repository("someone/vit")


PINNED = "0" * 40
LAION = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (Dinov2(use="dinov2"), [("facebook/dinov2-large", None)]),
        (Dinov2(use="dinov2", revision=PINNED), [("facebook/dinov2-large", PINNED)]),
        (WdTagger(use="wd-tagger", model="pocket/tagger"), []),
        (Csd(), [("yuxi-liu-wired/CSD", None)]),
        (PickScore(), [("yuvalkirstain/PickScore_v1", None), (LAION, None)]),
        (OpenClip(model="hf-hub:laion/x", revision=PINNED), [("laion/x", PINNED)]),
        (OpenClip(model="ViT-B-32-quickgelu", pretrained="openai"), []),
        (
            Head(use="head", head="some/head", encoder=OpenClip(model="hf-hub:laion/x")),
            [("some/head", None), ("laion/x", None)],
        ),
        (Pixels(), []),
        (Lite0(), []),
    ],
)
def test_a_spec_names_every_repository_that_it_reads(
    spec: ExtractorSpec, named: list[tuple[str, str | None]]
) -> None:
    assert list(spec.repositories()) == named


def test_the_commit_of_a_tag_of_open_clips_is_that_of_the_repository_behind_it(
    hub: KeptHub, tmp_path: Path
) -> None:
    (tmp_path / "clip").mkdir()
    hub.keep("timm/vit_base_patch32_clip_224.openai", tmp_path / "clip", OLD)
    spec = OpenClip(model="ViT-B-32-quickgelu", pretrained="openai")
    assert commits_of(spec) == {"timm/vit_base_patch32_clip_224.openai": OLD}


def test_a_revision_moves_the_key_and_its_absence_moves_none() -> None:
    plain = described(Dino(model="someone/vit"))
    assert plain == {"use": "dino", "model": "someone/vit", "version": 1, "engine": "onednn"}
    assert described(Dino(model="someone/vit", revision=OLD)) == {**plain, "revision": OLD}


def test_open_clip_asks_for_a_revision_of_a_repository_alone() -> None:
    with pytest.raises(ValueError, match="hf-hub:owner/name"):
        OpenClip(model="ViT-B-32", pretrained="laion2b_s34b_b79k", revision=OLD)
