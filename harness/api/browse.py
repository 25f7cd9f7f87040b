"""Look at one thing that there is: a result, a recipe, a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from harness.api.options import Options, with_options, workspace_of
from harness.api.results import Run
from harness.pages import benchmark as benchmarks
from harness.pages import recipe as recipes
from harness.pages.benchmark import Judgement
from harness.pages.recipe import Recipe
from harness.pipeline.results.read import find_result, read_result


@with_options
def load_result(
    result: str | Path, *, benchmark: str | None = None, **options: Unpack[Options]
) -> Run:
    """Return a result by its file, or by the name of a recipe that was run.

    >>> found = harness.load_result("tiny")
    >>> found.result.images.scored
    36
    >>> len(found.to_pandas("samples")) > 36
    True
    """
    file = find_result(result, benchmark, workspace_of(options).reports)
    return Run(read_result(file), file)


def load_recipe(recipe: str | Path) -> Recipe:
    """Return the page of a recipe, by its name or file.

    >>> harness.load_recipe("tiny").train.adapter.rank
    4
    """
    return recipes.load(str(recipe))


def load_benchmark(benchmark: str | Path) -> Judgement:
    """Return a benchmark with its suites, by its name or file.

    >>> harness.load_benchmark("tiny-v1").images
    36
    """
    return benchmarks.load(benchmark)
