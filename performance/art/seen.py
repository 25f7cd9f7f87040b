"""Features of drawings, kept by family, extractor and damage, so that a new trial draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from art.families import Family, draw
from harness import plugins
from harness.interfaces import Array, ExtractorSpec
from harness.keys import extractor_name
from harness.pages.stages import Treatment
from harness.pipeline.stages.treat import spoil

BATCH = 16
PLAIN: Treatment = "none"


class Seen:
    """Looks at drawings through extractors; what it saw once it reads from `folder`."""

    def __init__(self, folder: Path, families: Mapping[str, Family]) -> None:
        self._folder, self._families = folder, families
        self._networks: dict[str, Any] = {}

    def features(
        self,
        family: str,
        concepts: Sequence[str],
        extractor: ExtractorSpec,
        damages: Sequence[Treatment] = (PLAIN,),
    ) -> Array:
        """Return a row a concept; each is spoiled by one of `damages`, in turn."""
        name = f"{extractor_name(extractor)}-{'-'.join(damages)}"
        file = self._folder / "features" / family / f"{name}.npz"
        known: dict[str, Any] = dict(np.load(file)) if file.is_file() else {}
        asked = [(each, damages[at % len(damages)]) for at, each in enumerate(concepts)]
        missing = [each for each in asked if " ".join(each) not in known]
        for each, row in self._look(family, missing, extractor):
            known[" ".join(each)] = row
        if missing:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **known)
        return np.stack([known[" ".join(each)] for each in asked]).astype(np.float64)

    def _look(
        self, family: str, asked: Sequence[tuple[str, Treatment]], extractor: ExtractorSpec
    ) -> Iterator[tuple[tuple[str, Treatment], Any]]:
        for at in range(0, len(asked), BATCH):
            batch = asked[at : at + BATCH]
            pictures = [
                spoil(self.picture(family, concept), damage, f"{family}-{concept}")
                for concept, damage in batch
            ]
            rows = self._network(extractor).see(pictures, [""] * len(batch))["images"]
            yield from zip(batch, rows, strict=True)

    def picture(self, family: str, concept: str) -> Image.Image:
        """Return a drawing; it is drawn once."""
        file = self._folder / "drawings" / family / f"{concept}.png"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            draw(self._families[family], concept).save(file, compress_level=1)
        with Image.open(file) as opened:
            return opened.convert("RGB")

    def _network(self, extractor: ExtractorSpec) -> Any:
        name = extractor_name(extractor)
        if name not in self._networks:
            self._networks[name] = plugins.implementation(extractor)(extractor, "cpu")
        return self._networks[name]
