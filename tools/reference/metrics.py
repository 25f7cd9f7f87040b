"""metrics.md: every metric and extractor in two tables, from their specs and from the code."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

from harness import plugins
from harness.interfaces import ExtractorSpec, Family, MetricSpec
from harness.pipeline.results.tables import read_card
from tools.reference.markdown import cell, head, table
from tools.reference.pages import CARD, seen

INTRODUCTION = """\
A metric reads the features of one extractor and gives a value with its interval. Options of each
stand in [pages](pages.md#plugins-metrics). What the numbers mean, and how far they go, is
[explained](../explanation/what-the-numbers-mean.md).
"""
ROOT = Path(__file__).parents[2]
INTERVALS = {
    "share_of": "Clopper–Pearson",
    "mean_of": "over prompts, corrected for skewness",
    "of_pseudo": "jackknife over prompts, corrected for skewness",
    "jackknife": "jackknife over prompts, corrected for skewness",
}
"""What makes the interval, by the function of `metrics/intervals.py` that a metric calls."""
COSTS = {
    "bare": "images without the style's words are drawn too",
    "captions": "images of training captions are drawn too",
    "base": "the base is drawn at the same prompts",
    "bare-base": "the base is drawn without the style's words",
    "decoys": "pictures of other styles are collected",
    "originals": "training pictures are looked at",
    "reference": "reference pictures are looked at",
    "damaged": "spoiled reference pictures are looked at",
}
"""What a metric makes a run do beside one pass over its images; the first that fits is said."""
EXTRACTOR_NOTE = """\
An extractor passes once over each image, for all metrics that read it, and its features are kept
by the content of the image. One that needs the hub says which repository; a local folder or file
stands in its place wherever one is given.
"""


def reference() -> str:
    """Return the page of all metrics and extractors."""
    metrics = plugins.specs("metrics")
    extractors = plugins.specs("extractors")
    sections = [head("Metrics and extractors", "specs and code", INTRODUCTION)]
    for family in get_args(Family):
        own = {word: spec for word, spec in metrics.items() if spec.family == family}
        sections += [f"## {family.capitalize()}\n", *(_metric(*each) for each in own.items())]
    rows = [_extractor(word, spec) for word, spec in extractors.items()]
    columns = ("extractor", "what it gives", "reads prompts", "repository of the hub")
    return "\n".join([*sections, "## Extractors\n", EXTRACTOR_NOTE, table(columns, rows)])


def _metric(word: str, spec: type[MetricSpec]) -> str:
    needs = [f"`{side}`" for side in spec.reads] + [f"`{s}` if there" for s in spec.may_read]
    rows = [
        ("better is", "higher" if spec.higher_is_better else "lower"),
        ("judges", f"`{spec.judges}` images"),
        ("beside them it reads", ", ".join(needs) or "nothing"),
        ("features", _features(spec)),
        ("interval", interval_of(spec)),
        ("two results are compared", _comparison(spec)),
        ("name carries N", "yes" if spec.biased_by_n else "no"),
        ("must notice, to be licensed", ", ".join(spec.must_detect) or "nothing in particular"),
        ("costs", _cost(spec)),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {cell(what)} |" for name, what in rows)]
    said = "\n\n".join(seen(word, read_card(CARD)))
    text = inspect.getdoc(spec) or ""
    return "\n".join([f"### {word}\n", f"{text}\n", *lines, "", f"{said}\n"])


def _features(spec: type[MetricSpec]) -> str:
    field = spec.model_fields.get("features")
    if field is None:
        return "its own"
    if field.is_required():
        return "an extractor that the page must name"
    given = field.get_default(call_default_factory=True)
    return f"`{given.use}`, or another that the page names"


def _comparison(spec: type[MetricSpec]) -> str:
    return "by exchanging images of the two" if spec.by_exchange else "prompt by prompt"


def _cost(spec: type[MetricSpec]) -> str:
    sides = (spec.judges, *spec.reads)
    more = [text for name, text in COSTS.items() if name in sides]
    return "; ".join(["one pass of its extractor over the images", *more])


def interval_of(spec: type[MetricSpec]) -> str:
    """Return what makes a metric's interval, by what its module calls."""
    waiting = [spec.implementation.partition(":")[0]]
    for module in waiting:
        nodes = list(ast.walk(_source(module)))
        named = {node.id for node in nodes if isinstance(node, ast.Name)}
        made = next((text for name, text in INTERVALS.items() if name in named), None)
        if made:
            return made
        waiting += [
            name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness.metric")
            for name in (node.module, *(f"{node.module}.{each.name}" for each in node.names))
            if name and name != "harness.metrics" and find_module(name)
        ]
    raise LookupError(f"{spec.__name__}: nothing in {waiting} makes an interval")


def _source(module: str) -> ast.Module:
    file = find_module(module)
    assert file is not None
    return ast.parse(file.read_text(encoding="utf-8"))


def find_module(name: str) -> Path | None:
    """Return the file of a module of ours, if there is one of this name."""
    file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
    return file if file.is_file() else None


def _extractor(word: str, spec: type[ExtractorSpec]) -> tuple[str, str, str, str]:
    reads = "yes" if spec.reads_text or spec.reads_prompt else "no"
    return f"`{word}`", spec.summary, reads, _repository(spec)


def _repository(spec: type[ExtractorSpec]) -> str:
    """Return where its weights come from where the page names none."""
    if any(field.is_required() for name, field in spec.model_fields.items() if name != "use"):
        return "as the page names"
    named = spec(use=spec.model_fields["use"].annotation.__args__[0]).repositories()  # type: ignore
    return ", ".join(f"`{name}`" for name, _ in named) or "none"
