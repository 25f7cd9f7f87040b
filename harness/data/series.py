"""The folder of a training, as its trainer leaves it: samples and weights, step by step.

Names say step, prompt and seed (series_names.py); the trainer's list of prompts, where it lies
there, says the words. A step counts once all its samples are there and whole, so that a folder can
be read while the trainer still writes.
"""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from harness.data.image_folders import bytes_in, content_of, spelled
from harness.data.series_metadata import shot_of_adapter
from harness.data.series_names import (
    IMAGES,
    WEIGHTS,
    Shot,
    Weights,
    is_unfinished,
    read_shot,
    read_weights,
)
from harness.data.supplied import RULES
from harness.errors import HarnessError, UsageError
from harness.files import is_folder, is_inside
from harness.pages.stages import SuppliedImage, SuppliedSpec
from harness.pages.yaml import read_page

Unit = Literal["step", "epoch"]
Key = tuple[str, int]
"""The prompt and the seed of a sample."""
Asked = Mapping[str, tuple[str, int | None]]
"""The words and the seed of each prompt, by its number."""
Named = TypeVar("Named", Shot, Weights)
_LISTS = ("sample_prompts.txt", "prompt.txt", "prompts.txt", "sample/prompt.txt")
"""Where kohya's list of prompts lies, below the folder."""
_JOBS = ("config.yaml", "../config.yaml")
"""Where ai-toolkit leaves the job of a run."""
_ENDS = {
    ".png": b"IEND\xaeB`\x82",
    ".jpg": b"\xff\xd9",
    ".jpeg": b"\xff\xd9",
}
_HEADER = 100_000_000
"""Bytes that the header of a weights file may have."""


@dataclass(frozen=True)
class SeriesPoint:
    """All samples of one step, by prompt and seed."""

    at: int
    shots: Mapping[Key, Shot]


@dataclass(frozen=True)
class Series:
    """What lies in the folder of a training."""

    folder: Path
    unit: Unit
    points: tuple[SeriesPoint, ...]
    """Every step whose samples are all there, in order."""
    weights: tuple[tuple[int, Weights], ...]
    """Every file of weights with its step or epoch, in order; the end has the highest."""
    asked: Asked
    odd: tuple[tuple[str, str], ...]
    """Files that were not understood, each with the reason."""
    waiting: tuple[str, ...]
    """What is still being written, in words."""

    def supplied(self, point: SeriesPoint, square: int | None) -> SuppliedSpec:
        """Return the samples of a point as images to be judged; their order is that of prompts."""
        entries = tuple(
            SuppliedImage(
                file=spelled(shot.file),
                prompt_id=f"sample-{prompt}",
                seed=seed,
                text=self._words(shot),
                content=content_of(shot.file, bytes_in(self.folder, shot.file)),
            )
            for (prompt, seed), shot in sorted(point.shots.items())
        )
        return SuppliedSpec(folder=str(self.folder), rules=RULES, square=square, entries=entries)

    def _words(self, shot: Shot) -> str:
        words, _ = self.asked.get(shot.prompt, ("", None))
        return words or shot.text or shot.prompt


def read_series(folder: Path, prompts: Path | None = None) -> Series:
    """Return what lies in the folder of a training; `prompts` is the list that it drew."""
    if not is_folder(folder):
        raise UsageError(f"there is no folder {folder}", hint="--series is a training's folder")
    odd: list[tuple[str, str]] = []
    waiting: list[str] = []
    files = _whole_files(folder, waiting)
    asked = _asked(folder, prompts)
    shots = _one_run(_read(files, IMAGES, partial(_sample, folder), odd), odd)
    weights = _one_run(_read(files, (WEIGHTS,), read_weights, odd), odd)
    unit: Unit = _unit(shots) if shots else _unit([each for each in weights if not each.is_last])
    return Series(
        folder=folder,
        unit=unit,
        points=_points(shots, unit, asked, odd, waiting),
        weights=_numbered(weights, unit, odd),
        asked=asked,
        odd=tuple(sorted(odd)),
        waiting=tuple(waiting),
    )


def _whole_files(folder: Path, waiting: list[str]) -> list[str]:
    """Return every picture and every file of weights below `folder` that is written to its end."""
    names = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if hidden or not file.is_file() or not is_inside(folder, file):
            continue
        if is_unfinished(name):
            waiting.append(f"{name} is still being written")
        elif file.suffix.lower() in (*IMAGES, WEIGHTS):
            if is_whole(file):
                names.append(name)
            else:
                waiting.append(f"{name} is still being written, or cut short")
    return names


def is_whole(file: Path) -> bool:
    """Return whether a picture or a file of weights is there to its last byte."""
    kind = file.suffix.lower()
    try:
        with file.open("rb") as stream:
            if kind == WEIGHTS:
                return _is_whole_table(file, stream.read(8))
            if kind == ".webp":
                head = stream.read(12)
                size = struct.unpack("<I", head[4:8])[0] if len(head) == 12 else -1
                return file.stat().st_size >= size + 8 > 8
            stream.seek(max(0, file.stat().st_size - 64))
            return _ENDS[kind] in stream.read()
    except OSError:
        return False


def _is_whole_table(file: Path, head: bytes) -> bool:
    """Return whether a safetensors file is as long as its header says."""
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > _HEADER:
        return False
    with file.open("rb") as stream:
        stream.seek(8)
        try:
            header = json.loads(stream.read(length))
            ends = [facts["data_offsets"][1] for key, facts in header.items() if key[:2] != "__"]
            return bool(file.stat().st_size >= 8 + length + max(ends, default=0))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return False


