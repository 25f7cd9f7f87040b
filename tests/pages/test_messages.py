"""What is said of a page that is YAML, but no recipe, suite or benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PageError
from harness.pages import benchmark, recipe
from harness.pages.benchmark import Benchmark, PromptSuite
from harness.pages.yaml import load_page

RECIPE = """\
schema_version: 1
name: ink
summary: A test.
base: {model: pocket/sdxl}
data:
  source: {use: pocket, set: ninja, count: 10}
train:
  method: lora
  adapter: {rank: 16}
  resolution: 64
  batch: 8
  optimizer: {use: adamw}
  phases:
    - {steps: 40, rate: 1e-4, schedule: cosine, warmup: 4}
"""
BENCHMARK = """\
schema_version: 1
name: shelf
summary: A test.
suites: [ink-words]
seeds: [1, 2]
sampler: {scheduler: euler, steps: 20, guidance: 4.0, width: 64, height: 64}
reference:
  source: {use: pocket, set: ninja, count: 10}
  resolution: 64
metrics:
  - use: kid
    features: {use: classifier, model: pocket/inception}
  - use: aesthetic
    features: {use: label, model: pocket/aesthetic}
"""
SUITE = """\
schema_version: 1
name: ink-words
version: 1
summary: A test.
prompts:
  - {id: a, text: "a cat"}
  - {id: b, text: "a dog"}
"""
OPTIMIZERS = "known: adafactor, adamw, adamw-8bit, came, lion, prodigy, schedule-free"
TOP = (
    "known: base, data, hardware, judge, load, name, origin, prompting, schema_version, summary, "
    "train"
)
NAME = "^[a-z0-9][a-z0-9._-]{0,63}$"
PHASE = "    - {steps: 40, rate: 1e-4, schedule: cosine, warmup: 4}\n"
SOURCE = "data:\n  source: {use: pocket, set: ninja, count: 10}\n"
TEXT_RATES = "train.phases[0].text_encoder_rates"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("prompts/suites").mkdir(parents=True)
    Path("prompts/suites/ink-words.yaml").write_text(SUITE)
    return tmp_path


def changed(page: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert page.count(old) == 1
        page = page.replace(old, new)
    return page


def lines(caught: PageError) -> list[str]:
    """Return the problems as they print: one line each, without the file's name."""
    assert str(caught).splitlines() == [str(problem) for problem in caught.problems]
    return [str(problem).removeprefix("page.yaml:") for problem in caught.problems]


def recipe_problems(changes: dict[str, str]) -> list[str]:
    Path("page.yaml").write_text(changed(RECIPE, changes))
    with pytest.raises(PageError) as caught:
        recipe.load("page.yaml")
    return lines(caught.value)


def benchmark_problems(changes: dict[str, str]) -> list[str]:
    Path("page.yaml").write_text(changed(BENCHMARK, changes))
    with pytest.raises(PageError) as caught:
        benchmark.load("page.yaml")
    return lines(caught.value)


