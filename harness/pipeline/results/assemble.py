"""A scored plan → its result file, with the tables and the album that belong to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ScoringError
from harness.files import copy_whole, write_json
from harness.fingerprint import VERSION
from harness.interfaces import MetricSpec
from harness.metrics.sanity_card import SanityCard
from harness.pipeline.plan import RunPlan
from harness.pipeline.protocol import signature_of, with_weights
from harness.pipeline.provenance import provenance_of
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.probe import summary_of
from harness.pipeline.results.tables import CARD, PROBE, TABLES, read_card, read_table
from harness.pipeline.store.local import Store
from harness.pipeline.store.soundness import read_sound, require_sound
from harness.pipeline.weights import judged_with
from harness.records import Result, column_of

TABLE = f"{CARD}.parquet"
"""The sanity card in the artifact of its step."""
PAIRS = 24
"""How many of the nearest pairs an album shows, of each metric that looks for them."""


def write_result_file(
    plan: RunPlan, store: Store, file: ResultFile, pictures: bool = True
) -> Result:
    """Write the result of a plan with its tables, and an album if `pictures` are asked for.

    A plan of which no image was scored has failed: it takes no older result's place.
    """
    result = assemble(plan, store)
    _refuse_nothing_scored(result)
    require_sound(store.get(plan.score))
    write_result(result, file.path)
    for table in TABLES:
        made_by = {CARD: plan.sanity, PROBE: plan.probe}.get(table, plan.score)
        if made_by is None:
            file.table_path(table).unlink(missing_ok=True)
        else:
            copy_whole(store.folder(made_by) / f"{table}.parquet", file.table_path(table))
    if pictures:
        _write_album(plan, store, file)
    return result


def _refuse_nothing_scored(result: Result) -> None:
    images = result.images
    if images.scored == 0:
        some, more = images.named[:3], len(images.named) - 3
        rest = f" and {more} more" if more > 0 else ""
        raise ScoringError(
            f"none of the {images.expected} images of {result.recipe} was scored: "
            f"{'; '.join(some)}{rest}",
            hint="no result was written; look at the weights, the precision or the files",
        )


def assemble(plan: RunPlan, store: Store) -> Result:
    """Return the result of a plan whose score stands in the store."""
    document = json.loads(read_sound(store.get(plan.score), "scores.json"))
    protocol = with_weights(plan.protocol, judged_with(plan, store))
    card, metrics = card_in(plan, store), plan.judgement.metrics
    scores = [each | standing(each["metric"], metrics, card) for each in document["scores"]]
    return Result.model_validate_json(
        json.dumps(
            {
                "recipe": plan.recipe,
                "benchmark": plan.judgement.benchmark.name,
                "signature": signature_of(protocol),
                "protocol": protocol,
                "summary": plan.summary,
                "origin": plan.origin,
                "training_seeds": plan.training_seeds,
                "keys": plan.keys(),
                "images": document["images"],
                "scores": scores,
                "probe": _probed(plan, store),
                "provenance": {"harness": VERSION, **provenance_of(plan, store)},
            }
        )
    )


def _probed(plan: RunPlan, store: Store) -> dict[str, Any] | None:
    """Return what the loss probe of a plan says, if it has one."""
    if plan.probe is None:
        return None
    table = require_sound(store.get(plan.probe)).path / f"{PROBE}.parquet"
    return summary_of(read_table(table, PROBE)).model_dump(mode="json")


def card_in(plan: RunPlan, store: Store) -> SanityCard | None:
    """Return the sanity card of a plan's benchmark, if it has one."""
    step = plan.sanity
    return None if step is None else read_card(require_sound(store.get(step)).path / TABLE)


def standing(
    metric: str, metrics: Sequence[MetricSpec], card: SanityCard | None
) -> dict[str, float | str | None]:
    """Return what a card adds to a score: what real pictures get, and whether it may judge."""
    if card is None:
        return {"floor": None, "licence": None}
    licence = card.licences(metrics).get(column_of(metric))
    return {
        "floor": card.floors.get(metric),
        "licence": None if licence is None else str(licence),
    }


def write_result(result: Result, path: Path) -> None:
    write_json(path, result.model_dump(mode="json"))


def _write_album(plan: RunPlan, store: Store, file: ResultFile) -> None:
    """Write a result's small pictures beside it, with the originals that it comes nearest to."""
    folders = {step.name: store.folder(step) for step in plan.steps if store.has(step)}
    album.write(file.album_path, *album_sources(folders, store.folder(plan.score)))


def album_sources(
    folders: Mapping[str, Path], score: Path
) -> tuple[dict[str, Path], dict[str, set[str]]]:
    """Return the folders whose pictures an album shows, and the ids of those that it chooses."""
    sides = {side: folder for side, folder in folders.items() if side in album.SIDES}
    return sides, {"originals": _nearest(score / "likeness.parquet")}


def _nearest(likeness: Path) -> set[str]:
    """Return the ids of originals that images come nearest to, in any metric."""
    if not likeness.is_file():
        return set()
    table = read_table(likeness, "likeness")
    rows = [row for row in table.to_pylist() if row["prompt_id"] is not None]
    nearest: set[str] = set()
    for metric in {row["metric"] for row in rows}:
        own = sorted(
            (row for row in rows if row["metric"] == metric), key=lambda row: -row["value"]
        )
        nearest |= {row["other"] for row in own[:PAIRS]}
    return nearest
