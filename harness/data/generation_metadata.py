"""What generators write into their pictures: the prompt and the seed.

Known are A1111 (so Forge and SD.Next), ComfyUI, InvokeAI, NovelAI, Fooocus and SwarmUI. Only
text is read here, never a pixel. A file may hold anything: what is not understood says why.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from harness.data.opening import image_of, open_image
from harness.errors import ScoringError

_FORMATS = ("PNG", "JPEG", "WEBP")
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow and json raise where a file's bytes are not what they claim to be."""
_LARGEST_CHUNK = 4 << 20
_LONGEST_PROMPT = 10_000
_SEEDS = 2**63


class UnreadableMetadata(ScoringError):
    """A picture does not say what it was asked for; `what` goes on where its name stops."""


@dataclass(frozen=True)
class GenerationMetadata:
    """What a picture says of itself."""

    text: str
    """The prompt in plain words, as CLIP may see it."""
    seed: int | None
    """Below 2^63; a generator's larger one is taken modulo 2^63."""


def read_metadata(file: Path | bytes) -> GenerationMetadata:
    """Return what the metadata of a file says, or of its bytes."""
    try:
        if isinstance(file, bytes):
            info = dict(image_of(file, formats=_FORMATS).info)
        else:
            with open_image(file, formats=_FORMATS) as image:
                info = dict(image.info)
    except _BROKEN as error:
        if "too large" in str(error):
            raise UnreadableMetadata("has a text chunk that is too large to unpack") from None
        raise UnreadableMetadata("cannot be read as PNG, JPEG or WebP") from None
    return decipher(info)


def decipher(info: Mapping[Any, Any]) -> GenerationMetadata:
    """Return what Pillow's `info` says: the first of the known inscriptions that can be read."""
    chunks = _exif(info.get("exif")) | {
        key: _mended(value) for key, value in info.items() if isinstance(value, str)
    }
    reasons = []
    for key, read in _READERS.items():
        if key not in chunks:
            continue
        try:
            if len(chunks[key]) > _LARGEST_CHUNK:
                raise UnreadableMetadata(
                    f"has more than {_LARGEST_CHUNK >> 20} MiB of {key!r} metadata"
                )
            return read(chunks)
        except UnreadableMetadata as reason:
            reasons.append(reason)
        except RecursionError:
            reasons.append(UnreadableMetadata(f"has {key!r} metadata that is nested too deeply"))
    raise reasons[0] if reasons else UnreadableMetadata("carries no prompt")


def plain_words(prompt: str) -> str:
    """Return a prompt of A1111 or ComfyUI without networks, weights, edits and escapes."""
    text = _NETWORK.sub(" ", prompt)
    text = _EDIT.sub(lambda edit: f"[{_AMONG.sub(' ', _WHEN.sub('', edit[1]))}]", text)
    text = _MARK.sub(lambda mark: mark[1] or "", text)
    return _COMMAS.sub(", ", " ".join(text.split())).strip(" ,")


_NETWORK = re.compile(r"<\w+:[^<>]+>|\bembedding:[^\s,:()]+|\bBREAK\b")
_EDIT = re.compile(r"(?<!\\)\[([^\[\]\\]*)\]")
"""`[from:to:when]` and `[one|other]`: words that were swapped while the picture was drawn."""
_WHEN = re.compile(r":\s*[\d.]+\s*$")
_AMONG = re.compile(r"[:|]")
_MARK = re.compile(r"\\(.?)|:\s*[+-]?[\d.]+\s*(?=\))|[()\[\]]", re.DOTALL)
_COMMAS = re.compile(r" ?,[ ,]*")


def _metadata_of(
    prompt: Any, seed: Any, plain: Callable[[str], str] = plain_words
) -> GenerationMetadata:
    if not isinstance(prompt, str):
        raise UnreadableMetadata("has metadata without a prompt")
    if len(prompt) > _LONGEST_PROMPT:
        raise UnreadableMetadata(f"has a prompt of more than {_LONGEST_PROMPT} characters")
    text = plain(prompt.replace("\0", " ").encode("utf-8", "replace").decode("utf-8"))
    if not text:
        raise UnreadableMetadata("has a prompt without words")
    return GenerationMetadata(text, _number(seed))


def _number(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,20}\s*", value):
        return int(value) % _SEEDS
    if isinstance(value, float) and value.is_integer():
        return int(value) % _SEEDS
    return value % _SEEDS if isinstance(value, int) and not isinstance(value, bool) else None


