"""Results name the commits of their judges: two uploads under one name never share a signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hub import KeptHub
from running import Command

from harness.diffusion.load import load_vae
from harness.errors import MissingPrerequisite
from harness.keys import described
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Base, Load
from harness.pages.stages import LatentsSpec, SampleSpec
from harness.pipeline.weights import commits_in
from harness.pocket import locate
from harness.pocket.world import row

OLD, NEW = "a" * 40, "b" * 40
BENCHMARK = """\
schema_version: 1
name: judged
summary: A judge of the hub.
suites: [tiny]
seeds: [1]
sampler: {scheduler: euler, steps: 2, guidance: 1.0, width: 64, height: 64}
reference: {source: {use: pocket, set: ninja, first: 100000, count: 8}, resolution: 64}
metrics:
  - use: kid
    features: {use: classifier, model: someone/judge}
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeptHub:
    return KeptHub(tmp_path / "hub", monkeypatch)


@pytest.mark.slow
def test_a_result_names_the_commit_of_its_judge_and_so_does_its_signature(
    hub: KeptHub, command: Command, tmp_path: Path
) -> None:
    page, images = tmp_path / "judged.yaml", tmp_path / "images"
    page.write_text(BENCHMARK)
    images.mkdir()
    (images / "prompts.csv").write_text(
        "file,prompt\n" + "".join(f"{number}.png,a face\n" for number in range(6))
    )
    for number in range(6):
        row("faces", number).image().save(images / f"{number}.png")

    def score(store: str) -> Any:
        place = ("--store", tmp_path / store, "--reports", tmp_path / store / "reports")
        asked = ("--prompts", images / "prompts.csv", "--benchmark", page, "--name", "mine")
        ran = command("score", "--images", images, *asked, *place, "--json")
        assert ran.code == 0, ran.err
        return json.loads(Path(ran.json["results"][0]["path"]).read_text())

    hub.keep("someone/judge", Path(locate("pocket/inception")), OLD)
    one = score("one")
    hub.keep("someone/judge", Path(locate("pocket/tagger")), NEW)
    other = score("other")
    assert one["protocol"]["weights"] == {"someone/judge": [OLD]}
    assert other["protocol"]["weights"] == {"someone/judge": [NEW]}
    assert one["signature"] != other["signature"]
    assert one["keys"] == other["keys"], "a key asks no network"
    judged = [name for name in one["keys"] if "classifier" in name]
    assert len(judged) == 2, one["keys"]
    weights = one["provenance"]["weights"]
    assert weights == {name: {"someone/judge": OLD} for name in judged}


def sample(**changes: Any) -> SampleSpec:
    sampler = Sampler(steps=2, guidance=1.0, width=64, height=64, **changes.pop("sampler", {}))
    asked = {"base": Base(model="some/base"), "pins": {}, "prompts": (), "seeds": ()}
    return SampleSpec(**{**asked, **changes}, sampler=sampler)


def test_a_step_names_the_models_that_it_reads_and_no_others(hub: KeptHub, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("some/base", "some/vae", "some/whole"):
        hub.keep(name, tmp_path / "empty", OLD)
    hub.keep("some/vae", tmp_path / "empty", NEW, "second")
    base, vae = {"some/base": OLD}, {"some/vae": OLD}
    assert commits_in(sample()) == base
    assert commits_in(sample(base=Base(model="some/base", vae="some/vae"))) == base | vae
    second = {"vae": "some/vae", "vae_revision": "second"}
    assert commits_in(sample(sampler=second)) == base | {"some/vae": NEW}
    assert commits_in(sample(load=Load(model="some/whole"))) == {"some/whole": OLD}
    named = Base(model="some/vae", vae="some/vae")
    assert (
        commits_in(LatentsSpec(vae=named, pins={}, resolution=64, crop="center", flip=False)) == vae
    )


def test_a_vae_is_read_at_a_revision_of_its_own(hub: KeptHub) -> None:
    vae = Path(locate("pocket/sdxl")) / "vae"
    hub.keep("some/vae", vae, OLD, "first")
    base = Base(model="some/base", revision="of the base", vae="some/vae", vae_revision="first")
    assert load_vae(base, "cpu").config["latent_channels"] == 16
    with pytest.raises(MissingPrerequisite, match="some/vae cannot be loaded"):
        load_vae(base.model_copy(update={"vae_revision": None}), "cpu")


def test_a_vaes_revision_moves_keys_and_its_absence_moves_none() -> None:
    plain = {"model": "some/base", "vae": "some/vae"}
    assert described(Base(**plain)) == plain
    assert described(Base(**plain, vae_revision=OLD)) == {**plain, "vae_revision": OLD}
