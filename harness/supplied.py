"""Images that were made elsewhere: which are expected, and which prompt each one answers."""

from __future__ import annotations

import csv
import io
import json
from itertools import count
from pathlib import Path
from typing import Any

from harness.benchmark import Judgement
from harness.errors import PageError, Problem, UsageError
from harness.fingerprint import digest, digest_file
from harness.steps import SuppliedSpec

_FILE = ("file", "file_name", "image", "path")
_PROMPT = ("prompt", "text", "caption")
_Named = tuple[str, str, int | None, str]
"""File, prompt id, seed where it is known, and prompt of one image."""


def read_supplied(folder: Path, prompts: Path | None, judgement: Judgement) -> SuppliedSpec:
    """Return what is expected of `folder`; without a prompts file, the benchmark's own names.

    A prompts file is CSV or JSON lines with the columns file and prompt, and, where known,
    prompt_id and seed; or a .txt with one prompt a line for the images in order of name.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="give --images a folder of images")
    if prompts is None:
        named: list[_Named] = [
            (f"{prompt.id}_{seed}.png", prompt.id, seed, prompt.text)
            for prompt in judgement.prompts
            for seed in judgement.benchmark.seeds
        ]
    elif not prompts.is_file():
        raise UsageError(f"there is no file {prompts}", hint="give --prompts a CSV, JSONL or TXT")
    elif prompts.suffix == ".txt":
        named = _lines(folder, prompts)
    else:
        named = [_entry(prompts, line, row) for line, row in _rows(prompts)]
    entries = _numbered(named, prompts or folder)
    names = [name for name, *_ in entries]
    if not names:
        raise UsageError(f"{prompts} names no image", hint="one line an image")
    for name in names:
        if not _within(folder, name):
            raise UsageError(
                f"{prompts} names {name!r}, which lies outside {folder}",
                hint="give file names relative to --images",
            )
    here = [name for name in names if (folder / name).is_file()]
    if not here:
        raise UsageError(
            f"none of the {len(names)} expected images is in {folder}",
            hint=f"the first would be {names[0]}",
        )
    content = digest([[name, digest_file(folder / name)] for name in sorted(here)])
    return SuppliedSpec(
        folder=str(folder), as_asked=prompts is None, entries=tuple(entries), content=content
    )


def _numbered(entries: list[_Named], where: Path) -> list[tuple[str, str, int, str]]:
    """Give each image without a seed the next free number of its prompt; refuse repeats."""
    taken: set[object] = set()
    numbered = []
    for name, prompt_id, given, text in entries:
        seed = given
        if seed is None:
            seed = next(number for number in count() if (prompt_id, number) not in taken)
        for each in (name, (prompt_id, seed)):
            if each in taken:
                raise UsageError(
                    f"{where} names {each if isinstance(each, str) else f'{text!r} seed {seed}'} "
                    "twice", hint="each image counts once",
                )  # fmt: skip
            taken.add(each)
        numbered.append((name, prompt_id, seed, text))
    return numbered


def _within(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve())


def _lines(folder: Path, prompts: Path) -> list[_Named]:
    texts = [line for line in _text(prompts).splitlines() if line.strip()]
    images = sorted(
        file.name for file in folder.iterdir()
        if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp")
    )  # fmt: skip
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
        for number, line in enumerate(text.splitlines(), 1):
            try:
                if line.strip():
                    rows.append((number, dict(json.loads(line))))
            except (ValueError, TypeError):
                raise _broken(prompts, number, "is not a JSON object") from None
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
        return prompts.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _broken(prompts, 1, "is not UTF-8 text") from None


def _entry(prompts: Path, line: int, row: dict[str, Any]) -> _Named:
    name = next((str(row[key]) for key in _FILE if row.get(key)), None)
    text = next((str(row[key]) for key in _PROMPT if row.get(key)), None)
    if name is None or text is None:
        missing = "file" if name is None else "prompt"
        raise _broken(prompts, line, f"has no {missing}; it has {', '.join(row) or 'nothing'}")
    if "\0" in name:
        raise _broken(prompts, line, "has a file name with a null character")
    try:
        seed = None if row.get("seed") in (None, "") else int(row["seed"])
    except (ValueError, TypeError):
        raise _broken(prompts, line, f"has the seed {row['seed']!r}, not a number") from None
    if seed is not None and not 0 <= seed < 2**63:
        raise _broken(prompts, line, f"has the seed {seed}, which is not below 2^63")
    return name, str(row.get("prompt_id") or _id(text)), seed, text


def _broken(prompts: Path, line: int, message: str) -> PageError:
    return PageError([Problem(str(prompts), line, "", message, "columns: file, prompt")])


def _id(text: str) -> str:
    """Return an id for a prompt that has none; equal prompts are one prompt."""
    return f"p{digest(text)[:10]}"
