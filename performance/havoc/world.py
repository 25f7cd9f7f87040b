"""The undisturbed run, and how far another store and its reports are from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.fingerprint import digest_file
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import requested
from harness.pipeline.results.file import ALBUM
from harness.pipeline.results.tables import TABLES
from harness.pipeline.store.local import MANIFEST, Store
from harness.records import Step

from .children import start

PAGES = Path(__file__).parent / "pages"
RECIPES = ("chaos", "chaos-two")
BENCHMARK = "chaos-v1"
ENDINGS = (".json", *(f".{kind}.parquet" for kind in TABLES), ALBUM)
"""What belongs to a result."""


@dataclass(frozen=True)
class Place:
    """A store and its reports, below one folder."""

    root: Path

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def flags(self) -> tuple[object, ...]:
        return "--store", self.store, "--reports", self.reports

    def run(self, *recipes: str) -> tuple[object, ...]:
        return "run", *(recipes or RECIPES[:1]), "--benchmark", BENCHMARK, *self.flags

    def result(self, recipe: str = RECIPES[0]) -> Path:
        return self.reports / BENCHMARK / f"{recipe}.json"

    def belongings(self, recipe: str = RECIPES[0]) -> list[Path]:
        """Return the files of a result: itself, its tables and its album."""
        return [self.result(recipe).with_name(recipe + ending) for ending in ENDINGS]


class World:
    """Two plans, the store that an undisturbed run of both has filled, and what it takes."""

    def __init__(self, root: Path) -> None:
        self.golden = Place(root / "golden")
        self.plans: dict[str, RunPlan] = {
            name: requested(name, BENCHMARK).plan() for name in RECIPES
        }
        self._make()
        self._digests = {
            step.key: digests(Store(self.golden.store).folder(step))
            for plan in self.plans.values()
            for step in plan.steps
        }

    def _make(self) -> None:
        done = self.golden.root / "done"
        if not done.exists():
            shutil.rmtree(self.golden.root, ignore_errors=True)
            self.golden.root.mkdir(parents=True)
            child = start(self.golden.run(*RECIPES), self.golden.root / "log", self._keep_rows)
            if child.wait() != 0:
                raise SystemExit(f"the undisturbed run failed:\n{child.said}")
            done.touch()

    def _keep_rows(self) -> None:
        """Let a child copy the cache of features as it is after each step.

        What a network makes of an image may differ in the last bit with the images beside it in a
        batch, and these are the ones that the cache lacks. So a trial begins with the cache that a
        run has at that moment.
        """
        make = Store.get_or_make

        def make_and_keep(store: Store, step: Step, *arguments: Any) -> Any:
            made = make(store, step, *arguments)
            if store.rows.is_dir():
                shutil.copytree(store.rows, self._rows_after(step), dirs_exist_ok=True)
            return made

        Store.get_or_make = make_and_keep  # type: ignore[assignment,method-assign]

    def _rows_after(self, step: Step) -> Path:
        return self.golden.root / "rows" / step.key

    @property
    def steps(self) -> Sequence[Step]:
        """Return the steps of the first recipe, inputs first."""
        return self.plans[RECIPES[0]].steps

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(step.stage for step in self.steps))

    def steps_of(self, stage: str) -> list[Step]:
        return [step for step in self.steps if step.stage == stage]

    def seconds(self, step: Step) -> float:
        """Return what a step took undisturbed."""
        facts = Store(self.golden.store).get(step).manifest["provenance"]
        return max(0.02, float(facts["seconds"]))

    def size(self, step: Step) -> int:
        """Return the bytes of a step's artifact."""
        folder = Store(self.golden.store).folder(step)
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    def seed(self, place: Place, steps: Sequence[Step], rows: bool = False) -> None:
        """Copy artifacts of the undisturbed run, and the cache of features as it then was.

        If all `rows` are asked for, the cache is that of the end.
        """
        place.reports.mkdir(parents=True, exist_ok=True)
        theirs, ours = Store(self.golden.store), Store(place.store)
        for step in steps:
            shutil.copytree(theirs.folder(step), ours.folder(step))
        cache = theirs.rows if rows or not steps else self._rows_after(steps[-1])
        if (rows or steps) and cache.is_dir() and not ours.rows.exists():
            shutil.copytree(cache, ours.rows)

    def seed_result(self, place: Place) -> None:
        """Copy the result of the first recipe, and what belongs to it."""
        place.result().parent.mkdir(parents=True, exist_ok=True)
        for file, copy in zip(self.golden.belongings(), place.belongings(), strict=True):
            if file.is_file():
                shutil.copyfile(file, copy)

    def missing(self, place: Place) -> list[Step]:
        store = Store(place.store)
        return [step for step in self.steps if not store.has(step)]

    def differences(
        self,
        place: Place,
        recipes: Sequence[str] = RECIPES[:1],
        whole: bool = True,
        all_steps: bool = True,
    ) -> list[str]:
        """Return how artifacts, and results if `whole`, differ from the undisturbed.

        If not `all_steps`, those may be missing that a result does not need any more.
        """
        store, found = Store(place.store), []
        for step in {
            step.key: step for name in recipes for step in self.plans[name].steps
        }.values():
            if not store.has(step):
                found += [f"{step.name} is missing"] if whole and all_steps else []
            elif digests(store.folder(step)) != self._digests[step.key]:
                found.append(f"{step.name} differs: {self._first(store, step)}")
        for name in recipes if whole else ():
            found += self._differing_result(place, name, album=all_steps)
        left = list((place.store / "work").glob("*"))
        if whole and left:
            found.append(f"{len(left)} folders are left in work/")
        return found

    def _first(self, store: Store, step: Step) -> str:
        """Return the first file of an artifact that is not as it was."""
        here, there = digests(store.folder(step)), self._digests[step.key]
        return next(name for name in sorted({*here, *there}) if here.get(name) != there.get(name))

    def _differing_result(self, place: Place, recipe: str, album: bool) -> list[str]:
        """Return how a result differs; an album shows only what of its steps is there."""
        found = []
        for file, golden in zip(
            place.belongings(recipe), self.golden.belongings(recipe), strict=True
        ):
            if file.name.endswith(".album.zip") and not album:
                continue
            if not file.is_file() or not golden.is_file():
                found += [f"{file.name} is missing"] if golden.is_file() else []
            elif _content(file) != _content(golden):
                found.append(f"{file.name} differs")
        return found


def _content(file: Path) -> Any:
    """Return what must be equal in a file: all but where and when a result was made."""
    if file.suffix != ".json":
        return digest_file(file)
    document = json.loads(file.read_text(encoding="utf-8"))
    document.pop("provenance")
    return document


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder but its manifest, read anew."""
    return {
        file.relative_to(folder).as_posix(): digest_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
