"""A base of another family, from its page to the board: nothing above drawing knows the base."""

from __future__ import annotations

from pathlib import Path

import pytest
from families import flux, save_family, save_lora
from running import Ran, harness

from harness.fingerprint import digest_file

SUITE = """
schema_version: 1
name: few
version: 1
summary: A few.
prompts: [{id: a, text: a red cat}, {id: b, text: a dog}, {id: c, text: a blue knight}]
"""
BENCHMARK = """
schema_version: 1
name: mine
summary: Mine.
suites: [few]
seeds: [1, 2]
sampler:
  scheduler: own
  steps: 2
  guidance: 3.0
  width: 32
  height: 32
  options: {max_sequence_length: 32}
reference: {source: {use: pocket, set: ninja, first: 100, count: 12}, resolution: 32}
base: true
licences: false
metrics:
  - {use: kid, features: {use: thumbnail}}
  - {use: artefacts}
"""
RECIPE = """
schema_version: 1
name: NAME
summary: A tiny Flux.
base: {model: ./flux}
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages")
    for file, text in {
        "prompts/suites/few.yaml": SUITE,
        "prompts/benchmarks/mine.yaml": BENCHMARK,
        "recipes/flux.yaml": RECIPE.replace("NAME", "flux"),
        "recipes/styled.yaml": RECIPE.replace("NAME", "styled")
        + "load: {adapter: style/style.safetensors}\n",
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    save_family("FluxPipeline", root / "flux")
    save_lora(flux(), root / "style")
    return root


def ask(pages: Path, *words: object, store: str = "store") -> Ran:
    return harness(*words, "--store", pages / store, "--reports", pages / "reports", cwd=pages)


def images(pages: Path, store: str = "store") -> dict[str, str]:
    files = (pages / store).glob("sample*/*/*/images/*.png")
    return {file.name: digest_file(file) for file in files}


@pytest.mark.slow
def test_a_base_of_another_family_is_planned_drawn_judged_and_ranked(pages: Path) -> None:
    assert ask(pages, "check", "recipes/flux.yaml", "prompts/benchmarks/mine.yaml").code == 0
    planned = ask(pages, "plan", "styled", "--benchmark", "mine").out
    assert "drawing with FluxPipeline is not timed" in planned
    for recipe in ("flux", "styled"):
        assert ask(pages, "run", recipe, "--benchmark", "mine").code == 0
    board = ask(pages, "leaderboard", "--benchmark", "mine", "--json").json
    assert {row["recipe"] for row in board["rows"]} == {"flux", "styled"}
    compared = ask(pages, "compare", "styled", "flux", "--benchmark", "mine", "--json").json
    assert compared["verdict"] in ("better", "worse", "no-difference", "under-powered")


@pytest.mark.slow
def test_batches_and_kills_leave_no_trace_in_the_images(pages: Path) -> None:
    ask(pages, "run", "flux", "--benchmark", "mine", "--batch", "6", store="calm")
    calm = images(pages, "calm")
    assert len(calm) == 6
    ask(pages, "run", "flux", "--benchmark", "mine", "--batch", "1", store="other")
    assert images(pages, "other") == calm


@pytest.mark.slow
def test_training_on_it_is_refused_by_name(pages: Path) -> None:
    data = "data: {source: {use: pocket, set: ninja, count: 8}}\n"
    train = """
train:
  method: lora
  adapter: {rank: 2}
  resolution: 64
  batch: 2
  optimizer: {use: adamw}
  phases: [{steps: 2, rate: 0.001}]
"""
    (pages / "recipes/taught.yaml").write_text(RECIPE.replace("NAME", "taught") + data + train)
    for command in ("check", "plan", "run"):
        named = "recipes/taught.yaml" if command == "check" else "taught"
        ran = ask(pages, command, named)
        assert ran.code in (1, 2)
        assert "training takes SDXL alone" in ran.err
