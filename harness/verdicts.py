"""The public face of decisions: which result is better, and whether one may pass.

Like `api`, it is the verbs of the command line as functions of values; nothing here prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import benchmark as benchmarks
from harness import pages
from harness.api import Place
from harness.benchmark import Judgement
from harness.compare import Comparison, Contender, Rules, compare_all, read
from harness.errors import UsageError
from harness.groups import groups_of
from harness.store import Store
from harness.views import views_of


def compare(
    names: Sequence[str], benchmark: str | None, place: Place, rules: Rules
) -> list[Comparison]:
    """Return the first of several results beside each other one.

    A result is named by its file, or by its recipe or checkpoint, which must have been run.
    """
    contenders = [contender(find_result(name, benchmark, place.reports), place) for name in names]
    judgement = _judgement(contenders[0].result.benchmark)
    if judgement is not None and not rules.groups:
        rules = replace(rules, groups=groups_of(judgement))
    return compare_all(contenders, rules)


def contender(file: Path, place: Place) -> Contender:
    """Return a result with what stands beside it, and with its features where they are at hand."""
    found = read(file)
    judgement = _judgement(found.result.benchmark)
    if judgement is None or found.result.interval == "recipe":
        return found
    return replace(found, views=views_of(found.result, judgement, Store(place.store)))


def find_result(name: str, benchmark: str | None, reports: Path) -> Path:
    """Return the result file that a path, a recipe's name or `NAME@STEP` means."""
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}", hint="a result lies below --reports")
        return Path(name)
    stem = ".step".join(Path(name).name.removesuffix(".yaml").split("@"))
    files = sorted(reports.glob(f"{benchmark or '*'}/{stem}.json"))
    files = [file for file in files if file.parent.name != "baselines"]
    if not files:
        where = f"{reports}/{benchmark}" if benchmark else reports
        raise UsageError(f"there is no result of {name} in {where}", hint=f"harness run {name}")
    if len(files) > 1:
        known = ", ".join(file.parent.name for file in files)
        raise UsageError(f"{name} has results of {known}", hint="--benchmark says which is meant")
    return files[0]


def _judgement(name: str) -> Judgement | None:
    """Return the benchmark of a result, where its page is known here."""
    return benchmarks.load(name) if name in pages.available("benchmark") else None
