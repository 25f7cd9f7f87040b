"""The words that name our feature extractors. Imports no network library."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from harness.extractors.hub import is_repository
from harness.extractors.pretrained import digest_of
from harness.interfaces import ExtractorSpec
from harness.pocket import is_pocket, pinned

ONEDNN = "onednn"
"""The engine whose layers `extractors/onednn.py` puts in place of torch's."""
LITE0 = "lite0/model.safetensors"
"""Where the weights of EfficientNet-Lite0 lie among those that ship."""


def by_content(values: dict[str, Any], field: str, place: str | None) -> dict[str, Any]:
    """Return a fingerprint with the content of a local file where its path stood."""
    pin = pinned(place)
    if not pin:
        return values
    others = {name: value for name, value in values.items() if name != field}
    return {**others, f"{field}_content": pin["weights"]}


def on_hub(*named: tuple[str, str | None]) -> tuple[tuple[str, str | None], ...]:
    """Return those of the named models, with their revisions, that are repositories of the hub."""
    return tuple((name, revision) for name, revision in named if is_repository(name))


class _Model(ExtractorSpec):
    """An extractor around one set of weights."""

    model: str
    """A repository of the hub, a folder, a `pocket/` model, or a name that open_clip knows."""

    revision: str | None = None
    """A commit, branch or tag of the hub's repository; if left out, the commit that is kept here,
    or else its main branch."""

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), **pinned(self.model)}

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        return on_hub((self.model, self.revision))


class _Quick(_Model):
    """A model whose linear layers oneDNN computes on a CPU, in half the time.

    The toys of the pocket world are left alone: the features of what is published are theirs.
    """

    def engine(self) -> str | None:
        return None if is_pocket(self.model) else ONEDNN

    def fingerprint(self) -> dict[str, Any]:
        engine = self.engine()
        return super().fingerprint() | ({} if engine is None else {"engine": engine})


class Inception(ExtractorSpec):
    """The Inception network of the TTUR implementation, through torch-fidelity."""

    implementation: ClassVar[str] = "harness.extractors.inception:inception"
    summary: ClassVar[str] = "Inception 2048-d features (torch-fidelity weights)"
    use: Literal["inception"]
    weights: str | None = None
    """A local weights file; if left out, torch-fidelity fetches its own."""
    layer: Literal["64", "192", "768", "2048"] = "2048"
    """The layer whose features are read, by their number."""
    resize: Literal["tf1", "bicubic"] = "tf1"
    """How pictures are resized to 299 px: as TTUR and torch-fidelity do, or as clean-fid does."""

    def engine(self) -> str | None:
        return ONEDNN

    def fingerprint(self) -> dict[str, Any]:
        return by_content(super().fingerprint(), "weights", self.weights)


class Classifier(_Quick):
    """The pooled features of an image-classification model in the transformers format."""

    implementation: ClassVar[str] = "harness.extractors.classifier:pooled"
    summary: ClassVar[str] = "pooled features of a transformers image classifier"
    use: Literal["classifier"]


class AestheticModel(_Quick):
    """The probability an image-classification model gives to one of its labels."""

    implementation: ClassVar[str] = "harness.extractors.classifier:probability"
    summary: ClassVar[str] = "probability of one label of a transformers image classifier"
    use: Literal["label"] = "label"
    label: str = "hq"
    """The label whose probability is read."""


class OpenClip(_Quick):
    """Image and text embeddings of an open_clip model."""

    implementation: ClassVar[str] = "harness.extractors.clip:embeddings"
    summary: ClassVar[str] = "open_clip image and text embeddings"
    reads_text: ClassVar[bool] = True
    use: Literal["open-clip"] = "open-clip"
    pretrained: str | None = None
    """One of open_clip's tags, or a file of weights."""
    resize: Literal["shortest", "longest", "squash"] | None = None
    """Which edge fits the network: the rest is cut off or padded; as the weights say if None."""

    @model_validator(mode="after")
    def _openai_is_quick(self) -> OpenClip:
        if self.pretrained == "openai" and not self.model.endswith("-quickgelu"):
            raise ValueError(f"openai's weights use QuickGELU: model: {self.model}-quickgelu")
        return self

    def fingerprint(self) -> dict[str, Any]:
        place = self.pretrained or self.model.removeprefix("local-dir:")
        return {**super().fingerprint(), **pinned(place)}

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        hub = "hf-hub:"
        named = self.model.startswith(hub)
        return on_hub((self.model.removeprefix(hub), self.revision)) if named else ()

    @model_validator(mode="after")
    def _has_a_revision(self) -> OpenClip:
        if self.revision is not None and not self.model.startswith("hf-hub:"):
            raise ValueError("only a model of the hub, hf-hub:owner/name, has a revision")
        return self


