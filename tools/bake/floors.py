"""What the committed pocket weights must reach, measured on drawings they never saw."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from harness.diffusion.load import load_pipeline, load_vae
from harness.diffusion.sampler import ImageSampler, Request
from harness.extractors.classifier import load_classifier, probability
from harness.extractors.clip import embeddings
from harness.extractors.specs import AestheticModel, OpenClip
from harness.interfaces import Network
from harness.pages.benchmark import Sampler
from harness.pages.recipe import Base
from harness.pocket.draw import HAIR, SCENES
from harness.pocket.world import Row, row
from tools.bake.spoil import spoil

UNSEEN = 500_000
"""Rows from here on were in no bake."""
_BASE = Base(model="pocket/sdxl")


def unseen(count: int, start: int = 0) -> list[Row]:
    """Return rows of both sets, three faces to one ninja."""
    return [
        row("ninja" if number % 4 == 3 else "faces", UNSEEN + start + number)
        for number in range(count)
    ]


@torch.no_grad()
def vae_psnr(count: int = 128) -> float:
    """Return the mean peak signal-to-noise ratio of reconstructed faces, in dB."""
    vae = load_vae(_BASE, "cpu")
    faces = [row("faces", UNSEEN + number).image() for number in range(count)]
    pixels = torch.from_numpy(np.stack([np.asarray(face, np.float32) for face in faces]))
    pixels = pixels.permute(0, 3, 1, 2) / 127.5 - 1
    decoded = [
        vae.decode(vae.encode(pixels[at : at + 32]).latent_dist.mode()).sample
        for at in range(0, count, 32)
    ]
    error = (torch.cat(decoded).clamp(-1, 1) - pixels).square().mean((1, 2, 3))
    return float((10 * torch.log10(4 / error)).mean())


class Tagger:
    """The pocket tagger as a function from pictures to the tags it sees."""

    def __init__(self) -> None:
        self._model, self._look = load_classifier("pocket/tagger", "cpu")
        names = self._model.config.id2label
        self.names = [str(names[index]) for index in range(len(names))]

    @torch.no_grad()
    def scores(self, pictures: list[Image.Image]) -> NDArray[np.float64]:
        """Return N × T probabilities."""
        rows = [
            self._model(self._look(pictures[at : at + 32])).logits.sigmoid()
            for at in range(0, len(pictures), 32)
        ]
        return np.asarray(torch.cat(rows), np.float64)


def tagger_accuracy(count: int = 512) -> float:
    """Return the share of right answers over all tags of unseen drawings."""
    tagger, rows = Tagger(), unseen(count, 10_000)
    seen = tagger.scores([each.image() for each in rows]) > 0.5
    truth = np.array([[name in each.tags for name in tagger.names] for each in rows])
    return float((seen == truth).mean())


def tagger_recall(count: int = 512) -> float:
    """Return the mean over tags of the share of drawings that show a tag and are given it."""
    tagger, rows = Tagger(), unseen(count, 10_000)
    seen = tagger.scores([each.image() for each in rows]) > 0.5
    truth = np.array([[name in each.tags for name in tagger.names] for each in rows])
    return float(np.mean([seen[truth[:, tag], tag].mean() for tag in np.flatnonzero(truth.any(0))]))


def base_follows(count: int = 96) -> dict[str, float]:
    """Return how often the tagger finds what was asked for in images of the bare base.

    Hair colour and scene count as right where the asked one is the likeliest of its kind;
    `all` is the mean over every asked tag of being seen.
    """
    rows = [row("faces", UNSEEN + 20_000 + number) for number in range(count)]
    sampler = Sampler(steps=20, guidance=4.0, width=64, height=64)
    artist = ImageSampler(load_pipeline(_BASE, None, "euler", None, "cpu", "fp32"), sampler, "cpu")
    pictures: list[Image.Image] = []
    for at in range(0, count, 32):
        requests = [Request(each.id, 0, ", ".join(each.tags)) for each in rows[at : at + 32]]
        pictures += [Image.fromarray(image) for image in artist.draw(requests) if image is not None]
    tagger = Tagger()
    scores = tagger.scores(pictures)
    at_name = {name: index for index, name in enumerate(tagger.names)}

    def likeliest(kind: list[str]) -> NDArray[np.int64]:
        best: NDArray[np.int64] = np.argmax(scores[:, [at_name[name] for name in kind]], axis=1)
        return best

    hair, scenes = list(HAIR), list(SCENES)
    found = [scores[i, at_name[tag]] > 0.5 for i, each in enumerate(rows) for tag in each.tags]
    return {
        "hair": float(np.mean(likeliest(hair) == [hair.index(each.face.hair) for each in rows])),
        "scene": float(
            np.mean(likeliest(scenes) == [scenes.index(each.face.scene) for each in rows])
        ),
        "all": float(np.mean(found)),
    }


@torch.no_grad()
def _seen(network: Network, pictures: list[Image.Image]) -> NDArray[np.float32]:
    """Return what a network sees in pictures, 32 at a time."""
    batches = [pictures[at : at + 32] for at in range(0, len(pictures), 32)]
    return np.concatenate([network.see(batch, [])["images"] for batch in batches])


def aesthetic_auc(count: int = 256) -> float:
    """Return the chance that a clean drawing scores above a spoiled one."""
    rows = unseen(count, 30_000)
    rng = np.random.default_rng(7)
    pictures = [each.image() for each in rows] + [spoil(each.face, rng) for each in rows]
    spec = AestheticModel(model="pocket/aesthetic")
    scores = _seen(probability(spec, "cpu"), pictures)[:, 0]
    ranks = rankdata(scores)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / count**2)


@torch.no_grad()
def clip_retrieval(groups: int = 8, among: int = 32) -> float:
    """Return how often a picture's own caption is the nearest of 32."""
    rows = unseen(groups * among, 40_000)
    clip = embeddings(OpenClip(model="pocket/clip"), "cpu")
    assert clip.read is not None
    read = clip.read([", ".join(each.tags) for each in rows])["texts"]
    images = torch.from_numpy(_seen(clip, [each.image() for each in rows]))
    images, texts = (each.reshape(groups, among, -1) for each in (images, torch.from_numpy(read)))
    nearest = (images @ texts.transpose(1, 2)).argmax(-1)
    return float((nearest == torch.arange(among)).float().mean())


def main() -> None:
    """Print every floor's figure."""
    print(f"VAE                 {vae_psnr():.2f} dB")
    print(f"tagger accuracy     {tagger_accuracy():.4f}, recall {tagger_recall():.4f}")
    print(f"base follows        {base_follows()}")
    print(f"aesthetic AUC       {aesthetic_auc():.4f}")
    print(f"CLIP top-1 of 32    {clip_retrieval():.4f}")


if __name__ == "__main__":
    main()
