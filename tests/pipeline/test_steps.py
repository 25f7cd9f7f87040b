"""What a step reads from outside the store is what it was when the step was planned."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import pocket
from harness.data.specs import Folder, Parquet
from harness.errors import StoreError
from harness.interfaces import Page, SourceSpec
from harness.pages.benchmark import Prompt, Sampler
from harness.pages.recipe import Base, Load
from harness.pages.stages import DataSpec, LatentsSpec, SampleSpec
from harness.pipeline.steps import pins, require_as_planned, step_of
from harness.pocket import locate
from harness.pocket.world import row
from harness.records import StageName, Step


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "set").mkdir()
    for number in range(3):
        row("faces", number).image().save(tmp_path / "set" / f"{number}.png")
    (tmp_path / "set" / "0.txt").write_text("a face")
    (tmp_path / "lora.safetensors").write_bytes(b"one adapter")
    shutil.copytree(Path(locate("pocket/sdxl")) / "vae", tmp_path / "vae")
    names = pa.array([f"set/{number}.png" for number in range(3)])
    pq.write_table(pa.table({"image": names}), tmp_path / "rows.parquet")
    return tmp_path


def collecting(source: SourceSpec) -> Step:
    return step("data", DataSpec(source=source))


def step(stage: StageName, spec: Page) -> Step:
    return step_of(stage, stage, spec, {}, "ink")


def sampling(root: Path) -> Step:
    load = Load(adapter=str(root / "lora.safetensors"))
    spec = SampleSpec(
        base=Base(model="pocket/sdxl"),
        pins={},
        load=load,
        adapter_digest=load.digest(),
        prompts=(Prompt(id="p", text="a cat"),),
        seeds=(1,),
        sampler=Sampler(steps=1, guidance=1.0, width=64, height=64),
    )
    return step("sample", spec)


def encoding(root: Path) -> Step:
    vae = Base(model="pocket/sdxl", vae=str(root / "vae"))
    spec = LatentsSpec(vae=vae, pins=pins(vae), resolution=64, crop="center", flip=False)
    return step("latents", spec)


CASES: dict[str, tuple[Callable[[Path], Step], str]] = {
    "a picture of a folder": (
        lambda root: collecting(Folder(use="folder", path=str(root / "set"))),
        "set/1.png",
    ),
    "a caption of a folder": (
        lambda root: collecting(Folder(use="folder", path=str(root / "set"))),
        "set/0.txt",
    ),
    "a table": (
        lambda root: collecting(Parquet(use="parquet", files=str(root / "rows.parquet"))),
        "rows.parquet",
    ),
    "a picture that a table names": (
        lambda root: collecting(Parquet(use="parquet", files=str(root / "rows.parquet"))),
        "set/2.png",
    ),
    "an adapter": (sampling, "lora.safetensors"),
    "a folder with a model": (encoding, "vae/diffusion_pytorch_model.safetensors"),
}


def change(file: Path) -> None:
    if file.suffix == ".parquet":
        pq.write_table(pq.read_table(file).slice(1), file)
    else:
        file.write_bytes(file.read_bytes() + b"more")


@pytest.mark.parametrize("name", CASES)
def test_files_that_change_after_planning_stop_the_step(name: str, root: Path) -> None:
    plan, file = CASES[name]
    planned = plan(root)
    require_as_planned(planned)
    change(root / file)
    with pytest.raises(StoreError, match="of ink reads has changed since it was planned"):
        require_as_planned(planned)


def test_a_damaged_model_of_the_pocket_stops_the_step(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = encoding(root).spec
    assert isinstance(planned, LatentsSpec)
    spec = planned.model_copy(update={"vae": Base(model="pocket/tagger"), "pins": {}})
    weights = root / "weights"
    shutil.copytree(Path(locate("pocket/tagger")), weights / "tagger")
    shutil.copyfile(pocket.WEIGHTS / "digests.json", weights / "digests.json")
    monkeypatch.setattr(pocket, "WEIGHTS", weights)
    require_as_planned(step("latents", spec))
    file = weights / "tagger" / "model.safetensors"
    change(file)
    with pytest.raises(StoreError, match=r"model\.safetensors: is not as it was installed"):
        require_as_planned(step("latents", spec))
