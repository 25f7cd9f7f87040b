"""Recipes whose parts do not hold together are refused before any work, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.conflicts import Conflict, refuse
from harness.errors import PageError
from harness.pages import recipe
from harness.pages.data import Data
from harness.pages.train import Train, conflicts

PAGE = """\
schema_version: 1
name: ink
summary: A test.
base: {model: pocket/sdxl}
data:
  source: {use: pocket, set: ninja, count: 10}
  caption:
    words: tags
train:
  method: lora
  adapter: {rank: 16}
  resolution: 64
  batch: 8
  optimizer: {use: adamw}
  phases:
    - steps: 40
      rate: 1e-4
      schedule: cosine
"""
ADAPTER, BATCH, WORDS = "  adapter: {rank: 16}\n", "  batch: 8\n", "    words: tags\n"
OPTIMIZER, PHASE = "  optimizer: {use: adamw}\n", "      schedule: cosine\n"
TOKENS = "  tokens: [{name: <ink>}]\n"
ONE_SIZE = "must equal rate (0.0001): prodigy has one step size for all"
FREE = "  optimizer: {use: schedule-free}\n"


def phase(more: str) -> dict[str, str]:
    return {PHASE: f"{PHASE}      {more}\n"}


def train(more: str) -> dict[str, str]:
    return {BATCH: f"{BATCH}  {more}\n"}


def caption(more: str) -> dict[str, str]:
    return {WORDS: f"{WORDS}    {more}\n"}


CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    "prodigy with other rates for the encoders": (
        {OPTIMIZER: "  optimizer: {use: prodigy}\n", **phase("text_encoder_rates: [1e-4, 5e-5]")},
        [f"19: train.phases[0].text_encoder_rates {ONE_SIZE}"],
    ),
    "prodigy with another rate for the tokens": (
        {OPTIMIZER: f"  optimizer: {{use: prodigy}}\n{TOKENS}", **phase("token_rate: 1e-3")},
        [f"20: train.phases[0].token_rate {ONE_SIZE}"],
    ),
    "adafactor that would drop the rates": (
        {OPTIMIZER: "  optimizer: {use: adafactor, relative_step: true}\n"},
        ["14: train.optimizer.relative_step drops every rate of the page: set it to false"],
    ),
    "a rank of nothing": (
        {"rank: 16": "rank: 0"},
        ["11: train.adapter.rank must be at least 1 (it is 0)"],
    ),
    "an alpha that is no number": (
        {"rank: 16": "rank: 16, alpha: .nan"},
        ["11: train.adapter.alpha is not a finite number (give a number)"],
    ),
    "an endless alpha": (
        {"rank: 16": "rank: 16, alpha: .inf"},
        ["11: train.adapter.alpha is not a finite number (give a number)"],
    ),
    "a negative alpha": (
        {"rank: 16": "rank: 16, alpha: -1.0"},
        ["11: train.adapter.alpha must be greater than 0 (it is -1.0)"],
    ),
    "an adapter that drops everything": (
        {"rank: 16": "rank: 16, dropout: 1.0"},
        ["11: train.adapter.dropout must be less than 1 (it is 1.0)"],
    ),
    "targets that are no pattern": (
        {"rank: 16": 'rank: 16, targets: "(attn"'},
        [
            "11: train.adapter.targets is no regular expression: missing ), unterminated"
            " subpattern at position 0"
        ],
    ),
    "ranks for no pattern": (
        {"rank: 16": 'rank: 16, ranks: {"*mid": 4}'},
        ["11: train.adapter.ranks is no regular expression: nothing to repeat at position 0"],
    ),
    "lora without an adapter": (
        {ADAPTER: ""},
        ["9: train.adapter is missing, and method lora trains one"],
    ),
    "a full fine-tune with an adapter": (
        {"method: lora": "method: full"},
        ["11: train.adapter belongs to method lora, not to full"],
    ),
    "a full fine-tune with tokens": (
        {"method: lora": "method: full", ADAPTER: TOKENS, **phase("token_rate: 1e-3")},
        ["11: train.tokens are learned beside a LoRA, not in a full fine-tune"],
    ),
    "tokens that never learn": (
        {ADAPTER: ADAPTER + TOKENS},
        ["12: train.tokens are never trained: give a phase a token_rate"],
    ),
    "a rate for no tokens": (
        phase("token_rate: 1e-3"),
        ["19: train.phases[0].token_rate needs tokens"],
    ),
    "two tokens of one name": (
        {
            ADAPTER: f"{ADAPTER}  tokens:\n    - {{name: <ink>}}\n    - {{name: <ink>}}\n",
            **phase("token_rate: 1e-3"),
        },
        ["14: train.tokens[1].name is taken already: <ink>"],
    ),
    "a last step of pure noise for epsilon": (
        train("zero_terminal_snr: true\n  prediction: epsilon"),
        [
            "14: train.zero_terminal_snr needs prediction: v_prediction, because epsilon"
            " says nothing at pure noise"
        ],
    ),
    "two weights at once": (
        train("snr_gamma: 5.0\n  debiased: true"),
        ["15: train.debiased and snr_gamma both weigh the loss: keep one"],
    ),
    "a form of nothing": (
        train("snr_form: unclamped"),
        ["14: train.snr_form needs snr_gamma"],
    ),
    "a form for v on epsilon": (
        train("snr_form: dreambooth-v\n  snr_gamma: 5.0\n  prediction: epsilon"),
        ["14: train.snr_form dreambooth-v is a form for v_prediction"],
    ),
    "a gamma of nothing": (
        train("snr_gamma: 0.0"),
        ["14: train.snr_gamma must be greater than 0 (it is 0.0)"],
    ),
    "a mean of a mean": (
        {OPTIMIZER: FREE, PHASE: "", **train("ema: {decay: 0.99}")},
        ["14: train.ema cannot be used: schedule-free averages the weights itself"],
    ),
    "a falling rate for an optimizer without": (
        {OPTIMIZER: FREE},
        ["18: train.phases[0].schedule must be constant: schedule-free needs no falling rate"],
    ),
    "two phases for an optimizer of one": (
        {OPTIMIZER: FREE, PHASE: "    - {steps: 4, rate: 1e-5}\n"},
        ["15: train.phases must be a single one: schedule-free averages over all steps"],
    ),
    "cycles of a cosine": (
        phase("cycles: 3"),
        ["19: train.phases[0].cycles belongs to cosine-restarts, not to cosine"],
    ),
    "the power of a cosine": (
        phase("power: 2.0"),
        ["19: train.phases[0].power belongs to polynomial, not to cosine"],
    ),
    "a floor that nothing falls to": (
        {PHASE: "      floor: 0.1\n"},
        ["18: train.phases[0].floor belongs to a schedule that falls, not to constant"],
    ),
    "a warm-up without an end": (
        phase("warmup: 40"),
        ["19: train.phases[0].warmup (40) must end before steps (40) do"],
    ),
    "buckets upside down": (
        train("buckets: {shortest: 128, longest: 64}"),
        ["14: train.buckets.shortest (128) is longer than longest (64)"],
    ),
    "a resolution outside of its buckets": (
        train("buckets: {shortest: 128, longest: 256}"),
        ["12: train.resolution (64) must lie between buckets.shortest (128) and longest (256)"],
    ),
    "previews that are never drawn": (
        train("previews: [a cat]"),
        ["14: train.previews are drawn at checkpoints: give checkpoint_every"],
    ),
    "bfloat16 adapters under fp16": (
        train("adapter_dtype: bfloat16\n  precision: fp16"),
        ["14: train.adapter_dtype bfloat16 goes with precision bf16, not with fp16"],
    ),
    "adapters' numbers without adapters": (
        {"method: lora": "method: full", ADAPTER: "  adapter_dtype: bfloat16\n"},
        ["11: train.adapter_dtype belongs to method lora, not to full"],
    ),
    "first tags kept in an order that never changes": (
        caption("keep_first: 2"),
        ["9: data.caption.keep_first has no effect without shuffle or tag_dropout"],
    ),
    "no words to shuffle": (
        {WORDS: "    words: none\n    shuffle: true\n    tag_dropout: 0.1\n"},
        [
            "9: data.caption.shuffle needs words, and words is none",
            "10: data.caption.tag_dropout needs words, and words is none",
        ],
    ),
    "shapes in the wrong order": (
        {WORDS: f"{WORDS}  curate: {{aspect: [1.4, 0.7]}}\n"},
        ["9: data.curate.aspect must name the narrowest first, then the widest"],
    ),
    "a choice of no ratings": (
        {WORDS: f"{WORDS}  curate: {{ratings: []}}\n"},
        ["9: data.curate.ratings must not have fewer than 1 entries"],
    ),
    "a scale with two kinds of bound": (
        caption("score_tags: [{tag: best, at_least: 5.0, above: 4.0}]"),
        ["9: data.caption.score_tags[0].above and at_least exclude each other"],
    ),
    "a text encoder cache beside encoders that learn": (
        {**train("cache_text_encoder_outputs: true"), **phase("text_encoder_rates: [1e-5, 1e-5]")},
        [
            "14: train.cache_text_encoder_outputs is not a field (captions are embedded ahead"
            " wherever the encoders rest; there is nothing to set)"
        ],
    ),
    "fewer pictures than a batch": (
        {"count: 10": "count: 7"},
        ["5: data has 7 pictures at most, too few for one batch of 8"],
    ),
    "a limit below a batch": (
        {WORDS: f"{WORDS}  curate: {{limit: 1}}\n"},
        ["5: data has 1 picture at most, too few for one batch of 8"],
    ),
    "a phase's limit below a batch": (
        phase("curate: {limit: 3}"),
        ["19: train.phases[0].curate has 3 pictures at most, too few for one batch of 8"],
    ),
    "an empty folder": (
        {"use: pocket, set: ninja, count: 10": "use: folder, path: ."},
        ["5: data has 0 pictures at most, too few for one batch of 8"],
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problems(changes: dict[str, str]) -> list[str]:
    """Return what is said of the page with `changes`, each problem as it prints."""
    page = PAGE
    for old, new in changes.items():
        assert page.count(old) == 1
        page = page.replace(old, new)
    Path("ink.yaml").write_text(page)
    with pytest.raises(PageError) as caught:
        recipe.load("ink.yaml")
    return [str(problem).removeprefix("ink.yaml:") for problem in caught.value.problems]


def test_there_are_many_ways_to_contradict_oneself() -> None:
    assert len(CASES) >= 20
    messages = {line.split(" ", 2)[2] for _, lines in CASES.values() for line in lines}
    assert len(messages) >= 20, "each has words of its own"


def test_without_a_contradiction_the_page_is_read() -> None:
    Path("ink.yaml").write_text(PAGE)
    assert recipe.load("ink.yaml").train is not None


@pytest.mark.parametrize("name", CASES)
def test_a_contradiction_is_refused_in_one_line_that_names_its_field(name: str) -> None:
    changes, expected = CASES[name]
    assert problems(changes) == expected


def test_all_contradictions_of_a_page_are_told_at_once_in_its_order() -> None:
    changes = {
        ADAPTER: ADAPTER + TOKENS,
        OPTIMIZER: FREE,
        BATCH: f"{BATCH}  snr_gamma: 5.0\n  debiased: true\n  previews: [a cat]\n",
    }
    assert [line.partition(" ")[0] + line.split(" ")[1] for line in problems(changes)] == [
        "12:train.tokens",
        "16:train.debiased",
        "17:train.previews",
        "22:train.phases[0].schedule",
    ]


def test_what_two_phases_contradict_is_told_of_each() -> None:
    second = f"{PHASE}      cycles: 2\n    - {{steps: 4, rate: 1e-5, power: 2.0}}\n"
    assert problems({PHASE: second}) == [
        "19: train.phases[0].cycles belongs to cosine-restarts, not to cosine",
        "20: train.phases[1].power belongs to polynomial, not to constant",
    ]


def test_no_conflict_is_no_error() -> None:
    refuse([])


def test_a_conflict_can_be_read_without_a_page() -> None:
    page: dict[str, Any] = {
        "method": "lora",
        "adapter": {"rank": 4},
        "resolution": 64,
        "batch": 1,
        "optimizer": {"use": "adamw"},
        "phases": [{"steps": 4, "rate": 1.0, "warmup": 4, "power": 2.0}],
    }
    with pytest.raises(ValidationError) as caught:
        Train.model_validate(page, strict=False)
    assert caught.value.errors()[0]["msg"] == (
        "warmup (4) must end before steps (4) do; power belongs to polynomial, not to constant"
    )


def a_set(count: int, limit: int | None = None) -> dict[str, Any]:
    return {
        "source": {"use": "pocket", "set": "ninja", "count": count},
        "curate": {"limit": limit} if limit else {},
    }


def a_run(*phases: dict[str, Any]) -> Train:
    page = {
        "method": "lora",
        "adapter": {"rank": 4},
        "resolution": 64,
        "batch": 8,
        "optimizer": {"use": "adamw"},
        "phases": [{"steps": 4, "rate": 1e-4, **phase} for phase in phases],
    }
    return Train.model_validate(page, strict=False)


SMALL, LARGE = Data.model_validate(a_set(7)), Data.model_validate(a_set(8))
TOO_FEW = "has 7 pictures at most, too few for one batch of 8"


def test_a_set_that_fills_a_batch_is_enough() -> None:
    assert conflicts(a_run({}), LARGE) == []


def test_a_set_that_cannot_fill_a_batch_is_named_once() -> None:
    assert conflicts(a_run({}, {}), SMALL) == [Conflict(("data",), TOO_FEW)]


def test_a_set_that_no_phase_learns_from_may_be_small() -> None:
    assert conflicts(a_run({"source": a_set(9)["source"]}), SMALL) == []


def test_a_phase_is_asked_for_its_own_set() -> None:
    run = a_run({}, {"source": a_set(7)["source"]}, {"curate": {"limit": 7}})
    assert conflicts(run, LARGE) == [
        Conflict(("train", "phases", 1, "source"), TOO_FEW),
        Conflict(("train", "phases", 2, "curate"), TOO_FEW),
    ]


def test_a_set_of_unknown_size_passes() -> None:
    unknown = Data.model_validate({"source": {"use": "hub", "id": "ink/wash"}})
    assert conflicts(a_run({}), unknown) == []
