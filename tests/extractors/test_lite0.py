"""EfficientNet-Lite0: our network beside the original one, whose rows a script wrote down.

`python -m tools.lite0 FOLDER` writes `tests/fixtures/lite0.safetensors` with the original package.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from harness import plugins
from harness.errors import MissingPrerequisite
from harness.extractors import lite0
from harness.extractors.lite0 import cut, in_units, load_network, pooled, style
from harness.extractors.pretrained import FOLDER, digest_of
from harness.extractors.specs import LITE0, Lite0, Lite0Style
from harness.interfaces import Evidence, FeatureSet, MetricSpec, Network
from harness.keys import described
from harness.pipeline import doctor
from harness.pocket.sets import SetName
from harness.pocket.world import row
from tools.lite0 import drawings

ROOT = Path(__file__).parents[2]
EXPECTED = load_file(ROOT / "tests" / "fixtures" / "lite0.safetensors")
FACES = [row(name, number).image(256) for name in ("ninja", "faces") for number in (0, 1)]


@torch.inference_mode()
def seen(network: Network, pictures: list[Image.Image] = FACES) -> np.ndarray:
    return np.asarray(network.see(pictures, [""] * len(pictures))["images"])


def off(ours: np.ndarray, theirs: torch.Tensor) -> float:
    """Return how far rows are from what is expected, in lengths of it; the worst row counts."""
    apart = np.linalg.norm(ours - theirs.numpy(), axis=1)
    return float((apart / np.linalg.norm(theirs.numpy(), axis=1)).max())


def test_pooled_features_are_the_original_networks_within_a_thousandth() -> None:
    rows = seen(pooled(Lite0(), "cpu"))
    assert rows.shape == (4, 1280)
    assert off(rows, EXPECTED["pooled"]) < 1e-3
    assert off(rows[::-1], EXPECTED["pooled"]) > 0.1, "four pictures that look alike show nothing"


def test_early_means_and_deviations_are_the_original_networks_within_a_thousandth() -> None:
    rows = seen(style(Lite0Style(), "cpu"))
    assert rows.shape == (4, 384)
    assert off(rows, EXPECTED["style"]) < 1e-3
    assert off(rows[::-1], EXPECTED["style"]) > 0.1


@torch.inference_mode()
def test_folding_the_norms_changes_no_feature() -> None:
    shown = in_units(drawings()[:1])
    plain = load_network()(shown).numpy()
    assert off(seen(pooled(Lite0(), "cpu"), FACES[:1]), torch.from_numpy(plain)) < 1e-5


def test_it_sees_the_middle_seven_eighths_at_the_side_asked_for() -> None:
    wide = Image.new("RGB", (480, 256), "red")
    wide.paste(FACES[0], (112, 0))
    assert torch.equal(cut(wide, 224), drawings()[0])
    smaller = FACES[0].crop((16, 16, 240, 240)).resize((96, 96), Image.Resampling.BICUBIC)
    assert np.array_equal(cut(wide, 96), np.asarray(smaller))


def test_levels_become_units_as_the_original_has_them() -> None:
    assert in_units(torch.tensor([[[[127, 255, 0]]]])).flatten().tolist() == [0, 1, -127 / 128]


def told(store: Path) -> tuple[bool, str]:
    """Return what `harness doctor` says of the network's file."""
    finding = next(each for each in doctor.examine(store) if each.name == "lite0 weights")
    return finding.ok, finding.found


def test_a_changed_file_of_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FOLDER, tmp_path / "pretrained")
    monkeypatch.setattr(lite0, "FOLDER", tmp_path / "pretrained")
    file = tmp_path / "pretrained" / LITE0
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(doctor, "FOLDER", tmp_path / "pretrained")
    with pytest.raises(MissingPrerequisite, match="is not the file that was shipped"):
        load_network()
    assert told(tmp_path) == (False, "changed")
    file.unlink()
    assert told(tmp_path) == (False, "missing")
    with pytest.raises(MissingPrerequisite, match="cannot be loaded"):
        load_network()


@pytest.fixture(scope="module")
def sets() -> dict[tuple[str, str], FeatureSet]:
    """Return features of ninjas, of other ninjas and of faces, in both extractors at 64 pixels."""
    networks = {
        "lite0": pooled(Lite0(side=64), "cpu"),
        "lite0-style": style(Lite0Style(side=64), "cpu"),
    }
    return {
        (word, name): feature_set(network, kind, start)
        for word, network in networks.items()
        for name, kind, start in (("own", "ninja", 0), ("like", "ninja", 50), ("other", "faces", 0))
    }


def feature_set(network: Network, kind: SetName, start: int, count: int = 24) -> FeatureSet:
    rows = seen(network, [row(kind, start + number).image() for number in range(count)])
    ids = [f"p{number}" for number in range(count)]
    return FeatureSet(rows.astype(float), ids, ids, [1] * count)


@pytest.mark.parametrize("extractor", ["lite0", "lite0-style"])
@pytest.mark.parametrize("metric", ["kid", "fid", "precision", "style"])
def test_metrics_that_name_it_prefer_pictures_of_the_same_style(
    metric: str, extractor: str, sets: dict[tuple[str, str], FeatureSet]
) -> None:
    page = {"use": metric, "features": {"use": extractor, "side": 64}}
    spec = plugins.spec("metrics", metric).model_validate(page)
    assert isinstance(spec, MetricSpec)
    measure = plugins.implementation(spec)
    right, wrong = (
        measure(spec, Evidence(sets[extractor, own], {"reference": sets[extractor, "like"]})).value
        for own in ("own", "other")
    )
    assert (right > wrong) == spec.higher_is_better, f"right {right}, wrong {wrong}"


def test_the_signature_names_the_weights_and_a_side_that_is_not_the_default() -> None:
    plain = described(Lite0())
    assert plain == {"use": "lite0", "version": 1, "weights": digest_of(LITE0)}
    assert described(Lite0(side=96)) == {**plain, "side": 96}
    for side in (0, 100, 1024):
        with pytest.raises(ValueError):
            Lite0(side=side)


def test_both_words_are_registered_and_their_licence_lies_beside_the_weights() -> None:
    assert {"lite0", "lite0-style"} <= set(plugins.words("extractors"))
    folder = (FOLDER / LITE0).parent
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "ML Illustrated" in (folder / "README.md").read_text()
    assert (FOLDER / LITE0).stat().st_size < 8e6