class Head(ExtractorSpec):
    """A head of a few layers on the image embeddings of an open_clip model."""

    implementation: ClassVar[str] = "harness.extractors.heads:head"
    summary: ClassVar[str] = "score of an MLP on open_clip embeddings: LAION v1/v2, SigLIP v2.5, …"
    use: Literal["head"]
    encoder: OpenClip
    """The open_clip model whose image embeddings the head reads."""
    head: str
    """A file of weights, .safetensors or .pth, or a repository of the hub with model.safetensors;
    the layers' shapes are read from it."""
    activation: Literal["none", "relu"] = "none"
    """The activation between the layers, which the file does not name."""

    revision: str | None = None
    """A commit, branch or tag of the head's repository; if left out, the commit that is kept here,
    or else its main branch."""

    def fingerprint(self) -> dict[str, Any]:
        return by_content(super().fingerprint(), "head", self.head)

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        return (*on_hub((self.head, self.revision)), *self.encoder.repositories())


class Tagger(_Model):
    """The tags a multi-label image classifier sees, and those of its tags that prompts ask for."""

    implementation: ClassVar[str] = "harness.extractors.tagger:tagger"
    summary: ClassVar[str] = "tags of a transformers multi-label image classifier"
    reads_text: ClassVar[bool] = True
    certain: ClassVar[float] = 0.5
    """The probability from which on a tag counts as seen."""
    use: Literal["tagger"]


class WdTagger(_Model):
    """The same of a WD tagger, such as SmilingWolf/wd-eva02-large-tagger-v3."""

    implementation: ClassVar[str] = "harness.extractors.tagger:wd_tagger"
    summary: ClassVar[str] = "tags of a WD tagger (model.onnx and selected_tags.csv)"
    reads_text: ClassVar[bool] = True
    certain: ClassVar[float] = 0.35
    use: Literal["wd-tagger"]


class Ccip(_Model):
    """Which anime character a picture shows, for sets of one character alone.

    It saturates: pictures of one character come out nearly alike, so that good adapters cannot be
    told apart by it. `use: dino-i` with a name of your own, such as ccip-i, compares by it; its
    cosine is not the difference that upstream's second network computes.
    """

    implementation: ClassVar[str] = "harness.extractors.ccip:embeddings"
    summary: ClassVar[str] = "CCIP character embeddings (ONNX; one character, and saturates)"
    use: Literal["ccip"]
    model: str = "deepghs/ccip_onnx"
    variant: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "ccip-caformer-24-randaug-pruned"
    """The folder of the network within the repository."""


class PickScore(_Model):
    """Embeddings of PickScore, and the scale of its logits (arXiv:2305.01569)."""

    implementation: ClassVar[str] = "harness.extractors.preference:pick_score"
    summary: ClassVar[str] = "PickScore's image and text embeddings"
    reads_text: ClassVar[bool] = True
    use: Literal["pickscore"] = "pickscore"
    model: str = "yuvalkirstain/PickScore_v1"
    processor: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    """The repository of the image processor and the tokenizer."""
    processor_revision: str | None = None
    """A commit, branch or tag of that repository, as `revision` is of the model's."""

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "processor_files": pinned(self.processor)}

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        return on_hub((self.model, self.revision), (self.processor, self.processor_revision))


class Pixels(ExtractorSpec):
    """What the pixels alone say of an image; no network."""

    implementation: ClassVar[str] = "harness.extractors.pixels:pixels"
    summary: ClassVar[str] = "brightness, evenness, banding and clipped colours; no network"
    statistics: ClassVar[tuple[str, ...]] = ("brightest", "even", "banding", "clipped")
    """What the columns are, in order."""
    use: Literal["pixels"] = "pixels"


class Dinov2(_Quick):
    """The class token of a DINOv2 model in the transformers format, as torch.hub's has it."""

    version: ClassVar[int] = 2
    implementation: ClassVar[str] = "harness.extractors.dinov2:class_token"
    summary: ClassVar[str] = "DINOv2 class token (transformers weights, 224 px bicubic)"
    use: Literal["dinov2"]
    model: str = "facebook/dinov2-large"


