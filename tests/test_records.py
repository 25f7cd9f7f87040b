"""Keys: equal work has an equal key, on every machine and after every release."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import create_model

from harness.extractors.specs import Classifier, Inception, OpenClip
from harness.interfaces import OptimizerSpec, Page
from harness.keys import described, extractor_name, make_step
from harness.metrics.specs.fidelity import Kid
from harness.pages.data import Curate, Data
from harness.pages.train import Phase
from harness.records import StepName

Shape: type[Page] = create_model("Shape", __base__=Page, rank=(int, ...))
ShapeWithNews: type[Page] = create_model(
    "Shape", __base__=Page, rank=(int, ...), rotation=(float, 0.0), inner=(Curate, Curate())
)


class Still(OptimizerSpec):
    """An optimizer that does nothing."""

    implementation: ClassVar[str] = "nowhere:still"
    use: Literal["still"] = "still"
    decay: float = 0.0


class StillWithNews(Still):
    """The same after a release that gave it an option."""

    nesterov: bool = False


class StillAgain(Still):
    """The same after a release that made it do something else."""

    version: ClassVar[int] = 2


def key(spec: Page, **changes: Any) -> str:
    parts: dict[str, Any] = {"name": "train", "stage": "train", "version": 1, **changes}
    return make_step(spec=spec, **parts).key


def test_an_unset_option_leaves_the_key_alone() -> None:
    assert key(ShapeWithNews(rank=4)) == key(Shape(rank=4))


def test_an_unset_option_of_a_plugin_leaves_the_key_alone() -> None:
    assert key(StillWithNews()) == key(Still())


def test_an_option_that_is_written_out_at_its_default_leaves_the_key_alone() -> None:
    assert key(ShapeWithNews(rank=4, rotation=0.0)) == key(Shape(rank=4))
    assert key(Still(decay=0.0)) == key(Still())


def test_a_changed_option_changes_the_key() -> None:
    options = [
        {"rank": 4},
        {"rank": 5},
        {"rank": 4, "rotation": 0.5},
        {"rank": 4, "inner": Curate(limit=3)},
    ]
    assert len({key(ShapeWithNews(**option)) for option in options}) == 4


def test_a_changed_option_deep_inside_changes_the_key() -> None:
    def data(count: int) -> Data:
        page = {"source": {"use": "pocket", "set": "ninja", "count": count}}
        return Data.model_validate(page)

    assert key(data(10)) != key(data(11))


def test_another_version_of_a_plugin_changes_the_key() -> None:
    assert key(StillAgain()) != key(Still())


def test_another_stage_version_or_input_changes_the_key() -> None:
    spec = Shape(rank=4)
    keys = {
        key(spec),
        key(spec, version=2),
        key(spec, stage="latents"),
        key(spec, inputs={"data": "a"}),
        key(spec, inputs={"data": "b"}),
        key(spec, inputs={"base": "a"}),
    }
    assert len(keys) == 6


def test_the_name_and_the_subject_are_not_part_of_the_key() -> None:
    spec = Shape(rank=4)
    assert key(spec, name="train/ink", subject="ink") == key(spec, name="train/oil", subject="oil")


def test_the_order_of_inputs_leaves_the_key_alone() -> None:
    spec = Shape(rank=4)
    one, two = {"data": "a", "base": "b"}, {"base": "b", "data": "a"}
    assert key(spec, inputs=one) == key(spec, inputs=two)


def test_a_spec_is_described_by_what_its_page_says_and_its_version() -> None:
    assert described(Phase(steps=4, rate=0.1)) == {"steps": 4, "rate": 0.1}
    assert described(Still(decay=0.5)) == {"use": "still", "decay": 0.5, "version": 1}


def test_a_plugin_inside_a_plugin_is_described_without_its_defaults() -> None:
    kid = Kid(use="kid", features=Classifier(use="classifier", model="some/model"))
    inner = {"use": "classifier", "model": "some/model", "version": 1, "engine": "onednn"}
    assert described(kid) == {"use": "kid", "features": inner, "version": 1}


def test_extractors_with_other_options_have_other_names() -> None:
    one, two = OpenClip(model="ViT-B-32"), OpenClip(model="ViT-L-14")
    assert extractor_name(one).startswith("open-clip-")
    assert extractor_name(one) != extractor_name(two)
    assert extractor_name(one) == extractor_name(OpenClip(model="ViT-B-32", use="open-clip"))


PROGRAM = """
from harness.pages.data import Caption, Data
from harness.keys import make_step
page = {"source": {"use": "pocket", "set": "ninja", "count": 10},
        "caption": {"rating_tags": {"explicit": "nsfw", "general": "safe", "other": "x"}}}
print(make_step("data", "data", 1, Data.model_validate(page), {"b": "1", "a": "2"}).key)
"""


@pytest.mark.parametrize("spelling", ["0", "1", "4242"])
def test_a_key_is_the_same_in_every_process(spelling: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": spelling}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    here: dict[str, Any] = {}
    exec(PROGRAM.replace("print(", "here = ("), here)
    assert done.stdout.strip() == here["here"]
    assert len(here["here"]) == 64


class Endless(Page):
    """A page that lets infinity in."""

    size: float


def test_a_page_that_cannot_be_written_as_json_has_no_key() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        key(Endless(size=float("inf")))


def test_an_extractor_is_known_by_the_content_of_its_weights(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "here" / "a.pth", tmp_path / "there" / "a.pth"
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    file.write_bytes(b"one")
    elsewhere.write_bytes(b"one")
    first = described(Inception(use="inception", weights=str(file)))
    assert described(Inception(use="inception", weights=str(elsewhere))) == first
    elsewhere.write_bytes(b"another")
    assert described(Inception(use="inception", weights=str(elsewhere))) != first


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("train", StepName("train")),
        ("texts-2", StepName("texts", "2")),
        ("latents-class", StepName("latents", "class")),
        ("bare-base", StepName("bare-base")),
        ("features/clip-1a2b", StepName.of_features("sample", "clip-1a2b")),
        ("bare-base/clip-1a2b", StepName.of_features("bare-base", "clip-1a2b")),
        ("seed3/data-2", StepName("data", "2").of_training(3)),
        ("seed0/base/clip-1a2b", StepName.of_features("base", "clip-1a2b").of_training(0)),
    ],
)
def test_a_steps_name_is_written_and_read_in_one_way(text: str, name: StepName) -> None:
    assert str(name) == text
    assert StepName.parse(text) == name
