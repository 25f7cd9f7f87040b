"""Judge a folder of pictures beside a folder of real ones: no page, no prompts, no hub."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Unpack

from harness.api.options import Options, making, with_options, workspace_of
from harness.api.results import Run
from harness.data.image_folders import ENDINGS, evenly, images_below, usual_side
from harness.data.opening import allowed_megapixels
from harness.data.supplied import read_supplied
from harness.errors import HarnessError, UsageError
from harness.escaping import as_name
from harness.files import is_folder, is_regular
from harness.fingerprint import digest_input
from harness.pages.benchmark import Benchmark, Judgement
from harness.pages.defaults import MEGAPIXELS
from harness.pages.pictures import SIDE, picture_page, write_page
from harness.pages.recipe import result_name
from harness.pages.stages import SuppliedSpec
from harness.pipeline.plan import RunPlan, plan_supplied
from harness.pipeline.results.read import read_result
from harness.pipeline.run import execute

log = logging.getLogger(__name__)


@with_options
@making
def score_folder(
    images: str | Path,
    reference: str | Path,
    *,
    originals: str | Path | None = None,
    name: str | None = None,
    count: int | None = None,
    page: str | Path | None = None,
    megapixels: float = MEGAPIXELS,
    **options: Unpack[Options],
) -> Run:
    """Score a folder of images beside a folder of real pictures.

    `originals` are the pictures that were trained on, among which to look for copies. `name` is
    what to call the result, else the folder's name. `count` judges so many images, evenly spaced.
    `page` is a file to write the benchmark's page to, by which other images can be judged.

    >>> found = harness.score_folder(pictures, real, name="mine")  # slow
    >>> found.result.benchmark
    'against-real'
    """
    folder, workspace = Path(images), workspace_of(options)
    asked = page_beside(reference, originals, page)
    own = result_name(name or as_name(folder.resolve().name))
    judgement = Judgement(Benchmark.model_validate_json(json.dumps(asked)), ())
    supplied = read_supplied(folder, None, judgement)
    supplied = supplied.model_copy(update={"megapixels": allowed_megapixels(megapixels)})
    warn_of_real_pictures(supplied, Path(reference))
    if count is not None:
        supplied = evenly(supplied, count)
    if page is not None:
        write_page(asked, Path(page))
    plan = plan_supplied(own, supplied, judgement)
    if name is None:
        _refuse_to_replace(plan, folder, workspace.reports)
    return Run.of(execute(plan, workspace.settings()))


def _refuse_to_replace(plan: RunPlan, folder: Path, reports: Path) -> None:
    """Refuse to write over the result of another folder that only happens to be called alike."""
    file = reports / plan.judgement.benchmark.name / f"{plan.recipe}.json"
    if not file.is_file():
        return
    try:
        there = read_result(file)
    except HarnessError:
        return
    judged = there.provenance.get("page", {}).get("sample", {}).get("folder")
    same = there.keys.get("sample") == plan.keys()["sample"]
    if judged is None or same or Path(judged).resolve() == folder.resolve():
        return
    said = f"is the result of other pictures, those of {judged}"
    raise UsageError(said, where=str(file), hint="--name keeps both under names of their own")


def page_beside(
    reference: str | Path, originals: str | Path | None, page: str | Path | None
) -> dict[str, Any]:
    """Return the page that folders of real pictures amount to, called as its file will be."""
    real = _folder(reference, "--reference")
    side = usual_side(real)
    if side is None:
        looked_for = f"looked for {', '.join(ENDINGS)}"
        raise UsageError(f"{real} has no pictures that can be read", hint=looked_for)
    trained_on = None if originals is None else _folder(originals, "--originals")
    named = None if page is None else result_name(Path(page).stem)
    return picture_page(real, trained_on, min(side, SIDE), named)


def _folder(named: str | Path, option: str) -> Path:
    folder = Path(named)
    if not is_folder(folder):
        raise UsageError(f"there is no folder {folder}", hint=f"{option} is a folder of pictures")
    return folder


def warn_of_real_pictures(supplied: SuppliedSpec, reference: Path) -> None:
    """Warn of images that are real pictures too: no distance tells anything of them."""
    files = [reference / name for name in images_below(reference)]
    real = {digest_input(file) for file in files if is_regular(file)}
    same = sum(each.content in real for each in supplied.entries)
    if same:
        log.warning(
            "%d of %d images are files of the reference too: next to themselves they are perfect",
            same,
            len(supplied.entries),
        )