class Dino(_Quick):
    """DINO's class token, by DreamBooth's rules: 256 pixels, of which the middle 224."""

    implementation: ClassVar[str] = "harness.extractors.dino:class_token"
    summary: ClassVar[str] = "DINO class token of a ViT (DreamBooth's DINO-I)"
    use: Literal["dino"] = "dino"
    model: str = "facebook/dino-vits16"


class Gram(_Model):
    """Which features of a network occur together, wherever they are: texture, line, palette."""

    implementation: ClassVar[str] = "harness.extractors.maps:gram"
    summary: ClassVar[str] = "Gram matrices of a transformers image classifier's maps (style)"
    use: Literal["gram"]


class Maps(_Model):
    """The features of one layer and where they are, on a coarse grid: finer than `classifier`."""

    implementation: ClassVar[str] = "harness.extractors.maps:maps"
    summary: ClassVar[str] = "one layer of a transformers image classifier on a coarse grid"
    use: Literal["maps"]
    layer: int = -1
    """Counted as transformers counts hidden states: 0 is the stem, -1 the last."""
    grid: Annotated[int, Field(ge=1, le=16)] = 4
    """Cells a side of the grid."""


class Thumbnail(ExtractorSpec):
    """The picture itself, made small: what copies share before all else; no network."""

    implementation: ClassVar[str] = "harness.extractors.thumbnail:thumbnail"
    summary: ClassVar[str] = "the picture as a thumbnail, without its mean; no network"
    use: Literal["thumbnail"] = "thumbnail"
    side: Annotated[int, Field(ge=2, le=26)] = 16
    """Pixels a side of the thumbnail."""


class Csd(ExtractorSpec):
    """Style descriptors, trained to tell artists apart and not what they draw (2404.01292)."""

    implementation: ClassVar[str] = "harness.extractors.csd:style"
    summary: ClassVar[str] = "contrastive style descriptors (CSD ViT-L)"
    use: Literal["csd"] = "csd"
    weights: str = "yuxi-liu-wired/CSD"
    """A repository with model.safetensors, or a file in its format."""
    revision: str | None = None
    """A commit, branch or tag of the repository; if left out, the commit that is kept here, or else
    its main branch."""

    def fingerprint(self) -> dict[str, Any]:
        return by_content(super().fingerprint(), "weights", self.weights)

    def repositories(self) -> tuple[tuple[str, str | None], ...]:
        return on_hub((self.weights, self.revision))


class Lpips(ExtractorSpec):
    """LPIPS activations of AlexNet: the squared distance of two rows is about their LPIPS.

    The rows are sketched to 2,048 numbers, which keeps squared distances within some 6 %.
    """

    implementation: ClassVar[str] = "harness.extractors.lpips:activations"
    summary: ClassVar[str] = "rows whose squared distance is LPIPS (AlexNet, sketched)"
    use: Literal["lpips"] = "lpips"
    weights: str | None = None
    """A safetensors file of torchvision's AlexNet; if left out, torchvision fetches its own."""
    side: Annotated[int, Field(ge=32, le=512)] = 256
    """Pictures are shown at this many pixels a side, whatever their shape."""

    def fingerprint(self) -> dict[str, Any]:
        return by_content(super().fingerprint(), "weights", self.weights)


class _Lite0(ExtractorSpec):
    """EfficientNet-Lite0, whose weights ship with the package."""

    side: Annotated[int, Field(ge=32, le=512, multiple_of=32)] = 224
    """Pixels a side that the network is shown, after the middle 7/8 of a picture was cut out. Less
    is faster and sees less: on a CPU, time goes with its square."""

    def engine(self) -> str | None:
        return ONEDNN

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "weights": digest_of(LITE0)}


class Lite0(_Lite0):
    """What a picture shows: pooled features of EfficientNet-Lite0, trained on ImageNet.

    A real network that needs no hub. It knows photographs; drawings it tells apart too.
    """

    implementation: ClassVar[str] = "harness.extractors.lite0:pooled"
    summary: ClassVar[str] = "EfficientNet-Lite0 1280-d features (content); ships with the package"
    use: Literal["lite0"] = "lite0"


class Lite0Style(_Lite0):
    """How a picture is drawn: mean and deviation of the early maps of EfficientNet-Lite0.

    Where on the picture something is has no part in it. Line, texture and colour have.
    """

    implementation: ClassVar[str] = "harness.extractors.lite0:style"
    summary: ClassVar[str] = "EfficientNet-Lite0 early maps, mean and deviation (style); ships too"
    use: Literal["lite0-style"] = "lite0-style"
