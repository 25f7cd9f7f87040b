"""Taggers: the pocket's, and an ONNX file in the form of SmilingWolf's."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harness.errors import MissingPrerequisite, ScoringError
from harness.extractors.specs import Tagger, WdTagger
from harness.extractors.tagger import plain, reader, squared, tagger, wd_tagger
from tools.bake import floors

CSV = """tag_id,name,category,count
9999999,general,9,807858
470575,1girl,0,4225150
1,long_hair,0,100
2,saber_(fate),4,50
3,^_^,0,40
"""
SIZE = 16


def write_model(folder: Path, batch: int | str) -> None:
    """Write a tagger that says of five tags: mean blue, green, red, top blue, and one half."""
    from onnx import TensorProto, helper, save

    sums = np.zeros((SIZE * SIZE * 3, 5), np.float32)
    for channel in range(3):
        sums[channel::3, channel] = 1 / (SIZE * SIZE * 255)
    sums[: SIZE * SIZE * 3 // 2 : 3, 3] = 2 / (SIZE * SIZE * 255)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"]),
            helper.make_node("Gemm", ["flat", "sums", "half"], ["output"]),
        ],
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 5])],
        [
            helper.make_tensor("sums", TensorProto.FLOAT, sums.shape, sums.ravel()),
            helper.make_tensor("half", TensorProto.FLOAT, [5], [0, 0, 0, 0, 0.5]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    (folder / "selected_tags.csv").write_text(CSV)


@pytest.mark.parametrize("batch", ["N", 1])
def test_a_wd_tagger_sees_blue_green_red_from_0_to_255(tmp_path: Path, batch: int | str) -> None:
    write_model(tmp_path, batch)
    colours = [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    pictures = [Image.new("RGB", (SIZE, SIZE), colour) for colour in colours]
    network = wd_tagger(WdTagger(use="wd-tagger", model=str(tmp_path)), "cpu")
    expected = [[0, 0, 1, 0, 0.5], [0, 128 / 255, 0, 0, 0.5], [1, 0, 0, 1, 0.5]]
    found = network.see(pictures, ["", "", ""])["images"]
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_a_wide_picture_stands_on_a_white_square() -> None:
    shown = squared(Image.new("RGB", (32, 16), (0, 0, 200)), 32)
    assert shown.shape == (32, 32, 3)
    assert shown.dtype == np.float32
    assert (shown[:8] == 255).all()
    assert (shown[24:] == 255).all()
    assert (shown[8:24] == [200, 0, 0]).all()


def test_a_picture_is_brought_to_the_networks_size() -> None:
    assert squared(Image.new("RGB", (100, 30)), 448).shape == (448, 448, 3)


def test_ratings_are_never_asked_for(tmp_path: Path) -> None:
    write_model(tmp_path, "N")
    network = wd_tagger(WdTagger(use="wd-tagger", model=str(tmp_path)), "cpu")
    assert network.read is not None
    texts = ["general, 1girl", "Long Hair, long_hair, unheard of", "a sentence about a girl"]
    assert network.read(texts)["texts"].tolist() == [
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "saber_(fate)",
        r"saber \(fate\)",
        "Saber (Fate)",
        r"(saber \(fate\):1.2)",
        r"[saber_\(fate\)]",
        " saber (fate) ",
        r"((saber \(fate\)))",
    ],
)
def test_a_tag_is_known_however_interfaces_write_it(text: str) -> None:
    read = reader(["1girl", "saber_(fate)"])
    assert read([text])["texts"].tolist() == [[0, 1]]


def test_faces_of_signs_are_tags_too() -> None:
    assert reader(["^_^", "(o)_(o)"])(["^_^, (o)_(o)"])["texts"].tolist() == [[1, 1]]
    assert plain("Long_Hair ") == "long hair"


@torch.no_grad()
def test_the_pocket_tagger_sees_what_its_floors_are_measured_with() -> None:
    rows = floors.unseen(24, 70_000)
    pictures = [each.image() for each in rows]
    network = tagger(Tagger(use="tagger", model="pocket/tagger"), "cpu")
    assert network.read is not None
    theirs = floors.Tagger()
    assert network.see(pictures, [])["images"] == pytest.approx(theirs.scores(pictures), abs=1e-6)
    asked = network.read([", ".join(each.tags) for each in rows])["texts"]
    truth = [[name in each.tags for name in theirs.names] for each in rows]
    assert (asked == np.array(truth)).all()


def test_a_classifier_of_one_label_is_no_tagger() -> None:
    with pytest.raises(ScoringError, match="one label"):
        tagger(Tagger(use="tagger", model="pocket/aesthetic"), "cpu")


def test_an_absent_tagger_comes_with_the_command_that_fetches_it() -> None:
    name = "SmilingWolf/wd-eva02-large-tagger-v3"
    with pytest.raises(MissingPrerequisite) as refusal:
        wd_tagger(WdTagger(use="wd-tagger", model=name), "cpu")
    assert f"`hf download {name} model.onnx selected_tags.csv`" in str(refusal.value)


def test_a_damaged_file_is_a_missing_prerequisite(tmp_path: Path) -> None:
    write_model(tmp_path, "N")
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(MissingPrerequisite, match=r"model\.onnx"):
        wd_tagger(WdTagger(use="wd-tagger", model=str(tmp_path)), "cpu")


def test_without_onnxruntime_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path, "N")
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("onnxruntime"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPrerequisite, match="pip install onnxruntime"):
        wd_tagger(WdTagger(use="wd-tagger", model=str(tmp_path)), "cpu")
