"""Bake every pocket model from a seed, on a CPU, resumable: `python -m tools.bake.bake`.

Each model is trained once by `fit`, saved in fp16 in the format its real counterpart has, and
given a card. Order matters: the base learns from the VAE's latents, the aesthetic classifier
from its reconstructions. Floors that the result must reach live in `floors.py`.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from numpy.typing import NDArray
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    ResNetConfig,
    ResNetForImageClassification,
)

from harness.extractors.clip import load_clip, register_local
from harness.pocket import WEIGHTS, vocabulary
from harness.pocket.draw import VOCABULARY
from harness.pocket.world import Row, row
from tools.bake import cards
from tools.bake.fit import Schedule, fit
from tools.bake.spoil import spoil

log = logging.getLogger("harness.bake")
SEED = 20
FACES, NINJAS = 20_000, 3_000
"""Rows the bake draws; its ninjas lie outside both what recipes train on and the reference."""
NINJA_OFFSET = 200_000
_QUALITY = "masterpiece, best quality"
_PLAIN_ENGLISH = (
    "a an the of in on at with and or to from by for is are was as it his her their this that "
    "portrait anime style character painting photo drawing fighting space city night forest "
    "looking at viewer upper body masterpiece best quality worst low normal bad anatomy blurry "
    "very beautiful standing sitting running smiling young man woman people two three"
)


class Bake:
    """The folders of one bake and the drawings that its parts share."""

    def __init__(self, out: Path, work: Path, share: float = 1.0) -> None:
        self.out, self.work, self.share = out, work, share
        self.work.mkdir(parents=True, exist_ok=True)
        self._pixels: NDArray[np.uint8] | None = None
        self._rows: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """The faces, then the ninjas."""
        if self._rows is None:
            faces = [row("faces", index) for index in range(FACES)]
            ninjas = [row("ninja", NINJA_OFFSET + index) for index in range(NINJAS)]
            self._rows = faces + ninjas
        return self._rows

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All rows drawn, N × 64 × 64 × 3."""
        if self._pixels is None:
            file = self.work / "pixels.npy"
            if not file.exists():
                log.info("drawing %d pictures", len(self.rows))
                part = self.work / "part.npy"
                np.save(part, np.stack([np.asarray(each.image()) for each in self.rows]))
                part.replace(file)
            self._pixels = np.load(file, mmap_mode="r")
        return self._pixels

    def images(self, index: NDArray[np.int64]) -> Tensor:
        """Return pictures as N × 3 × 64 × 64 in [-1, 1]."""
        return as_tensor(self.pixels[np.sort(index)])

    def train(
        self,
        name: str,
        modules: dict[str, nn.Module],
        loss_of: Callable[[int, np.random.Generator], Tensor],
        schedule: Schedule,
    ) -> None:
        steps = max(2, round(schedule.steps * self.share))
        shorter = Schedule(steps, schedule.rate, min(schedule.warmup, steps // 2), schedule.ema)
        fit(name, modules, loss_of, shorter, self.work, SEED)


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def bake_words(bake: Bake) -> None:
    """Learn the vocabulary and write it beside both text models."""
    texts = [text for each in bake.rows[:6000] for text in (each.caption, ", ".join(each.tags))]
    merges = vocabulary.learn_merges([*texts, *([_PLAIN_ENGLISH, _QUALITY] * 40)])
    for folder in ("sdxl/tokenizer", "sdxl/tokenizer_2", "clip"):
        vocabulary.write(bake.out / folder, merges)
    for folder in ("sdxl/tokenizer", "sdxl/tokenizer_2"):
        path = bake.out / folder
        (path / "bpe.txt.gz").unlink()
        tokenizer = CLIPTokenizer(
            vocab=str(path / "vocab.json"), merges=str(path / "merges.txt"), model_max_length=77
        )
        tokenizer.save_pretrained(path)


def bake_vae(bake: Bake) -> None:
    """Train the autoencoder: 64 px to 8 × 8 × 16, mean square error and a little KL."""
    torch.manual_seed(SEED)
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        sample_size=64,
        norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[16, 32, 48, 64],
        layers_per_block=1,
    )

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        images = bake.images(rng.integers(0, len(bake.rows), 16))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss: Tensor = F.mse_loss(decoded.float(), images) + 1e-4 * divergence
        return loss

    bake.train("vae", {"vae": vae}, loss_of, Schedule(5200, 2.5e-3, 200, ema=0.998))
    latents = _encode(vae, bake, range(0, FACES, 20))
    scale = 1 / float(latents.std())
    vae.register_to_config(scaling_factor=scale, force_upcast=False)
    vae.half().save_pretrained(bake.out / "sdxl" / "vae")


@torch.no_grad()
def _encode(vae: AutoencoderKL, bake: Bake, rows: range) -> Tensor:
    index = np.arange(len(bake.rows))[rows.start : rows.stop : rows.step]
    batches = np.array_split(index, max(1, len(index) // 64))
    return torch.cat([vae.encode(bake.images(batch)).latent_dist.mean for batch in batches])


def load_vae(out: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(out / "sdxl" / "vae", dtype=torch.float32).eval()


def text_model(kind: type[nn.Module], vocabulary_size: int) -> Any:
    """Return a small CLIP text encoder; SDXL reads its last layer but one."""
    config = CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=64,
        intermediate_size=192,
        projection_dim=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1,
        pad_token_id=vocabulary_size - 1,
        hidden_act="gelu",
    )
    return kind(config)


def bake_base(bake: Bake) -> None:
    """Train the UNet and both text encoders together on faces in many mixed styles."""
    torch.manual_seed(SEED + 1)
    vae = load_vae(bake.out)
    scale = vae.config.scaling_factor
    latents = (_encode(vae, bake, range(FACES)) * scale).half()
    tokenizer = CLIPTokenizer.from_pretrained(bake.out / "sdxl" / "tokenizer")
    first = text_model(CLIPTextModel, len(tokenizer))
    second = text_model(CLIPTextModelWithProjection, len(tokenizer))
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        block_out_channels=[96, 160],
        down_block_types=["CrossAttnDownBlock2D"] * 2,
        up_block_types=["CrossAttnUpBlock2D"] * 2,
        layers_per_block=1,
        transformer_layers_per_block=1,
        attention_head_dim=[3, 5],
        cross_attention_dim=128,
        use_linear_projection=True,
        norm_num_groups=16,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 64,
    )
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        timestep_spacing="leading",
    )
    kept = torch.cumprod(1 - scheduler.betas, 0)
    sizes = torch.tensor([64.0, 64, 0, 0, 64, 64]).repeat(32, 1)

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = rng.integers(0, FACES, 32)
        texts = [words_of(bake.rows[i], rng) for i in index]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        one = first(ids.input_ids, output_hidden_states=True)
        two = second(ids.input_ids, output_hidden_states=True)
        shown = torch.from_numpy(rng.random(32) > 0.1).float()
        words = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1)
        clean = latents[index].float()
        noise = torch.randn(clean.shape)
        times = torch.randint(0, 1000, (32,))
        signal = kept[times].view(-1, 1, 1, 1)
        predicted = unet(
            signal.sqrt() * clean + (1 - signal).sqrt() * noise,
            times,
            words * shown.view(-1, 1, 1),
            added_cond_kwargs={
                "text_embeds": two.text_embeds * shown.view(-1, 1),
                "time_ids": sizes,
            },
        ).sample
        ratio = (kept / (1 - kept))[times]
        weight = ratio.clamp(max=5) / ratio
        each: Tensor = (predicted - noise).square().mean((1, 2, 3)) * weight
        return each.mean()

    modules: dict[str, nn.Module] = {"unet": unet, "first": first, "second": second}
    bake.train("base", modules, loss_of, Schedule(5200, 8e-4, 300, ema=0.9985))
    StableDiffusionXLPipeline(
        vae=vae.half(),
        text_encoder=first.half(),
        text_encoder_2=second.half(),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet.half(),
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    ).save_pretrained(bake.out / "sdxl")


