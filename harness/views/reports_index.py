"""The result files below a reports folder, each read once and again only when it changes.

A file that is broken or half-written has an entry with its problem; the others are as before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from harness.decisions import leaderboard as board
from harness.decisions.leaderboard import Board
from harness.errors import HarnessError, UsageError
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.read import HARDWARE, NOISE, read_result
from harness.pipeline.results.tables import Kind
from harness.pipeline.store.local import Store
from harness.records import PseudoValues, Result, StepName
from harness.views.samples import Samples, samples_of

T = TypeVar("T")
State = tuple[int, int]
"""When a file changed, and its size."""
READERS = 4
PAUSE = 0.002
"""Seconds between two files that are read ahead."""
LOOKED_AT = 64
"""Results whose pictures are kept in memory: those that were shown last."""
BASELINES = "baselines"
_ASIDE = (BASELINES, "history", "votes", HARDWARE)


@dataclass(frozen=True)
class Entry:
    """A result file of the index, and the result that was read from it."""

    name: str
    """Its place below the reports without `.json`, such as `pocket-v1/pocket-ninja`."""
    file: ResultFile
    result: Result | None
    problem: str = ""
    """What is wrong with it, where it cannot be read."""

    @property
    def recipe(self) -> str:
        return self.result.recipe if self.result else self.file.path.stem


class ReportsIndex:
    """All results below one reports folder, and the store that may have their artifacts.

    For `fresh` seconds after it was listed, a folder counts as unchanged.
    """

    def __init__(self, reports: Path, store: Path, fresh: float = 0.0) -> None:
        self.reports, self.store = reports, Store(store)
        self._fresh, self._listed = fresh, dict[str, tuple[float, list[Entry]]]()
        self._kept: dict[tuple[str, Path], tuple[State, Any]] = {}
        self._protocols: dict[str, dict[str, Any]] = {}
        self._boards: tuple[tuple[tuple[Path, int], ...], list[Board]] | None = None
        self._role_maps: dict[int, tuple[tuple[int, ...], dict[str, frozenset[str]]]] = {}
        self._there: set[str | None] = set()
        self._order: dict[str, dict[Path, None]] = {}
        self._lock = threading.RLock()
        self._asked = 0.0

    def entries(self) -> list[Entry]:
        """Return every result that can be a row of a leaderboard, in order of its name."""
        self._asked = time.monotonic()
        return self._read("*/*.json", _ASIDE)

    def baselines(self) -> list[Entry]:
        return self._read(f"{BASELINES}/*/*.json", ())

    def sweep_points(self, recipe: str) -> list[Entry]:
        """Return the points of a recipe's sweeps."""
        return self._read(f"*/sweeps/{recipe}/*.json", ())

    def swept_recipes(self) -> list[str]:
        """Return the recipes that were swept."""
        return sorted({file.name for file in self.reports.glob("*/sweeps/*") if file.is_dir()})

    def roles_of(self, key: str) -> frozenset[str]:
        """Return as what the results that are shown name an artifact, such as `sample`."""
        for number, entries in enumerate((self.entries, self.baselines, self._every_sweep)):
            roles = self._roles(number, entries()).get(key)
            if roles:
                return roles
        return frozenset()

    def _every_sweep(self) -> list[Entry]:
        return self._read("*/sweeps/*/*.json", ())

    def _roles(self, number: int, entries: Sequence[Entry]) -> Mapping[str, frozenset[str]]:
        state = tuple(map(id, entries))
        kept = self._role_maps.get(number)
        if kept is None or kept[0] != state:
            roles: dict[str, frozenset[str]] = {}
            for result in filter(None, (entry.result for entry in entries)):
                for name, key in result.keys.items():
                    title = StepName.parse(name)
                    if not title.extractor:
                        roles[key] = roles.get(key, frozenset()) | {title.role}
            kept = self._role_maps[number] = state, roles
        return kept[1]

    def find(self, name: str) -> Entry:
        """Return an entry by its name; a name reaches nothing outside the reports."""
        file = self.reports / f"{name}.json"
        inside = file.resolve().is_relative_to(self.reports.resolve()) and ".." not in name
        if not inside or not file.is_file():
            raise UsageError(f"there is no result {name}", hint="choose one of the leaderboard's")
        return self._hold(file)

    def boards(self) -> list[Board]:
        """Return every board, the fullest of a benchmark first."""
        with self._lock:
            entries = self.entries()
            state = tuple((each.file.path, id(each)) for each in entries)
            if self._boards is None or self._boards[0] != state:
                whole = [each.result for each in entries if each.result]
                files = {id(each.result): each.file for each in entries}
                self._boards = (
                    state,
                    board.boards(whole, lambda result: self._pseudo_values(files[id(result)])),
                )
            return self._boards[1]

    def board(self, benchmark: str, signature: str = "") -> Board | None:
        """Return a benchmark's fullest board, or the one of a signature that begins so."""
        return next(
            (
                each
                for each in self.boards()
                if each.benchmark == benchmark and each.signature.startswith(signature)
            ),
            None,
        )

    def shots(self, entry: Entry) -> list[album.Shot]:
        """Return what there is of a result's pictures, from its album or else from the store."""
        file = entry.file.album_path
        pictures: list[album.Shot] = self._known("shots", file, album.read, [])
        self._forget("shots", file)
        if pictures or entry.result is None:
            return pictures
        folder = self.store.find(entry.result.keys.get("sample", ""))
        return [] if folder is None else list(album.shots_of("sample", folder))

    def has(self, entry: Entry, side: str) -> bool:
        """Return whether the store has what a step of a result drew or collected."""
        key = key_of(entry, side)
        if key is not None and key not in self._there and self.store.find(key) is not None:
            self._there.add(key)
        return key in self._there

    def cover(self, entry: Entry) -> str:
        """Return the name of a result's first picture; nothing where it has none."""
        name: str = self._known("first", entry.file.album_path, album.first, "")
        shots = [] if name else self.shots(entry)
        return name or next((shot.picture for shot in shots if shot.picture), "")

    def samples(self, entry: Entry) -> Samples:
        """Return the values of a result's images."""
        file = entry.file.table_path("samples")
        return self._known("samples", file, lambda _: samples_of(entry.file), Samples.none())

    def table(self, entry: Entry, kind: Kind) -> pa.Table | None:
        """Return a table that stands beside a result, where it does and can be read."""
        read = partial(_table, entry.file, kind)
        return self._known(kind, entry.file.table_path(kind), read, None)

    def _forget(self, kind: str, last: Path) -> None:
        """Forget what was shown longest ago, of a kind that is large."""
        with self._lock:
            order = self._order.setdefault(kind, {})
            order.pop(last, None)
            order[last] = None
            while len(order) > LOOKED_AT:
                oldest = next(iter(order))
                del order[oldest]
                self._kept.pop((kind, oldest), None)

    def read_ahead(self, quiet: float = 0.0) -> None:
        """Read the values that filters by suite and tag need, before a visitor asks for them.

        Visitors come first: a file is read when nobody has asked for anything for `quiet` seconds.
        """
        for each in self.entries():
            self.wait_for_quiet(quiet)
            self.samples(each)
            time.sleep(PAUSE)

    def wait_for_quiet(self, quiet: float) -> None:
        """Wait until nobody has asked for any result for so many seconds."""
        while (left := self._asked + quiet - time.monotonic()) > 0:
            time.sleep(left)

    def _pseudo_values(self, file: ResultFile) -> PseudoValues:
        read = partial(_pseudo_values, file)
        return self._known("pseudo-values", file.table_path("prompts"), read, PseudoValues())

    def _read(self, pattern: str, aside: tuple[str, ...]) -> list[Entry]:
        looked, known = self._listed.get(pattern, (0.0, []))
        if time.monotonic() - looked < self._fresh:
            return known
        there = sorted(self.reports.glob(pattern), key=lambda file: file.with_suffix(""))
        files = [
            file
            for file in there
            if not file.name.endswith(NOISE) and file.parent.name not in aside
        ]
        with ThreadPoolExecutor(READERS) as pool:
            known = list(pool.map(self._hold, files))
        self._listed[pattern] = time.monotonic(), known
        return known

    def _hold(self, file: Path) -> Entry:
        name = file.relative_to(self.reports).as_posix().removesuffix(".json")
        return self._known(
            "result", file, partial(self._open, name), Entry(name, ResultFile(file), None, "gone")
        )

    def _open(self, name: str, file: Path) -> Entry:
        try:
            result = read_result(file)
        except HarnessError as error:
            return Entry(name, ResultFile(file), None, str(error))
        shared = self._protocols.setdefault(result.signature, result.protocol)
        return Entry(name, ResultFile(file), result.model_copy(update={"protocol": shared}))

    def _known(self, kind: str, file: Path, read: Callable[[Path], T], nothing: T) -> T:
        """Return what a file says, from memory while it stays as it is; `nothing` without it."""
        try:
            state = _state(file)
        except (OSError, ValueError):
            return nothing
        kept = self._kept.get((kind, file))
        if kept is None or kept[0] != state:
            kept = self._kept[kind, file] = state, read(file)
        value: T = kept[1]
        return value


def key_of(entry: Entry, side: str) -> str | None:
    """Return the key of a step of a result; of several trainings, the first one's."""
    if entry.result is None:
        return None
    keys = entry.result.keys
    seed = entry.result.training_seeds[0] if entry.result.interval == "recipe" else None
    return keys.get(str(StepName.parse(side).of_training(seed))) or keys.get(side)


def _state(file: Path) -> State:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size


def _table(file: ResultFile, kind: Kind, _: Path) -> pa.Table | None:
    try:
        return file.table(kind)
    except HarnessError:
        return None


def _pseudo_values(file: ResultFile, _: Path) -> PseudoValues:
    """Return a result's pseudo-values; none where their table cannot be read."""
    try:
        return file.pseudo_values()
    except HarnessError:
        return PseudoValues()
