"""Which step of a training a picture was drawn by, where its metadata names the adapter's file.

A1111 writes `<lora:ink-000010:0.8>` into the prompt, ComfyUI the file into its graph.
"""

from __future__ import annotations

import re

from harness.data.generation_metadata import UnreadableMetadata, read_metadata
from harness.data.opening import image_of
from harness.data.series_names import WEIGHTS, Shot, read_weights
from harness.errors import HarnessError
from harness.fingerprint import digest

_IN_A_PROMPT = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})[:>]")
_IN_A_GRAPH = re.compile(r'"lora_name"\s*:\s*"([^"\\]{1,200})"')
_CHUNKS = ("parameters", "prompt")
_LONGEST = 4 << 20


def shot_of_adapter(file: str, data: bytes) -> Shot | None:
    """Return a picture's step by the one numbered adapter that its metadata names, if it does."""
    try:
        chunks = dict(image_of(data, formats=("PNG", "JPEG", "WEBP")).info)
        said = read_metadata(data)
    except (UnreadableMetadata, HarnessError, OSError, ValueError):
        return None
    texts = [chunks[key] for key in _CHUNKS if isinstance(chunks.get(key), str)]
    text = "\n".join(each for each in texts if len(each) <= _LONGEST)
    names = {*_IN_A_PROMPT.findall(text), *_IN_A_GRAPH.findall(text)}
    read = (read_weights(_as_file(name)) for name in names)
    numbered = [each for each in read if not isinstance(each, str) and not each.is_last]
    if len(numbered) != 1:
        return None
    [weights] = numbered
    return Shot(
        file=file,
        convention="the adapter that its metadata names",
        step=weights.step,
        epoch=weights.epoch,
        prompt=f"p{digest(said.text)[:10]}",
        seed=said.seed,
        text=said.text,
        run=weights.run,
    )


def _as_file(name: str) -> str:
    own = name.replace("\\", "/").rsplit("/", 1)[-1]
    return own if own.endswith(WEIGHTS) else f"{own}{WEIGHTS}"
