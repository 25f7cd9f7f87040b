"""Layers of oneDNN beside torch's own: the same features, whatever the batch."""

from __future__ import annotations

import open_clip
import pytest
import torch
from torch import Tensor, nn

from harness.extractors import clip, lite0, onednn
from harness.extractors.specs import AestheticModel, Classifier, Dino, Dinov2, Lite0, OpenClip
from harness.keys import described

pytestmark = pytest.mark.skipif(not onednn.serves("cpu"), reason="torch has no oneDNN here")
SMALL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 100, "width": 64, "heads": 2, "layers": 2},
}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def towers() -> tuple[nn.Module, nn.Module]:
    """Return one open_clip model twice; the second has oneDNN's layers."""
    plain, quick = open_clip.CLIP(**SMALL).eval(), open_clip.CLIP(**SMALL).eval()
    quick.load_state_dict(plain.state_dict())
    clip.quicken(quick)
    return plain, quick


@torch.inference_mode()
def test_a_tower_keeps_its_embeddings_of_pictures_and_of_texts() -> None:
    plain, quick = towers()
    pictures, texts = drawn(4, 3, 32, 32), torch.arange(64).reshape(4, 16)
    for ours, theirs in (
        (quick.encode_image(pictures), plain.encode_image(pictures)),
        (quick.encode_text(texts), plain.encode_text(texts)),
    ):
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
        assert (ours[0] - theirs[1]).abs().max() > 1e-2 * theirs.abs().max()
    kinds = {type(part) for part in quick.modules()}
    assert onednn.SelfAttention in kinds
    assert not kinds & {nn.Linear, nn.MultiheadAttention}


@torch.inference_mode()
def test_an_activation_after_a_linear_layer_is_done_with_it() -> None:
    for after in (nn.GELU(), nn.GELU("tanh"), nn.ReLU(), nn.ReLU6()):
        plain = nn.Sequential(nn.Linear(8, 40), after, nn.Linear(40, 3))
        expected = plain(drawn(5, 8))
        onednn.quicken(plain)
        assert isinstance(plain[1], nn.Identity)
        torch.testing.assert_close(plain(drawn(5, 8)), expected)


@torch.inference_mode()
def test_lite0_keeps_its_bytes_of_a_full_batch_and_gives_them_for_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pictures = drawn(16, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    monkeypatch.setattr(onednn, "serves", lambda device: False)
    plain = lite0.lean(lite0.load_network(), "cpu")
    monkeypatch.undo()
    quick = lite0.lean(lite0.load_network(), "cpu")
    expected = plain(pictures)
    assert torch.equal(quick(pictures), expected)
    for count in (1, 5, 11):
        assert torch.equal(quick(pictures[:count]), expected[:count])


@pytest.mark.parametrize("kind", [OpenClip, Classifier, AestheticModel, Dinov2, Dino])
def test_the_engine_is_in_the_key_of_real_networks_and_not_of_toys(kind: type) -> None:
    use = kind.model_fields["use"].annotation.__args__[0]
    real, toy = (
        described(kind(use=use, model=name)) for name in ("owner/real", "pocket/inception")
    )
    assert real["engine"] == "onednn"
    assert "engine" not in toy
    assert "engine" not in described(Lite0())


def test_only_a_processor_of_its_kind_is_served() -> None:
    assert not onednn.serves("cuda")
    assert not onednn.serves("mps")
