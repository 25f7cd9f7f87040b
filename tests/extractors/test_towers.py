"""DINO, CSD and LPIPS, on weights of a small or random network in the real files' form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from open_clip.transformer import QuickGELU, VisionTransformer
from PIL import Image
from safetensors.torch import save_file
from torchmetrics.functional.image.lpips import _LPIPS
from transformers import ViTConfig, ViTModel

from harness.errors import MissingPrerequisite
from harness.extractors.csd import style
from harness.extractors.dino import class_token
from harness.extractors.lpips import activations, network, weighted
from harness.extractors.specs import Csd, Dino, Lpips
from harness.interfaces import Network
from harness.pocket.world import row

FACES = [row("ninja", number).image(96) for number in range(4)]
SIDE = 96


@torch.inference_mode()
def seen(network: Network, pictures: list[Image.Image] = FACES) -> np.ndarray:
    return np.asarray(network.see(pictures, [""] * len(pictures))["images"])


@pytest.fixture
def vit(tmp_path: Path) -> str:
    """Return the folder of a ViT of DINO's form with few channels."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=224,
        patch_size=56,
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "vit")
    return str(tmp_path / "vit")


def test_dino_sees_the_middle_224_of_256_pixels(vit: str) -> None:
    wide = Image.new("RGB", (512, 256))
    wide.paste(FACES[0].resize((224, 224)), (144, 16))
    other = Image.new("RGB", (512, 256), "red")
    other.paste(FACES[0].resize((224, 224)), (144, 16))
    rows = seen(class_token(Dino(model=vit), "cpu"), [wide, other, FACES[1]])
    assert rows.shape == (3, 16)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5, atol=1e-6)
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


@torch.inference_mode()
def test_dino_gives_the_class_token_of_the_normalised_picture(vit: str) -> None:
    picture = FACES[0].resize((256, 256))
    pixels = torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[:, 16:240, 16:240]
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    shown = (pixels / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    expected = ViTModel.from_pretrained(vit, add_pooling_layer=False)(shown[None])
    rows = seen(class_token(Dino(model=vit), "cpu"), [picture])
    np.testing.assert_allclose(rows, expected.last_hidden_state[:, 0], rtol=1e-4, atol=1e-5)


def small_tower() -> VisionTransformer:
    torch.manual_seed(1)
    tower = VisionTransformer(
        image_size=32,
        patch_size=8,
        width=64,
        layers=2,
        heads=1,
        mlp_ratio=4.0,
        output_dim=12,
        act_layer=QuickGELU,
    )
    return tower.eval()


def write_csd(file: Path, tower: VisionTransformer) -> str:
    """Write a tower as CSD's file has it: no projection of its own, two heads beside it."""
    weights = {f"backbone.{key}": value for key, value in tower.state_dict().items()}
    projection = weights.pop("backbone.proj")
    heads = {"last_layer_style": projection, "last_layer_content": torch.zeros_like(projection)}
    save_file({**weights, **heads}, file)
    return str(file)


@torch.inference_mode()
def test_csd_is_the_tower_with_the_style_projection_at_unit_length(tmp_path: Path) -> None:
    tower = small_tower()
    network = style(Csd(weights=write_csd(tmp_path / "csd.safetensors", tower)), "cpu")
    grey = Image.new("RGB", (40, 40), (90, 120, 200))
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    colour = (torch.tensor((90, 120, 200)) / 255 - torch.tensor(mean)) / torch.tensor(std)
    expected = tower(colour[None, :, None, None].expand(1, 3, 32, 32).contiguous())
    rows = seen(network, [grey, *FACES])
    assert rows.shape == (5, 12)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(rows[:1], expected / expected.norm(), rtol=1e-3, atol=1e-4)


@pytest.fixture
def alexnet(tmp_path: Path) -> str:
    """Return a file with AlexNet's weights as torchvision names them, at random."""
    torch.manual_seed(2)
    weights = torchvision.models.alexnet(weights=None).features.state_dict()
    save_file(
        {f"features.{key}": value for key, value in weights.items()}, tmp_path / "a.safetensors"
    )
    return str(tmp_path / "a.safetensors")


def lpips_of_pairs(file: str, pictures: list[Image.Image]) -> np.ndarray:
    """Return torchmetrics' LPIPS of the first picture and each other, on the same weights."""
    theirs = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    layers, _, _ = network(file)
    own = layers.state_dict()
    for part in theirs.net.children():
        if isinstance(part, torch.nn.Sequential):
            part.load_state_dict({key: own[key] for key in part.state_dict()})
    pixels = torch.from_numpy(np.stack([np.asarray(each, np.float32) for each in pictures]))
    shown = pixels.permute(0, 3, 1, 2) / 127.5 - 1
    return np.array([float(theirs(shown[:1], shown[at : at + 1])) for at in range(1, len(shown))])


@torch.inference_mode()
def test_unsketched_rows_lie_apart_by_exactly_lpips(alexnet: str) -> None:
    layers, weights, scale = network(alexnet)
    pixels = torch.from_numpy(np.stack([np.asarray(face, np.float32) for face in FACES]))
    rows = weighted(scale(pixels.permute(0, 3, 1, 2) / 127.5 - 1), layers, weights)
    ours = (rows[1:] - rows[:1]).square().sum(1).numpy()
    np.testing.assert_allclose(ours, lpips_of_pairs(alexnet, FACES), rtol=1e-4)


@torch.inference_mode()
def test_sketched_rows_lie_apart_by_lpips_within_a_few_percent(alexnet: str) -> None:
    rows = seen(activations(Lpips(weights=alexnet, side=SIDE), "cpu"))
    assert rows.shape == (4, 2048)
    ours = np.square(rows[1:] - rows[:1]).sum(1)
    np.testing.assert_allclose(ours, lpips_of_pairs(alexnet, FACES), rtol=0.12)


@pytest.mark.parametrize(
    ("build", "spec", "says"),
    [
        (class_token, Dino(), "hf download facebook/dino-vits16"),
        (style, Csd(), "hf download yuxi-liu-wired/CSD model.safetensors"),
        (style, Csd(weights="./none.safetensors"), "correct the path"),
        (activations, Lpips(weights="./none.safetensors"), "correct the path"),
    ],
)
def test_absent_weights_say_how_to_get_them(build, spec, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MissingPrerequisite) as caught:
        build(spec, "cpu")
    assert says in str(caught.value) + str(caught.value.hint)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"features.0.weight": torch.zeros(2, 2)}, file)
    for build, spec in ((style, Csd(weights=str(file))), (activations, Lpips(weights=str(file)))):
        with pytest.raises(MissingPrerequisite):
            build(spec, "cpu")  # type: ignore[operator]
