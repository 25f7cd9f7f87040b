"""The floor of a training: what any trainer pays for, with nothing of ours in it.

    python performance/bare_training.py BASE PICTURES SAMPLES STEPS

It imports torch and the same libraries, loads the same networks, encodes every picture and its
mirror image and every caption once, and then passes all samples of a step through the UNet at
once, both ways: no adapter, no optimizer, no noise drawn anew, nothing written. Both ways, as the
input of the UNet asks for a gradient. `training_race.py` reads its clock from its progress bar.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

BATCH = 32


@torch.no_grad()
def texts(base: str, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Return the sequences and the pooled embeddings of all captions."""
    states, pooled = [], torch.empty(0)
    for kind, part in ((CLIPTextModel, ""), (CLIPTextModelWithProjection, "_2")):
        tokenizer: Any = CLIPTokenizer.from_pretrained(base, subfolder=f"tokenizer{part}")
        encoder: Any = kind.from_pretrained(base, subfolder=f"text_encoder{part}").float()
        ids = tokenizer(
            captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        done = [encoder(some, output_hidden_states=True) for some in ids.split(BATCH)]
        states.append(torch.cat([each.hidden_states[-2] for each in done]))
        pooled = torch.cat([each[0] for each in done])
    return torch.cat(states, -1), pooled


@torch.no_grad()
def latents(base: str, files: list[Path]) -> Tensor:
    """Return the latents of all pictures, once as they are and once mirrored."""
    vae: Any = AutoencoderKL.from_pretrained(base, subfolder="vae").float()
    vae.to(memory_format=torch.channels_last)
    pixels = torch.stack([torch.from_numpy(np.asarray(Image.open(file))) for file in files])
    pixels = pixels.permute(0, 3, 1, 2) / 127.5 - 1
    views = torch.cat([pixels, pixels.flip(-1)])
    return torch.cat([vae.encode(some).latent_dist.mode() for some in views.split(BATCH)])


def main() -> None:
    base, folder, samples, steps = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    sequences, pooled = texts(base, [row["text"] for row in rows])
    encoded = latents(base, [folder / row["file_name"] for row in rows])
    unet: Any = UNet2DConditionModel.from_pretrained(base, subfolder="unet").float()
    unet.to(memory_format=torch.channels_last).train().requires_grad_(False)
    side = 8 * encoded.shape[-1]
    facts = {
        "text_embeds": pooled[:samples],
        "time_ids": torch.tensor([[side, side, 0, 0, side, side]] * samples),
    }
    noisy = encoded[:samples].to(memory_format=torch.channels_last).requires_grad_(True)
    times = torch.full((samples,), 500)
    for step in range(1, steps + 1):
        found = unet(noisy, times, sequences[:samples], added_cond_kwargs=facts).sample
        found.square().mean().backward()
        noisy.grad = None
        print(f"{step}/{steps} [", flush=True)


if __name__ == "__main__":
    main()