def _sample(folder: Path, name: str) -> Shot | str:
    """Return what a picture's name says, or else its metadata; or why both say too little."""
    said = read_shot(name)
    if isinstance(said, Shot):
        return said
    data = bytes_in(folder, name)
    return (shot_of_adapter(name, data) if data else None) or said


def _read(
    files: Sequence[str],
    endings: Sequence[str],
    read: Callable[[str], Named | str],
    odd: list[tuple[str, str]],
) -> list[Named]:
    """Return what each name says; a name that says too little is noted with the reason."""
    understood: list[Named] = []
    for name in files:
        if not name.lower().endswith(tuple(endings)):
            continue
        said = read(name)
        if isinstance(said, str):
            odd.append((name, said))
        else:
            understood.append(said)
    return understood


def _one_run(files: list[Named], odd: list[tuple[str, str]]) -> list[Named]:
    """Return the files of the run that has most of them; those of other runs are noted."""
    counts = Counter(each.run for each in files if each.run)
    if len(counts) < 2:
        return files
    main = max(sorted(counts), key=lambda run: counts[run])
    for each in files:
        if each.run not in ("", main):
            odd.append((each.file, f"belongs to the run {each.run}, and most to {main}"))
    return [each for each in files if each.run in ("", main)]


def _unit(files: Sequence[Shot] | Sequence[Weights]) -> Unit:
    steps = sum(each.step is not None for each in files)
    return "step" if steps * 2 >= len(files) else "epoch"


def _at(each: Shot | Weights, unit: Unit) -> int | None:
    return each.step if unit == "step" else each.epoch


def _points(
    shots: Sequence[Shot],
    unit: Unit,
    asked: Asked,
    odd: list[tuple[str, str]],
    waiting: list[str],
) -> tuple[SeriesPoint, ...]:
    """Return the steps that have every sample that most steps have."""
    places: dict[int, dict[Key, Shot]] = {}
    for shot in shots:
        at = _at(shot, unit)
        if at is None:
            other = "epochs" if unit == "step" else "steps"
            odd.append((shot.file, f"counts in {other}, and the others in {unit}s"))
            continue
        _, listed = asked.get(shot.prompt, ("", None))
        seed = shot.seed if shot.seed is not None else listed or 0
        there = places.setdefault(at, {})
        before = there.get((shot.prompt, seed))
        if before is not None:
            older, shot = sorted((before, shot), key=lambda each: (each.when, each.file))
            odd.append((older.file, f"was drawn again later at {unit} {at}, as {shot.file}"))
        there[shot.prompt, seed] = shot
    wanted = _wanted(places)
    points = []
    for at, there in sorted(places.items()):
        if lacking := wanted - there.keys():
            have = len(wanted) - len(lacking)
            waiting.append(f"{unit} {at} has {have} of {len(wanted)} samples")
        else:
            points.append(SeriesPoint(at, {key: there[key] for key in wanted}))
    return tuple(points)


def _wanted(places: Mapping[int, Mapping[Key, Shot]]) -> frozenset[Key]:
    """Return the prompts and seeds that most steps have; of equally many, the larger set."""
    counts = Counter(frozenset(there) for there in places.values())
    return max(counts, key=lambda keys: (counts[keys], len(keys)), default=frozenset())


def _numbered(
    weights: Sequence[Weights], unit: Unit, odd: list[tuple[str, str]]
) -> tuple[tuple[int, Weights], ...]:
    """Return weights in order; the one without a number stands one step after the last."""
    places: dict[int, Weights] = {}
    for each in weights:
        at = _at(each, unit)
        if each.is_last:
            continue
        if at is None or at in places:
            why = f"counts otherwise than in {unit}s" if at is None else f"is a second {unit} {at}"
            odd.append((each.file, why))
        else:
            places[at] = each
    last = [each for each in weights if each.is_last]
    for extra in last[1:]:
        odd.append((extra.file, "has no number, and another file is the end of training"))
    if last and places:
        places[max(places) + 1] = last[0]
    elif last:
        odd.append((last[0].file, "says neither step nor epoch"))
    return tuple(sorted(places.items()))


def _asked(folder: Path, prompts: Path | None) -> Asked:
    """Return the prompts that the trainer drew, where they lie in the folder or are named."""
    if prompts is not None:
        return dict(_kohya_lines(prompts.read_text(encoding="utf-8-sig")))
    for name in _LISTS:
        if (folder / name).is_file():
            text = (folder / name).read_text(encoding="utf-8-sig", errors="replace")
            return dict(_kohya_lines(text))
    for name in _JOBS:
        if (folder / name).is_file():
            return _job(folder / name)
    return {}


def _kohya_lines(text: str) -> Iterator[tuple[str, tuple[str, int | None]]]:
    """Yield each prompt of a list: its number, its words, and the seed that its flag `d` gives."""
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(line for line in lines if line and not line.startswith("#")):
        words, *flags = re.split(r"\s--(?=[a-z])", f" {line}")
        seeds = [flag[1:].strip() for flag in flags if re.fullmatch(r"d\s+\d+\s*", flag)]
        yield str(number), (words.strip(), int(seeds[-1]) if seeds else None)


def _job(file: Path) -> Asked:
    """Return the prompts of an ai-toolkit job, each with its seed."""
    try:
        data = read_page(file).data
        sample = data["config"]["process"][0]["sample"]
        first, walks = int(sample.get("seed", 0)), bool(sample.get("walk_seed"))
        words = [each if isinstance(each, str) else each["prompt"] for each in sample["prompts"]]
    except (HarnessError, KeyError, TypeError, IndexError, ValueError, AttributeError):
        return {}
    return {
        str(number): (text, first + number if walks else first) for number, text in enumerate(words)
    }