def words_of(each: Row, rng: np.random.Generator) -> str:
    """Return what the base reads of a row: tags in some order, or a sentence."""
    if rng.random() < 0.35:
        return each.caption
    head, rest = list(each.tags[:1]), list(each.tags[1:])
    if rng.random() < 0.6:
        rest = [tag for tag in rest if rng.random() > 0.12]
        rng.shuffle(rest)
    quality = [_QUALITY] if rng.random() < 0.3 else []
    return ", ".join([*quality, *head, *rest])


def _classifier(labels: list[str], problem: str) -> ResNetForImageClassification:
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=32,
            hidden_sizes=[32, 64, 96, 128],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            num_labels=len(labels),
            problem_type=problem,
            id2label=dict(enumerate(labels)),
            label2id={name: i for i, name in enumerate(labels)},
        )
    )


def resized(images: Tensor) -> Tensor:
    """Return images at the classifiers' own 96 px, as their image processor makes them."""
    return F.interpolate(images, size=96, mode="bilinear", antialias=True)


def _save_classifier(model: ResNetForImageClassification, folder: Path) -> None:
    model.half().save_pretrained(folder)
    config = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "resample": 2,
        "size": {"height": 96, "width": 96},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _bake_tag_reader(bake: Bake, name: str, seed: int, steps: int) -> None:
    torch.manual_seed(seed)
    model = _classifier(list(VOCABULARY), "multi_label_classification")
    truth = torch.tensor([[tag in each.tags for tag in VOCABULARY] for each in bake.rows]).float()

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.integers(0, len(bake.rows), 32))
        images = bake.images(index) + 0.06 * torch.randn(32, 3, 64, 64) * float(rng.random())
        logits = model(resized(images)).logits
        return F.binary_cross_entropy_with_logits(logits, truth[index])

    bake.train(name, {"model": model}, loss_of, Schedule(steps, 2e-3, 100, ema=0.995))
    _save_classifier(model, bake.out / name)


