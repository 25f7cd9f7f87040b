"""Emoji families: one artist's drawings of things that other artists drew too, as pictures."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

SIDE = 256
MARGIN = 16
"""What a network that looks at the middle 7/8 does not see stays white."""
SKIN = "skin-tone"


@dataclass(frozen=True)
class Family:
    """One artist's package."""

    name: str
    package: str
    title: str
    author: str
    licence: str
    source: str
    drawings: Mapping[str, str]
    """What is drawn → the inside of its SVG."""
    size: tuple[int, int]

    def svg(self, concept: str) -> str:
        width, height = self.size
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        links = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f"{head} {links}>{self.drawings[concept]}</svg>"


PACKAGES = {
    "noto": "@iconify-json/noto@1.2.9",
    "noto-v1": "@iconify-json/noto-v1@1.2.5",
    "fluent": "@iconify-json/fluent-emoji@1.2.7",
    "fluent-flat": "@iconify-json/fluent-emoji-flat@1.2.6",
    "twemoji": "@iconify-json/twemoji@1.2.5",
    "emojione": "@iconify-json/emojione@1.2.3",
}
WORDS = "emojilib@4.0.3"
"""The package of words a concept."""


def fetch(cache: Path) -> None:
    """Bring the packages that `cache` lacks, with npm."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in (*PACKAGES.values(), WORDS):
        if not (cache / archive_of(package)).is_file():
            subprocess.run(["npm", "pack", "--silent", package], cwd=cache, check=True)


def archive_of(package: str) -> str:
    """Return the name that `npm pack` gives a package's file."""
    name, _, version = package.rpartition("@")
    return f"{name.strip('@').replace('/', '-')}-{version}.tgz"


def read_family(name: str, cache: Path) -> Family:
    """Return a family from its package in `cache`."""
    package = PACKAGES[name]
    icons, info = (_member(cache, package, f"package/{file}.json") for file in ("icons", "info"))
    whole = (icons.get("width", 16), icons.get("height", 16))
    drawings = {
        concept: drawing["body"]
        for concept, drawing in icons["icons"].items()
        if (drawing.get("width", whole[0]), drawing.get("height", whole[1])) == whole
    }
    author, licence = info["author"], info["license"]
    return Family(
        name, package, info["name"], author["name"], licence["spdx"], author["url"], drawings, whole
    )


def read_words(cache: Path) -> dict[str, frozenset[str]]:
    """Return the words of each concept: what it is called, and what it is looked up by."""
    characters = _member(cache, PACKAGES["noto"], "package/chars.json")
    words = _member(cache, WORDS, "package/dist/emoji-en-US.json")
    plain = {character.replace("\ufe0f", ""): said for character, said in words.items()}
    found: dict[str, frozenset[str]] = {}
    for code, concept in characters.items():
        character = "".join(chr(int(part, 16)) for part in code.split("-"))
        said = plain.get(character.replace("\ufe0f", ""))
        if said is not None:
            found[concept] = frozenset(said) | frozenset(concept.split("-"))
    return found


def shared_concepts(families: Sequence[Family], words: Mapping[str, frozenset[str]]) -> list[str]:
    """Return what every family drew, without skin tones, flags and what has no words."""
    everywhere = set.intersection(*(set(family.drawings) for family in families))
    return sorted(
        concept
        for concept in everywhere & set(words)
        if SKIN not in concept and not concept.startswith("flag-")
    )


def draw(family: Family, concept: str) -> Image.Image:
    """Return a drawing on white."""
    import resvg_py

    inner = SIDE - 2 * MARGIN
    data = bytes(resvg_py.svg_to_bytes(svg_string=family.svg(concept), width=inner, height=inner))
    with Image.open(io.BytesIO(data)) as drawn:
        layer = drawn.convert("RGBA")
    canvas = Image.new("RGBA", (SIDE, SIDE), "white")
    canvas.alpha_composite(layer, ((SIDE - layer.width) // 2, (SIDE - layer.height) // 2))
    return canvas.convert("RGB")


def _member(cache: Path, package: str, name: str) -> Any:
    with tarfile.open(cache / archive_of(package)) as archive:
        file = archive.extractfile(name)
        assert file is not None, f"{package} has no {name}"
        return json.load(file)
