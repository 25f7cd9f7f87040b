"""Heads on embeddings, against the modules that their files were written from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.errors import MissingPrerequisite, ScoringError
from harness.extractors.clip import embeddings
from harness.extractors.heads import head, load_head
from harness.extractors.specs import Head, OpenClip

ENCODER = OpenClip(model="pocket/clip")
WIDTH = 64
PICTURES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for seed in range(3)
]


def laion(width: int) -> nn.Sequential:
    """Return the shape of LAION's v2 with linear activations; sizes are smaller."""
    return nn.Sequential(
        nn.Linear(width, 24),
        nn.Dropout(0.2),
        nn.Linear(24, 12),
        nn.Dropout(0.2),
        nn.Linear(12, 8),
        nn.Dropout(0.1),
        nn.Linear(8, 4),
        nn.Linear(4, 1),
    )


def laion_relu(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, 12),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(12, 4),
        nn.ReLU(),
        nn.Linear(4, 1),
    )


def waifu(width: int) -> nn.Sequential:
    """Return the shape of the waifu scorer: ReLU, then a batch norm, then dropout."""
    layers = nn.Sequential(
        nn.Linear(width, 16),
        nn.ReLU(),
        nn.BatchNorm1d(16),
        nn.Dropout(0.3),
        nn.Linear(16, 8),
        nn.ReLU(),
        nn.BatchNorm1d(8),
        nn.Dropout(0.3),
        nn.Linear(8, 4),
        nn.ReLU(),
        nn.Linear(4, 1),
    )
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return layers


def weights_of(layers: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in layers.state_dict().items()}


@torch.no_grad()
@pytest.mark.parametrize(
    ("build", "prefix", "activation"),
    [
        (laion, "layers.", "none"),
        (laion_relu, "layers.", "relu"),
        (waifu, "layers.", "relu"),
        (laion, "scoring_head.", "none"),
        (lambda width: nn.Linear(width, 1), "", "none"),
    ],
    ids=["laion-v2", "laion-relu", "waifu-v3", "siglip-v2.5", "laion-v1"],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_head_is_the_module_its_file_was_written_from(
    build: object, prefix: str, activation: str, suffix: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module: nn.Module = build(WIDTH).eval()  # type: ignore[operator]
    file = tmp_path / f"head{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save(weights_of(module, prefix), str(file))
    spec = Head(use="head", encoder=ENCODER, head=str(file), activation=activation)
    seen = torch.tensor(embeddings(ENCODER, "cpu").see(PICTURES, [])["images"])
    assert np.linalg.norm(seen, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    found = head(spec, "cpu").see(PICTURES, [])["images"]
    assert found.shape == (3, 1)
    assert found == pytest.approx(module(seen).numpy(), abs=1e-6)


def test_a_head_in_bfloat16_is_computed_in_fp32(tmp_path: Path) -> None:
    file = tmp_path / "head.pth"
    torch.save(weights_of(laion(WIDTH).bfloat16(), "scoring_head."), file)
    layers = load_head(Head(use="head", encoder=ENCODER, head=str(file)))
    assert {each.dtype for each in layers.parameters()} == {torch.float32}


@torch.no_grad()
def test_a_head_on_another_encoder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "head.pth"
    torch.save(weights_of(laion(768), "layers."), file)
    network = head(Head(use="head", encoder=ENCODER, head=str(file)), "cpu")
    with pytest.raises(ScoringError, match=r"reads 768 numbers, pocket/clip gives 64"):
        network.see(PICTURES, [])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"fc1.weight": torch.zeros(2, 2)}, "no numbered layer"),
        ({"0.weight": torch.zeros(2), "0.bias": torch.zeros(2)}, "neither linear nor"),
    ],
)
def test_a_file_of_other_layers_is_refused(
    weights: dict[str, Tensor], said: str, tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "head.pth")
    with pytest.raises(MissingPrerequisite, match=said):
        load_head(Head(use="head", encoder=ENCODER, head=str(tmp_path / "head.pth")))


def test_a_pickled_module_is_not_loaded(tmp_path: Path) -> None:
    torch.save(laion(WIDTH), tmp_path / "head.pth")
    with pytest.raises(MissingPrerequisite, match="Weights only load failed"):
        load_head(Head(use="head", encoder=ENCODER, head=str(tmp_path / "head.pth")))


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("heads/sac+logos+ava1-l14-linearMSE.pth", "/raw/main/sac%2Blogos%2Bava1-l14-linearMSE"),
        ("/no/aesthetic_predictor_v2_5.pth", "curl --create-dirs -L -o '/no/aesthetic_predictor"),
        ("/no/mine.safetensors", "correct the path /no/mine.safetensors"),
        ("Eugeoter/waifu-scorer-v3", "hf download Eugeoter/waifu-scorer-v3 model.safetensors"),
    ],
)
def test_an_absent_head_comes_with_the_command_that_fetches_it(file: str, command: str) -> None:
    with pytest.raises(MissingPrerequisite) as refusal:
        load_head(Head(use="head", encoder=ENCODER, head=file))
    assert command in str(refusal.value)


def test_a_head_is_pinned_by_its_content_and_its_encoders(tmp_path: Path) -> None:
    file = tmp_path / "head.pth"
    spec = Head(use="head", encoder=ENCODER, head=str(file))
    file.write_bytes(b"one")
    first = spec.fingerprint()
    file.write_bytes(b"two")
    assert first["head_content"] != spec.fingerprint()["head_content"]
