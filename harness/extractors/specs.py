"""The words that name our feature extractors. Imports no network library."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from harness.interfaces import ExtractorSpec
from harness.pocket import pinned


class _Model(ExtractorSpec):
    """An extractor around one set of weights."""

    model: str

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), **pinned(self.model)}


class Inception(ExtractorSpec):
    """The Inception network of the TTUR implementation, through torch-fidelity."""

    implementation: ClassVar[str] = "harness.extractors.inception:inception"
    summary: ClassVar[str] = "Inception 2048-d features (torch-fidelity weights, TF1 resize)"
    use: Literal["inception"]
    weights: str | None = None
    """A local weights file; torch-fidelity fetches its own where this is not given."""
    layer: Literal["64", "192", "768", "2048"] = "2048"

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), **pinned(self.weights)}


class Classifier(_Model):
    """The pooled features of an image-classification model in the transformers format."""

    implementation: ClassVar[str] = "harness.extractors.classifier:pooled"
    summary: ClassVar[str] = "pooled features of a transformers image classifier"
    use: Literal["classifier"]


class AestheticModel(_Model):
    """The probability an image-classification model gives to one of its labels."""

    implementation: ClassVar[str] = "harness.extractors.classifier:probability"
    summary: ClassVar[str] = "probability of one label of a transformers image classifier"
    use: Literal["label"] = "label"
    label: str = "hq"


class OpenClip(_Model):
    """Image and text embeddings of an open_clip model."""

    implementation: ClassVar[str] = "harness.extractors.clip:embeddings"
    summary: ClassVar[str] = "open_clip image and text embeddings"
    reads_text: ClassVar[bool] = True
    use: Literal["open-clip"] = "open-clip"
    pretrained: str | None = None

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), **pinned(self.pretrained or self.model)}
