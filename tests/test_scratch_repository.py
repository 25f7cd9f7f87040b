"""A repository of somebody's own, whose CI is a gate: what it stops, and what it lets through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from running import Ran, harness

pytestmark = pytest.mark.slow
RECIPE = """\
schema_version: 1
name: mine
summary: My style.
base: {model: pocket/sdxl}
data:
  source: {use: pocket, set: ninja, count: 200}
  caption: {prefix: "orange stripes, headband"}
prompting: {prefix: "orange stripes, headband"}
train:
  method: lora
  adapter: {rank: 16}
  resolution: 64
  batch: 4
  optimizer: {use: adamw}
  phases: [{steps: 120, rate: 1.0e-3, schedule: cosine, warmup: 10}]
  snr_gamma: 5.0
"""
BENCHMARK = """\
schema_version: 1
name: {name}
summary: How my style is judged.
suites: [{suite}]
seeds: {seeds}
sampler: {{scheduler: euler, steps: 8, guidance: 4.0, width: 64, height: 64}}
reference:
  source: {{use: pocket, set: ninja, first: 100000, count: 100}}
  resolution: 64
licences: false
metrics:
  - {{use: kid, features: {{use: classifier, model: pocket/inception}}}}
  - {{use: clip-score, features: {{use: open-clip, model: pocket/clip}}}}
  - {{use: aesthetic, features: {{use: label, model: pocket/aesthetic, label: hq}}}}
"""
FEW = """\
schema_version: 1
name: few
version: 1
summary: Too few to tell.
prompts:
  - {id: a, text: "1girl, solo, red hair, smile, outdoors, day"}
  - {id: b, text: "1boy, solo, black hair, frown, indoors"}
  - {id: c, text: "1girl, solo, blue hair, hat, outdoors, night"}
"""
POLICY = """\
schema_version: 1
name: fine
summary: A hundredth of what the style is away from the base.
metrics: [{metric: kid, margin: 0.5}]
"""


def write(root: Path, file: str, text: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(text)


def changed(old: str, new: str) -> str:
    assert RECIPE.count(old) == 1
    return RECIPE.replace(old, new)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a repository with a recipe, two benchmarks and an accepted baseline of each."""
    root = tmp_path_factory.mktemp("repository")
    write(root, "recipes/mine.yaml", RECIPE)
    write(root, "prompts/suites/few.yaml", FEW)
    for name, suite, seeds in (("mine-v1", "pocket-tags", "[1, 2]"), ("few-v1", "few", "[1]")):
        text = BENCHMARK.format(name=name, suite=suite, seeds=seeds)
        write(root, f"prompts/benchmarks/{name}.yaml", text)
        accepted = harness("gate", "mine", "--accept", "--benchmark", name, cwd=root)
        assert accepted.code == 0, accepted.err
    return root


def gate(root: Path, recipe: str, benchmark: str = "mine-v1", *more: str) -> tuple[Ran, str]:
    """Run CI's command on a changed recipe; return how it ended, and the summary."""
    write(root, "recipes/mine.yaml", recipe)
    ran = harness(
        "gate",
        "mine",
        *("--baseline", f"reports/baselines/{benchmark}/mine.json"),
        *("--summary", "summary.md", *more),
        cwd=root,
    )
    return ran, (root / "summary.md").read_text()


def test_a_change_that_changes_nothing_that_is_learned_passes(root: Path) -> None:
    harmless = "# Tidied up.\n" + changed(
        "summary: My style.", "summary: The same, in other words."
    )
    harmless = harmless.replace(
        "  snr_gamma: 5.0\n", "  snr_gamma: 5.0\n  attention_slicing: true\n"
    )
    ran, summary = gate(root, harmless)
    assert ran.code == 0, ran.out + ran.err
    assert "mine passes" in summary


def test_training_that_loses_its_captions_fails_with_a_summary_that_says_why(root: Path) -> None:
    caption = '{prefix: "orange stripes, headband"}\nprompting'
    ran, summary = gate(root, changed(caption, "{words: none}\nprompting"))
    assert ran.code == 3, ran.out + ran.err
    assert "mine fails" in summary
    assert "kid is more than" in summary
    assert "| fail |" in summary
    assert "What lost most" in summary


def test_a_trigger_that_is_swapped_fails(root: Path) -> None:
    swapped = changed('prompting: {prefix: "orange', 'prompting: {prefix: "a cat, forest')
    ran, summary = gate(root, swapped)
    assert ran.code == 3, ran.out + ran.err
    assert "kid is more than" in summary


def test_too_few_images_cannot_tell_and_say_how_many_would(root: Path) -> None:
    write(root, "policy.yaml", POLICY)
    words = '"orange stripes, headband"}\ntrain'
    other = changed(words, '"headband, orange stripes"}\ntrain')
    ran, summary = gate(root, other, "few-v1", "--policy", "policy.yaml")
    assert ran.code == 4, ran.out + ran.err
    assert "needs more evidence" in summary
    assert re.search(r"it takes [0-9,]+ prompts to (detect|decide)", summary), summary