def _document(text: str, key: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise UnreadableMetadata(f"has {key!r} metadata that is broken JSON") from None
    if not isinstance(document, dict):
        raise UnreadableMetadata(f"has {key!r} metadata that is no JSON object")
    return document


def _read_parameters(chunks: Mapping[str, str]) -> GenerationMetadata:
    text = chunks["parameters"]
    settings = [line.start() for line in _SETTINGS.finditer(text)]
    if settings:
        seed = _SEED.search(text, settings[-1])
        return _metadata_of(_NEGATIVE.split(text[: settings[-1]])[0], seed and seed[1])
    if not text.lstrip().startswith("{"):
        raise UnreadableMetadata("has 'parameters' metadata without a line of steps")
    document = _document(text, "parameters")
    inner = document.get("sui_image_params", document.get("prompt"))
    if isinstance(inner, str) and inner.lstrip().startswith('{"'):
        inner = _document(inner, "prompt")
    for each in (document, inner):
        if isinstance(each, dict) and _nodes(each):
            return _read_graph(_nodes(each))
    flat = inner if isinstance(inner, dict) else document
    lowered = {key.lower(): value for key, value in flat.items()}
    return _metadata_of(lowered.get("prompt"), lowered.get("seed"))


_SETTINGS = re.compile(r"^Steps: ?\d+,", re.MULTILINE)
_NEGATIVE = re.compile(r"^Negative prompt:", re.MULTILINE)
_SEED = re.compile(r"(?:^|, ?)Seed: ?(-?[0-9]{1,20})(?![0-9])", re.MULTILINE)


def _read_prompt(chunks: Mapping[str, str]) -> GenerationMetadata:
    return _read_graph(_nodes(_document(chunks["prompt"], "prompt")))


def _read_invoke(chunks: Mapping[str, str]) -> GenerationMetadata:
    document = _document(chunks["invokeai_metadata"], "invokeai_metadata")

    def plain(prompt: str) -> str:
        return plain_words(re.sub(r"(?<=[\w)])(?:[+-]+|(?<=\))[\d.]+)(?=[\s,)]|$)", "", prompt))

    return _metadata_of(document.get("positive_prompt"), document.get("seed"), plain)


def _read_comment(chunks: Mapping[str, str]) -> GenerationMetadata:
    if not chunks["Comment"].lstrip().startswith("{"):
        raise UnreadableMetadata("carries no prompt")
    document = _document(chunks["Comment"], "Comment")

    def plain(prompt: str) -> str:
        return plain_words(re.sub(r"[{}]|-?(?:\b\d[\d.]*)?::", " ", prompt))

    prompt = document.get("prompt", chunks.get("Description"))
    return _metadata_of(prompt, document.get("seed"), plain)


_READERS: dict[str, Callable[[Mapping[str, str]], GenerationMetadata]] = {
    "parameters": _read_parameters,
    "invokeai_metadata": _read_invoke,
    "prompt": _read_prompt,
    "Comment": _read_comment,
}
"""By the chunk that tells the generator, the surest first: A1111's words need no guess."""


@dataclass(frozen=True)
class _Node:
    """One node of a ComfyUI graph: its values, and which nodes it reads under which names."""

    kind: str
    values: dict[str, Any]
    links: dict[str, str]


_Graph = dict[str, _Node]
_DRAWN_FROM = ("positive", "conditioning", "guider", "pipe")
_SEEDED = ("seed", "noise_seed", "noise")
_WORDS = re.compile(
    r"|(populated_|positive_)?(text|string|prompt|positive|value)(_?[a-z0-9]|_positive)?"
    r"|clip_[gl]|t5xxl|conditioning(_?\w+)?|guider|pipe|(any|input)_?\d*"
)
"""Inputs through which words come to a sampler; a reroute's has no name."""


def _nodes(document: dict[str, Any]) -> _Graph:
    nodes = {
        str(name): node
        for name, node in document.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node
    }
    graph = {}
    for name, node in nodes.items():
        linked = {
            key: str(value[0])
            for key, value in node["inputs"].items()
            if isinstance(value, list) and len(value) == 2 and str(value[0]) in nodes
        }
        graph[name] = _Node(str(node["class_type"]).lower(), node["inputs"], linked)
    return graph


def _read_graph(graph: _Graph) -> GenerationMetadata:
    """Return the prompt and seed of the first samplers on the way to what is saved.

    Later ones refine, upscale and mend what the first have drawn. Where several first samplers
    draw from unlike words it is not known which of them drew this picture.
    """
    if not graph:
        raise UnreadableMetadata("has 'prompt' metadata that is no graph of ComfyUI")
    firsts = _first_samplers(graph)
    texts = {name: _sampled(graph, name) for name in firsts}
    told = {name: text for name, text in texts.items() if text}
    if not told:
        raise UnreadableMetadata("has a graph whose prompt is not written in it")
    if len(set(told.values())) > 1:
        raise UnreadableMetadata("has a graph that draws from several prompts")
    name = next(iter(told))
    return _metadata_of(told[name], _seed(graph, name, set()))


def _first_samplers(graph: _Graph) -> list[str]:
    saved = [name for name, node in graph.items() if "save" in node.kind]
    shown = [name for name, node in graph.items() if "preview" in node.kind]
    ways = {name: set(node.links.values()) for name, node in graph.items()}
    here = _reached(saved or shown or graph, ways)
    drawn = [name for name in graph if name in here and _has(graph[name], _DRAWN_FROM)]
    samplers = [name for name in drawn if _has(graph[name], _SEEDED)]
    samplers = samplers or [name for name in drawn if "positive" in graph[name].values]
    if not samplers:
        raise UnreadableMetadata("has a graph without a sampler")
    users: dict[str, set[str]] = {name: set() for name in graph}
    for name, sources in ways.items():
        for source in sources:
            users[source].add(name)
    later = _reached({user for name in samplers for user in users[name]}, users)
    firsts = [name for name in samplers if name not in later]
    if not firsts:
        raise UnreadableMetadata("has a graph that runs in a circle")
    return firsts


def _has(node: _Node, names: tuple[str, ...]) -> bool:
    return any(name in node.values for name in names)


def _reached(starts: Iterable[str], ways: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(ways[name])
    return reached


def _sampled(graph: _Graph, sampler: str) -> str:
    node = graph[sampler]
    key = next(key for key in _DRAWN_FROM if key in node.values)
    if isinstance(node.values[key], str):
        return str(node.values[key])
    return _words(graph, node.links[key], {sampler}) if key in node.links else ""


def _words(graph: _Graph, name: str, seen: set[str]) -> str:
    """Return the words that come out of a node; those of several inputs are joined."""
    if name in seen:
        return ""
    seen.add(name)
    node = graph[name]
    parts = []
    for key in sorted(key for key in node.values if _WORDS.fullmatch(key)):
        if isinstance(node.values[key], str):
            parts.append(node.values[key])
        elif key in node.links:
            parts.append(_words(graph, node.links[key], seen))
    between = node.values.get("delimiter")
    told = dict.fromkeys(part for part in parts if part.strip())
    return (between if isinstance(between, str) else ", ").join(told)


def _seed(graph: _Graph, name: str, seen: set[str]) -> int | None:
    if name in seen:
        return None
    seen.add(name)
    node = graph[name]
    for key in (*_SEEDED, "value", "int", "number", "pipe"):
        told = node.values.get(key)
        seed = _seed(graph, node.links[key], seen) if key in node.links else _number(told)
        if seed is not None:
            return seed
    return None


def _exif(block: Any) -> dict[str, str]:
    """Return what an EXIF block says, under the names of the chunks that a PNG would have."""
    if not isinstance(block, bytes):
        return {}
    texts = {}
    exif = Image.Exif()
    try:
        exif.load(block)
        comment = exif.get(0x9286) or exif.get_ifd(0x8769).get(0x9286)
        camera = [exif.get(tag) for tag in (0x010E, 0x010F, 0x0110)]
    except _BROKEN:
        return {}
    if isinstance(comment, bytes | str) and comment:
        texts["parameters"] = comment if isinstance(comment, str) else _comment(comment)
    for value in camera:  # ComfyUI's WebP says `prompt:{…}` where the camera's make would stand
        if isinstance(value, str) and value.lower().startswith("prompt:"):
            texts["prompt"] = value[len("prompt:") :]
    return texts


def _comment(value: bytes) -> str:
    """Return the text of an EXIF UserComment, whose byte order is not agreed upon."""
    prefix, body = value[:8], value[8:]
    if prefix in (b"ASCII\0\0\0", b"\0" * 8):
        return body.decode("utf-8", "replace").strip("\0 ")
    if prefix != b"UNICODE\0":
        return value.decode("utf-8", "replace").strip("\0 ")
    readings = [body.decode(f"utf-16-{order}", "replace") for order in ("be", "le")]
    most = max(readings, key=lambda text: sum(letter.isascii() for letter in text))
    return most.strip("\ufeff\0 ")


def _mended(text: str) -> str:
    """Return UTF-8 that a PNG has declared as Latin-1 as what was meant."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
