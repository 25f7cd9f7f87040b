"""CCIP as an ONNX file in the form of deepghs/ccip_onnx."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness import plugins
from harness.errors import MissingPrerequisite
from harness.extractors.ccip import DEVIATION, MEAN, SIDE, embeddings
from harness.extractors.specs import Ccip
from harness.metrics.specs.style import DinoI

VARIANT = Ccip.model_fields["variant"].default


def write_model(folder: Path) -> Path:
    """Write a network that says the mean of each channel."""
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input"], ["means"]),
            helper.make_node("Flatten", ["means"], ["output"]),
        ],
        "ccip",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])],
    )
    file = folder / VARIANT / "model_feat.onnx"
    file.parent.mkdir(parents=True)
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), file)
    return file


def spec(folder: Path) -> Ccip:
    return Ccip(use="ccip", model=str(folder))


def test_it_sees_whole_pictures_in_red_green_blue_and_clips_units(tmp_path: Path) -> None:
    write_model(tmp_path)
    wide = Image.new("RGB", (40, 20), (255, 0, 0))
    wide.paste((0, 0, 255), (20, 0, 40, 20))
    pictures = [Image.new("RGB", (30, 60), (255, 128, 0)), wide]
    rows = embeddings(spec(tmp_path), "cpu").see(pictures, ["", ""])["images"]
    levels = rows * DEVIATION + MEAN
    assert levels[0] == pytest.approx([1, 128 / 255, 0], abs=1e-3)
    assert levels[1] == pytest.approx([0.5, 0, 0.5], abs=0.01), "squashed, not cut"


def test_what_is_missing_comes_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingPrerequisite) as refusal:
        embeddings(Ccip(use="ccip"), "cpu")
    assert f"`hf download deepghs/ccip_onnx {VARIANT}/model_feat.onnx`" in str(refusal.value)
    file = write_model(tmp_path)
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *arguments)

    with monkeypatch.context() as change:
        change.setattr(builtins, "__import__", without)
        with pytest.raises(MissingPrerequisite, match=r"CCIP .* needs onnxruntime"):
            embeddings(spec(tmp_path), "cpu")
    file.write_bytes(b"not a model")
    with pytest.raises(MissingPrerequisite, match=r"CCIP .*model_feat\.onnx cannot be loaded"):
        embeddings(spec(tmp_path), "cpu")


def test_a_page_compares_characters_under_a_name_of_its_own() -> None:
    page = {"use": "dino-i", "name": "ccip-i", "features": {"use": "ccip"}}
    metric = DinoI.model_validate(page)
    assert metric.column == "ccip-i"
    assert metric.extractor() == Ccip(use="ccip")
    assert metric.extractor().repositories() == (("deepghs/ccip_onnx", None),)
    assert "saturates" in plugins.spec("extractors", "ccip").summary
