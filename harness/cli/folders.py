"""`harness score` of folders beside real pictures; several of them are compared besides."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.cli.output import console, print_runs, run_document, say, show
from harness.errors import UsageError
from harness.escaping import as_name

if TYPE_CHECKING:
    from harness import Run, Workspace


@dataclass(frozen=True)
class FoldersAsked:
    """What a command line asks about folders of pictures."""

    images: Sequence[Path]
    reference: Path
    originals: Path | None
    name: str | None
    page: Path | None
    megapixels: float


def score_folders(asked: FoldersAsked, workspace: Workspace, as_json: bool) -> None:
    """Score each folder of images beside the reference, and compare them."""
    runs = [
        harness.score_folder(
            folder,
            asked.reference,
            originals=asked.originals,
            name=name,
            count=count,
            page=asked.page,
            megapixels=asked.megapixels,
            workspace=workspace,
        )
        for folder, name, count in _each(asked)
    ]
    if len(runs) == 1:
        return print_runs(runs, as_json)
    return _print_compared(runs, workspace, as_json)


def _each(asked: FoldersAsked) -> list[tuple[Path, str | None, int | None]]:
    """Return every folder with the name of its result and how many of its images count.

    Metrics over sets of pictures are compared at one N, so all are judged on as many as the
    smallest folder has.
    """
    from harness.data.image_folders import images_below

    if not asked.images:
        raise UsageError("--reference needs --images", hint="a folder of generated images")
    if len(asked.images) == 1:
        return [(asked.images[0], asked.name, None)]
    if asked.name is not None:
        raise UsageError("--name names one result", hint="leave it out: folders name theirs")
    names = told_apart(asked.images)
    counts = [sum(1 for _ in images_below(folder)) for folder in asked.images]
    fewest = min(counts)
    for folder, count in zip(asked.images, counts, strict=True):
        if fewest and count > fewest:
            said = f"{folder}: {fewest} of {count} images are judged, as many as the others have"
            say(said, file=sys.stderr)
    return [(*each, fewest or None) for each in zip(asked.images, names, strict=True)]


def told_apart(folders: Sequence[Path]) -> list[str | None]:
    """Return a name for each folder whose own says too little; None where it is enough.

    Folders that are called alike get as many of the folders above them as it takes.
    """
    parts = [folder.resolve().parts[1:] for folder in folders]
    taken = [1] * len(parts)
    while True:
        names = [as_name("-".join(own[-many:])) for own, many in zip(parts, taken, strict=True)]
        alike = [at for at, name in enumerate(names) if names.count(name) > 1]
        if not alike:
            own_names = [as_name("-".join(own[-1:])) for own in parts]
            pairs = zip(names, own_names, strict=True)
            return [None if name == plain else name for name, plain in pairs]
        if all(taken[at] >= len(parts[at]) for at in alike):
            said = f"two folders are called {names[alike[0]]}"
            raise UsageError(said, hint="name each folder once, or rename one of them")
        for at in alike:
            taken[at] += 1


def _print_compared(runs: Sequence[Run], workspace: Workspace, as_json: bool) -> None:
    from harness.report import comparison as words

    files = [run.path for run in runs]
    compared = harness.compare(*files, workspace=workspace).comparisons
    if as_json:
        results = [run_document(run) for run in runs]
        comparisons = [words.comparison_document(each) for each in compared]
        return show({"results": results, "comparisons": comparisons})
    print_runs(runs, as_json)
    if len(compared) == 1:
        return words.print_comparison(compared[0], console())
    return words.print_comparisons(compared, console())
