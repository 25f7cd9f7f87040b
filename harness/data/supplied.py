"""Images that were made elsewhere: which are expected, and which prompt each one answers."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

from harness.data import prompt_weights
from harness.data.generation_metadata import GenerationMetadata, UnreadableMetadata, read_metadata
from harness.data.image_folders import (
    ENDINGS,
    bytes_in,
    content_of,
    images_below,
    numbered,
    spelled,
    unusable,
)
from harness.errors import PageError, Problem, UsageError
from harness.files import is_folder, is_inside, is_regular, read_regular
from harness.fingerprint import digest
from harness.pages.benchmark import Judgement
from harness.pages.stages import SuppliedImage, SuppliedSpec

RULES = 2
"""The version of the rules by which files become pictures; 1 lost 16 bits and alpha."""
_FILE = ("file", "file_name", "image", "path")
_PROMPT = ("prompt", "text", "caption")
_LARGEST_LIST = 64_000_000
"""Bytes that a list of prompts may have."""
_SEEDS = 2**63
_Listed = tuple[str, str, int | None, str]
"""File, prompt id, seed where it is known, and prompt of one image in a list."""


def read_supplied(folder: Path, prompts: Path | None, judgement: Judgement) -> SuppliedSpec:
    """Return what is expected of `folder`.

    A prompts file is CSV or JSON lines with the columns file and prompt, and, where known,
    prompt_id and seed; or a .txt with one prompt a line for the images in order of name.
    Without one, the benchmark's own names count; where none is there, the images' metadata.
    Metrics see no weights, where the benchmark's style of prompts has them. A benchmark without
    prompts takes every image, as large as its reference.
    """
    benchmark = judgement.benchmark
    weighted = benchmark.sampler is not None and benchmark.sampler.prompt_style == "webui"
    shown = prompt_weights.plain if weighted else str
    if not is_folder(folder):
        raise UsageError(f"there is no folder {folder}", hint="give --images a folder of images")
    real = benchmark.reference
    square = real.resolution if real is not None and benchmark.judges_pictures else None
    if prompts is not None:
        named = [
            (name, prompt_id, seed, shown(text))
            for name, prompt_id, seed, text in _numbered(_named(folder, prompts), prompts)
        ]
        return _spec(folder, _listed(folder, named, prompts), square=square)
    if benchmark.judges_pictures:
        return _spec(folder, numbered(folder), square=square)
    own = [
        (f"{prompt.id}_{seed}.png", prompt.id, seed, shown(prompt.text))
        for prompt in judgement.prompts
        for seed in judgement.benchmark.seeds
    ]
    if any(is_regular(folder / name) for name, *_ in own):
        return _spec(folder, _listed(folder, own, folder), as_asked=True)
    return _spec(folder, _described_by_metadata(folder, own[0][0]))


def _spec(
    folder: Path,
    entries: tuple[SuppliedImage, ...],
    as_asked: bool = False,
    square: int | None = None,
) -> SuppliedSpec:
    return SuppliedSpec(
        folder=str(folder), as_asked=as_asked, rules=RULES, square=square, entries=entries
    )


def _named(folder: Path, prompts: Path) -> list[_Listed]:
    if not is_regular(prompts):
        raise UsageError(f"there is no file {prompts}", hint="give --prompts a CSV, JSONL or TXT")
    if prompts.suffix == ".txt":
        return _lines(folder, prompts)
    return [_entry(prompts, line, row) for line, row in _rows(prompts)]


def _listed(
    folder: Path, named: list[tuple[str, str, int, str]], where: Path
) -> tuple[SuppliedImage, ...]:
    """Return the images of a list in its order; refuse names outside, and a list of none."""
    names = [name for name, *_ in named]
    if not names:
        raise UsageError(f"{where} names no image", hint="one line an image")
    for name in names:
        if not is_inside(folder, folder / name):
            raise UsageError(
                f"{where} names {name!r}, which lies outside {folder}",
                hint="give file names relative to --images",
            )
    if not any(is_regular(folder / name) for name in names):
        raise UsageError(
            f"none of the {len(names)} expected images is in {folder}",
            hint=f"the first would be {names[0]}",
        )
    return tuple(
        SuppliedImage(
            file=name,
            prompt_id=prompt_id,
            seed=seed,
            text=text,
            content=content_of(name, bytes_in(folder, name)),
        )
        for name, prompt_id, seed, text in named
    )


def bytes_as_planned(folder: Path, asked: SuppliedImage) -> bytes | None:
    """Return the bytes of an image, None where it has none; refuse others than were planned.

    The digest that was planned is part of a key, so other bytes must not be kept under it.
    """
    data = bytes_in(folder, asked.file)
    if content_of(asked.file, data) != asked.content:
        raise UsageError("changed while being read", where=asked.file, hint="run again")
    return data


def _described_by_metadata(folder: Path, own: str) -> tuple[SuppliedImage, ...]:
    """Return every image below `folder` with what it says of itself, in an order of content."""
    read: list[tuple[str, str, GenerationMetadata]] = []
    unread: list[tuple[str, str, str]] = []
    for name in sorted(images_below(folder)):
        data = bytes_in(folder, name)
        content = content_of(name, data)
        try:
            read.append((content, name, _metadata_of(folder, name, data)))
        except UnreadableMetadata as reason:
            unread.append((reason.what, content, spelled(name)))
    if not read:
        said = f"; {unread[0][2]} {unread[0][0]}" if unread else ""
        raise UsageError(
            f"{folder} has no image of the benchmark's own names, such as {own}, and none of its "
            f"{len(unread)} images says in its metadata what it was asked for{said}",
            hint="give --prompts a CSV with the columns file and prompt",
        )
    left_out = [
        SuppliedImage(
            file=name, prompt_id="unknown", seed=number, text="", content=content, reason=reason
        )
        for number, (reason, content, name) in enumerate(sorted(unread))
    ]
    return (*_told_apart(read), *left_out)


def _metadata_of(folder: Path, name: str, data: bytes | None) -> GenerationMetadata:
    if (reason := unusable(folder, name)) is not None:
        raise UnreadableMetadata(reason)
    return read_metadata(data or b"")


def _told_apart(read: list[tuple[str, str, GenerationMetadata]]) -> list[SuppliedImage]:
    """Give images of one prompt and seed, or without a seed, the next free seed, by content."""
    images: list[SuppliedImage] = []
    seeds = FreeSeeds()
    again: list[SuppliedImage] = []
    for content, name, said in sorted(read, key=lambda each: each[0]):
        image = SuppliedImage(
            file=name,
            prompt_id=_id(said.text),
            seed=said.seed or 0,
            text=said.text,
            content=content,
        )
        if said.seed is not None and seeds.take(image.prompt_id, image.seed):
            images.append(image)
        else:
            again.append(image)
    for image in again:
        seed = seeds.take_next(image.prompt_id, image.seed)
        images.append(image.model_copy(update={"seed": seed}))
    return sorted(images, key=lambda image: (image.prompt_id, image.seed, image.content))


def _numbered(entries: list[_Listed], where: Path) -> list[tuple[str, str, int, str]]:
    """Give each image without a seed the next free number of its prompt; refuse repeats."""
    seeds, names = FreeSeeds(), set[str]()
    numbered = []
    for name, prompt_id, given, text in entries:
        is_new = given is None or seeds.take(prompt_id, given)
        if name in names or not is_new:
            what = name if name in names else f"{text!r} seed {given}"
            raise UsageError(f"{where} names {what} twice", hint="each image counts once")
        names.add(name)
        seed = seeds.take_next(prompt_id, 0) if given is None else given
        numbered.append((name, prompt_id, seed, text))
    _refuse_two_texts(numbered, where)
    return numbered


def _refuse_two_texts(entries: list[tuple[str, str, int, str]], where: Path) -> None:
    """Refuse a list in which one prompt id stands for two prompts."""
    known: dict[str, str] = {}
    for _, prompt_id, _, text in entries:
        if known.setdefault(prompt_id, text) != text:
            raise UsageError(
                f"{where} gives the prompt_id {prompt_id} to {known[prompt_id]!r} and to {text!r}",
                hint="one id is one prompt",
            )


class FreeSeeds:
    """The seeds that are taken of each prompt; the next free one is found without a search.

    Each taken seed points at one after it that was free when it was last asked.
    """

    def __init__(self) -> None:
        self._after: dict[tuple[str, int], int] = {}

    def take(self, prompt_id: str, seed: int) -> bool:
        """Take a seed of a prompt; return whether it was free."""
        if (prompt_id, seed) in self._after:
            return False
        self._after[prompt_id, seed] = (seed + 1) % _SEEDS
        return True

    def take_next(self, prompt_id: str, seed: int) -> int:
        """Take the first free seed from `seed` on, and return it."""
        passed = []
        while (after := self._after.get((prompt_id, seed))) is not None:
            passed.append(seed)
            seed = after
        for each in passed:
            self._after[prompt_id, each] = seed
        self.take(prompt_id, seed)
        return seed


def _lines(folder: Path, prompts: Path) -> list[_Listed]:
    texts = [line for line in _text(prompts).splitlines() if line.strip()]
    images = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in ENDINGS)
    if len(images) != len(texts):
        raise UsageError(
            f"{prompts} has {len(texts)} prompts for {len(images)} images in {folder}",
            hint="one prompt a line, in order of the images' names",
        )
    return [(name, _id(text), None, text) for name, text in zip(images, texts, strict=True)]


def _rows(prompts: Path) -> list[tuple[int, dict[str, Any]]]:
    text = _text(prompts)
    if prompts.suffix in (".jsonl", ".ndjson"):
        rows = []
        for number, line in enumerate(text.split("\n"), 1):
            try:
                row = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError):
                raise _broken(prompts, number, "is not a JSON object") from None
            if isinstance(row, dict):
                rows.append((number, row))
            elif line.strip():
                raise _broken(prompts, number, "is not a JSON object")
        return rows
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        return [
            (number, {key.strip(): value for key, value in row.items() if key})
            for number, row in enumerate(reader, 2)
        ]
    except csv.Error as error:
        raise _broken(prompts, reader.line_num, f"is not CSV: {error}") from None


def _text(prompts: Path) -> str:
    try:
        data = read_regular(prompts, _LARGEST_LIST)
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise _broken(prompts, 1, "is not UTF-8 text") from None
    except OSError as error:
        raise _broken(prompts, 1, f"cannot be read: {error.strerror}") from None


def _entry(prompts: Path, line: int, row: dict[str, Any]) -> _Listed:
    words = {}
    for column, keys in (("file", _FILE), ("prompt", _PROMPT)):
        found = next((str(row[key]) for key in keys if _says(row.get(key))), None)
        if found is None:
            there = ", ".join(map(str, row)) or "nothing"
            raise _broken(prompts, line, f"has no {column}; it has {there[:200]}")
        words[column] = found
    name, text = words["file"], words["prompt"]
    prompt_id = str(row["prompt_id"]) if _says(row.get("prompt_id")) else None
    if "\0" in name:
        raise _broken(prompts, line, "has a file name with a null character")
    if any(spelled(each) != each for each in (name, text, prompt_id or "")):
        raise _broken(prompts, line, "holds half a character (a lone surrogate)")
    return name, prompt_id or _id(text), _seed(prompts, line, row.get("seed")), text


def _says(value: Any) -> bool:
    """Return whether a cell holds words; true, a list or an object are none."""
    return bool(value) and isinstance(value, str | int | float) and not isinstance(value, bool)


def _seed(prompts: Path, line: int, value: Any) -> int | None:
    """Return the seed of a row; what is no whole number is refused and never rounded."""
    if value is None or value == "":
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, float) and value.is_integer():
        whole = True
    if isinstance(value, str):
        whole = re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value) is not None
    if not whole:
        raise _broken(prompts, line, f"has the seed {str(value)[:40]!r}, which is no whole number")
    seed = int(value)
    if not 0 <= seed < _SEEDS:
        raise _broken(prompts, line, f"has the seed {str(seed)[:40]}, which is not below 2^63")
    return seed


def _broken(prompts: Path, line: int, message: str) -> PageError:
    return PageError([Problem(str(prompts), line, "", message, "columns: file, prompt")])


def _id(text: str) -> str:
    """Return an id for a prompt that has none; equal prompts are one prompt."""
    return f"p{digest(text)[:10]}"