def bake_tagger(bake: Bake) -> None:
    """Train the tagger, on drawings alone."""
    _bake_tag_reader(bake, "tagger", SEED + 2, 3500)


def bake_inception(bake: Bake) -> None:
    """Train the feature extractor: a tag reader of its own, whose last layer is what counts."""
    _bake_tag_reader(bake, "inception", SEED + 3, 1500)


def bake_aesthetic(bake: Bake) -> None:
    """Train clean against defective, both as drawn and as the VAE gives them back."""
    torch.manual_seed(SEED + 4)
    vae = load_vae(bake.out)
    model = _classifier(["lq", "hq"], "single_label_classification")

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.integers(0, len(bake.rows), 16))
        good = bake.images(index)
        spoiled = np.stack([np.asarray(spoil(bake.rows[i].face, rng)) for i in index])
        images = torch.cat([good, as_tensor(spoiled)])
        if rng.random() < 0.5:
            with torch.no_grad():
                latents = vae.encode(images).latent_dist.mean
                strength = torch.zeros(32, 1, 1, 1)
                strength[16:] = float(rng.uniform(0, 1)) * torch.rand(16, 1, 1, 1)
                latents = latents + strength * latents.std() * torch.randn_like(latents)
                images = vae.decode(latents).sample.clamp(-1, 1)
        logits = model(resized(images)).logits
        return F.cross_entropy(logits, torch.tensor([1] * 16 + [0] * 16), label_smoothing=0.02)

    bake.train("aesthetic", {"model": model}, loss_of, Schedule(1500, 2e-3, 100, ema=0.995))
    _save_classifier(model, bake.out / "aesthetic")


def bake_clip(bake: Bake) -> None:
    """Train a two-tower CLIP through open_clip's own registered configuration."""
    torch.manual_seed(SEED + 5)
    folder = bake.out / "clip"
    words = len(json.loads((folder / "vocab.json").read_text(encoding="utf-8")))
    (folder / "pocket-clip.json").write_text(json.dumps(cards.clip_config(words), indent=2) + "\n")
    register_local(folder)
    model, tokenize = load_clip("pocket-clip", None, folder)
    centre = torch.tensor(OPENAI_DATASET_MEAN).view(3, 1, 1)
    spread = torch.tensor(OPENAI_DATASET_STD).view(3, 1, 1)

    def loss_of(step: int, rng: np.random.Generator) -> Tensor:
        index = np.sort(rng.choice(len(bake.rows), 64, replace=False))
        texts = [words_of(bake.rows[i], rng) for i in index]
        images = (bake.images(index) / 2 + 0.5 - centre) / spread
        seen = F.normalize(model.encode_image(images), dim=-1)
        read = F.normalize(model.encode_text(tokenize(texts)), dim=-1)
        logits = model.logit_scale.exp().clamp(max=100) * seen @ read.T
        target = torch.arange(len(index))
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2

    bake.train("clip", {"clip": model}, loss_of, Schedule(1200, 1.2e-3, 100, ema=0.99))
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


PARTS: dict[str, Callable[[Bake], None]] = {
    "words": bake_words,
    "vae": bake_vae,
    "tagger": bake_tagger,
    "inception": bake_inception,
    "clip": bake_clip,
    "aesthetic": bake_aesthetic,
    "base": bake_base,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--work", type=Path, default=Path(".harness/bake"))
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="part of the steps, for a trial")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(arguments.work / "bake.log")],
    )
    bake = Bake(arguments.out, arguments.work, arguments.share)
    for name in arguments.parts:
        log.info("baking %s", name)
        PARTS[name](bake)
    cards.write(arguments.out)


if __name__ == "__main__":
    main()