RECIPES: list[tuple[str, str, str]] = [
    ("  adapter:", "  adaptor:", "9: train.adaptor is not a field (did you mean train.adapter?)"),
    ("name: ink", "name: ink\nzzz: 1", f"3: zzz is not a field ({TOP})"),
    ("name: ink", "name: ink\n3: 1", f"3: 3 is not a field ({TOP})"),
    ("name: ink", 'name: ink\n"a\\nb": 1', f"3: 'a\\nb' is not a field ({TOP})"),
    ("name: ink", "name: ink\n: 1", f"3: '' is not a field ({TOP})"),
    ("name: ink", "name: ink\n<<: {a: 1}", f"3: << is not a field ({TOP})"),
    (
        "use: adamw",
        "use: adamw, bata1: 0.9",
        "12: train.optimizer.bata1 is not a field (did you mean train.optimizer.beta1?)",
    ),
    (
        "use: adamw",
        "use: adamw, beta1: 1.0",
        "12: train.optimizer.beta1 must be less than 1 (it is 1.0)",
    ),
    ("name: ink", "name: 12", "2: name must be text (it is 12)"),
    ("name: ink", "name: a/b", f"2: name must look like {NAME} (it is 'a/b')"),
    ("summary: A test.", "summary:", "3: summary must be text (it is null)"),
    ("A test.", "''", "3: summary must not be shorter than 1 characters (it is '')"),
    ("A test.", "x" * 201, "3: summary must not be longer than 200 characters"),
    ("{model: pocket/sdxl}", "ink", "4: base must be a mapping of fields (it is 'ink')"),
    ("set: ninja", "set: cats", "6: data.source.set must be 'faces' or 'ninja', not 'cats'"),
    (", count: 10", "", "6: data.source.count is missing"),
    ("rank: 16", "rank: -1", "9: train.adapter.rank must be at least 1 (it is -1)"),
    ("resolution: 64", "resolution: 65", "10: train.resolution must be a multiple of 8 (it is 65)"),
    ("  batch: 8\n", "", "7: train.batch is missing"),
    ("batch: 8", "batch: 8.5", "11: train.batch must be a whole number (it is 8.5)"),
    ("batch: 8", "batch: true", "11: train.batch must be a whole number (it is true)"),
    ("batch: 8", "batch: eight", "11: train.batch must be a whole number ('eight' is text)"),
    ("batch: 8", "flip: yes\n  batch: 8", "11: train.flip must be true or false (it is 'yes')"),
    (
        "use: adamw",
        "use: adamx",
        "12: train.optimizer names no plugin: 'adamx' (did you mean adamw?)",
    ),
    ("use: adamw", "use: zzz", f"12: train.optimizer names no plugin: 'zzz' ({OPTIMIZERS})"),
    ("use: adamw", "use: [1]", f"12: train.optimizer names no plugin: [1] ({OPTIMIZERS})"),
    (
        "use: adamw",
        "eps: 1.0",
        f"12: train.optimizer needs `use:` to say which one it means ({OPTIMIZERS})",
    ),
    ("{use: adamw}", "adamw", "12: train.optimizer must be a mapping of fields (it is 'adamw')"),
    (PHASE, "    []\n", "13: train.phases must not have fewer than 1 entries"),
    (PHASE, "    steps: 1\n", '13: train.phases must be a list (it is {"steps": 1})'),
    (PHASE, "    - ink\n", "14: train.phases[0] must be a mapping of fields (it is 'ink')"),
    ("steps: 40", "steps: 0", "14: train.phases[0].steps must be at least 1 (it is 0)"),
    (
        "1e-4",
        '"1e-4"',
        "14: train.phases[0].rate must be a number ('1e-4' is text: drop the quotes)",
    ),
    ("1e-4", "0.0", "14: train.phases[0].rate must be greater than 0 (it is 0.0)"),
    ("1e-4", "11", "14: train.phases[0].rate must be at most 10 (it is 11)"),
    (
        "cosine",
        "cosin",
        "14: train.phases[0].schedule must be 'constant', 'linear', 'cosine', 'cosine-restarts',"
        " 'polynomial' or 'rex', not 'cosin'",
    ),
    ("warmup: 4", "warmup: 40", "14: train.phases[0].warmup (40) must end before steps (40) do"),
    ("1e-4", "1.0, text_encoder_rates: [1.0]", f"14: {TEXT_RATES}[1] is missing"),
    (
        "1e-4",
        "1.0, text_encoder_rates: [1.0, 1.0, 1.0]",
        f"14: {TEXT_RATES} must not have more than 2 entries",
    ),
    ("1e-4", "1.0, text_encoder_rates: 1.0", f"14: {TEXT_RATES} must be a list (it is 1.0)"),
    ("schema_version: 1", "schema_version: 2", "1: schema_version must be 1, not 2"),
    (SOURCE, "", "1: train needs data to learn from: add data"),
    (
        "name: ink",
        "name: ink\nload: {adapter: some/lora}",
        "1: a recipe trains or loads, not both: drop train or load",
    ),
    (
        "name: ink",
        "name: ink\nload: {}",
        "3: load names exactly one of model, adapter and adapters",
    ),
    (
        "  adapter: {rank: 16}\n",
        "",
        "7: train.adapter is missing, and method lora trains one",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), RECIPES, ids=[row[2] for row in RECIPES])
def test_what_is_wrong_with_a_recipe_is_said_in_one_line(old: str, new: str, expected: str) -> None:
    assert recipe_problems({old: new}) == [expected]


def test_prodigy_refuses_unlike_rates_of_the_text_encoders() -> None:
    changes = {"use: adamw": "use: prodigy", "1e-4": "1.0, text_encoder_rates: [0.5, 1.0]"}
    assert recipe_problems(changes) == [
        f"14: {TEXT_RATES} must equal rate (1): prodigy has one step size for all"
    ]


def test_prodigy_bears_like_rates_of_the_text_encoders() -> None:
    changes = {"use: adamw": "use: prodigy", "1e-4": "1.0, text_encoder_rates: [1.0, 1.0]"}
    Path("page.yaml").write_text(changed(RECIPE, changes))
    assert recipe.load("page.yaml").train is not None


def test_all_problems_of_a_page_are_reported_at_once_in_the_order_of_the_page() -> None:
    changes = {
        "name: ink": "nmae: ink",
        "rank: 16": "rank: -1",
        "batch: 8": "batch: '8'",
        "use: adamw": "use: prodigy, d_coef: -1.0, betta1: 0.9",
        "steps: 40": "steps: 0",
    }
    assert recipe_problems(changes) == [
        "2: nmae is not a field (did you mean name?)",
        "9: train.adapter.rank must be at least 1 (it is -1)",
        "11: train.batch must be a whole number ('8' is text: drop the quotes)",
        "12: train.optimizer.betta1 is not a field (did you mean train.optimizer.beta1?)",
        "12: train.optimizer.d_coef must be greater than 0 (it is -1.0)",
        "14: train.phases[0].steps must be at least 1 (it is 0)",
    ]


