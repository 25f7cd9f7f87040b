"""An extractor beside the cache of its features: its network runs only for what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness import plugins
from harness.errors import MissingPrerequisite, ScoringError, StoreError
from harness.extractors.commits import commits_of
from harness.fingerprint import digest
from harness.halving import Halving
from harness.interfaces import ExtractorSpec, Network, Rows, StageContext
from harness.keys import described
from harness.pipeline.stages.feature_cache import FeatureCache, Features
from harness.pipeline.stages.feature_files import first_not_finite

TEXTS = 64
"""Prompts in one batch."""


@dataclass(frozen=True)
class ImageFile:
    """One image: its file, the digest of the file, and the prompt that it answers."""

    file: Path
    content: str
    text: str


class CachedExtractor:
    """One extractor and its cache; the network is loaded at the first image that is new."""

    def __init__(
        self, spec: ExtractorSpec, context: StageContext, network: Network | None = None
    ) -> None:
        self.spec = spec
        self.cache = FeatureCache(context.rows, digest(_identity(spec)))
        self._device = context.device
        self._network = network
        self._halving = Halving("pictures seen")

    @property
    def network(self) -> Network:
        if self._network is None:
            self._network = plugins.implementation(self.spec)(self.spec, self._device)
        return self._network

    def can_load(self) -> bool:
        """Return whether the network is installed; its own features step says why not."""
        try:
            return self.network is not None
        except MissingPrerequisite:
            return False

    def key(self, image: ImageFile) -> str:
        """Return the key of an image in the cache; the prompt counts if the extractor reads it."""
        return digest([image.content, image.text]) if self.spec.reads_prompt else image.content

    def missing(self, images: Sequence[ImageFile]) -> set[str]:
        """Return the keys of these images that are not in the cache."""
        keys = {self.key(image) for image in images}
        return keys - self.cache.holds(keys)

    def prepare(self, picture: Image.Image) -> Any:
        """Return what the network wants of one picture; several threads may call it."""
        split = self.network.split
        return picture if split is None else split.prepare(picture)

    def gather(self, inputs: Sequence[Any]) -> Any:
        """Return what the network wants of a batch."""
        split = self.network.split
        return inputs if split is None else split.gather(inputs)

    def extract(self, images: Sequence[ImageFile], gathered: Any) -> None:
        """Put the features of these images into the cache."""
        split = self.network.split
        if split is not None:
            return self._keep(images, split.compute(gathered))
        for seen, rows in self._halving.run(
            self._see_whole, list(zip(images, gathered, strict=True))
        ):
            self._keep(seen, rows)

    def _see_whole(
        self, batch: Sequence[tuple[ImageFile, Image.Image]]
    ) -> tuple[list[ImageFile], Rows]:
        images = [image for image, _ in batch]
        rows = self.network.see([picture for _, picture in batch], [each.text for each in images])
        return images, rows

    def _keep(self, images: Sequence[ImageFile], rows: Rows) -> None:
        self._refuse_not_finite(rows, [f"{each.file.name} ({each.text[:60]})" for each in images])
        self.cache.add(by_key([self.key(image) for image in images], rows))

    def extract_texts(self, images: Sequence[ImageFile]) -> None:
        """Put the features of every prompt into the cache that is not there."""
        texts = {_text_key(image.text): image.text for image in images}
        known = self.cache.holds(texts)
        new = [text for key, text in texts.items() if key not in known]
        for start in range(0, len(new), TEXTS):
            batch = new[start : start + TEXTS]
            assert self.network.read is not None
            rows = self.network.read(batch)
            self._refuse_not_finite(rows, [f"the prompt {text[:60]!r}" for text in batch])
            self.cache.add(by_key([_text_key(text) for text in batch], rows))

    def is_complete(self, images: Sequence[ImageFile]) -> bool:
        """Return whether the cache holds the features of all these images and their prompts."""
        wanted = self._wanted(images)
        return self.cache.holds(wanted) == wanted

    def _wanted(self, images: Sequence[ImageFile]) -> set[str]:
        texts = {_text_key(image.text) for image in images} if self.spec.reads_text else set()
        return {self.key(image) for image in images} | texts

    def _refuse_not_finite(self, rows: Rows, names: Sequence[str]) -> None:
        """Refuse features that are no numbers, by what they were made of; none is kept."""
        row = first_not_finite(rows)
        if row is not None:
            raise ScoringError(
                f"{self.spec.use} gives numbers that are not finite for {names[row]}",
                hint="its weights may be damaged, or its precision too low",
            )

    def features(self, images: Sequence[ImageFile]) -> dict[str, NDArray[np.float32]]:
        """Return the features of these images and their prompts, one array a name."""
        image_keys = [self.key(image) for image in images]
        text_keys = [_text_key(image.text) for image in images]
        cached = self.cache.get({*image_keys, *text_keys})
        if not cached.keys() >= self._wanted(images):
            raise StoreError("cached features were damaged while being read", hint="run again")
        rows = [
            cached[image] | cached.get(text, {})
            for image, text in zip(image_keys, text_keys, strict=True)
        ]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _identity(spec: ExtractorSpec) -> Any:
    """Return what features in a cache depend on: the spec, and the commits that are kept here."""
    commits = commits_of(spec)
    return [described(spec), commits] if commits else described(spec)


def by_key(keys: Sequence[str], rows: Mapping[str, NDArray[np.float32]]) -> dict[str, Features]:
    """Return arrays with a row a key as the cache keeps them: by key, then by name."""
    return {
        key: {name: values[row] for name, values in rows.items()} for row, key in enumerate(keys)
    }


def _text_key(text: str) -> str:
    return f"text:{digest(text)}"