def test_a_wrong_value_is_shown_cut_and_on_one_line() -> None:
    [problem] = recipe_problems({"cosine": '"a\\n' + "x" * 1000 + '"'})
    assert "not 'a\\nxxx" in problem
    assert len(problem) < 200


BENCHMARKS: list[tuple[str, str, str]] = [
    (
        "seeds: [1, 2]",
        "seeds: [1, 1]",
        "5: seeds holds the seed 1 twice: each image would count twice",
    ),
    ("seeds: [1, 2]", "seeds: []", "5: seeds must not have fewer than 1 entries"),
    ("seeds: [1, 2]", "seeds: [1, -2]", "5: seeds[1] must be at least 0 (it is -2)"),
    ("[ink-words]", "[ink-words, ink-words]", "4: suites names the suite 'ink-words' twice"),
    (
        "scheduler: euler",
        "scheduler: eular",
        "6: sampler.scheduler must be 'ddim', 'euler', 'euler-a' or 'own', not 'eular'",
    ),
    ("use: kid", "use: kit", "11: metrics[0] names no plugin: 'kit' (did you mean kid?)"),
    (
        "model: pocket/inception",
        "modle: pocket/inception, model: a",
        "12: metrics[0].features.modle is not a field (did you mean metrics[0].features.model?)",
    ),
    (
        "{use: classifier, model: pocket/inception}",
        "{use: label, label: hq}",
        "12: metrics[0].features.model is missing",
    ),
    (
        "model: pocket/aesthetic}",
        "model: pocket/aesthetic, label: 3}",
        "14: metrics[1].features.label must be text (it is 3)",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), BENCHMARKS, ids=[row[2] for row in BENCHMARKS])
def test_what_is_wrong_with_a_benchmark_is_said_in_one_line(
    old: str, new: str, expected: str
) -> None:
    assert benchmark_problems({old: new}) == [expected]


def test_a_distance_without_a_reference_is_refused() -> None:
    start = BENCHMARK.index("reference:")
    reference = BENCHMARK[start : BENCHMARK.index("metrics:")]
    assert benchmark_problems({reference: ""}) == ["1: kid needs reference: add reference"]


def test_a_probe_without_another_style_is_refused() -> None:
    probe = {"metrics:\n": "metrics:\n  - use: style-probe\n"}
    assert benchmark_problems(probe) == ["1: style-probe needs base: add base"]
    decoys = "decoys: [{source: {use: pocket, set: faces, count: 9}, resolution: 64}]\n"
    page = changed(BENCHMARK, {"metrics:\n": f"{decoys}metrics:\n  - use: style-probe\n"})
    Path("page.yaml").write_text(page)
    assert load_page(Benchmark, Path("page.yaml")).metrics[0].column == "style-probe"


def test_an_unknown_suite_is_named_with_the_known_ones() -> None:
    [problem] = benchmark_problems({"[ink-words]": "[ink-words, ink-wrods]"})
    assert problem.startswith("4: suites[1] names no suite: 'ink-wrods' (known: ink-words")


def test_a_prompt_id_that_two_suites_share_is_refused() -> None:
    Path("prompts/suites/more.yaml").write_text(changed(SUITE, {"ink-words": "more"}))
    assert benchmark_problems({"[ink-words]": "[ink-words, more]"}) == [
        "4: suites contain the prompt id 'a' twice (ids are unique in a benchmark)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("id: b", "id: a", "5: prompts holds the prompt id 'a' twice"),
        ("id: b", "id: b c", "7: prompts[1].id must look like"),
        ('"a dog"', "''", "7: prompts[1].text must not be shorter than 1 characters"),
        ("prompts:", "prompts: []\nmore:", "5: prompts must not have fewer than 1 entries"),
        ("version: 1\nsummary", "version: 0\nsummary", "3: version must be at least 1"),
    ],
)
def test_what_is_wrong_with_a_suite_is_said(old: str, new: str, expected: str) -> None:
    Path("page.yaml").write_text(changed(SUITE, {old: new}))
    with pytest.raises(PageError) as caught:
        load_page(PromptSuite, Path("page.yaml"))
    assert lines(caught.value)[0].startswith(expected)


def test_a_field_under_a_wrong_name_is_told_once() -> None:
    assert recipe_problems({"rank: 16": "rnak: 16"}) == [
        "9: train.adapter.rnak is not a field (did you mean train.adapter.rank?)"
    ]
    assert recipe_problems({"rank: 16": "alpha: 16"}) == ["9: train.adapter.rank is missing"]
