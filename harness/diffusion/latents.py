"""From pictures to the latents that training reads, cropped and mirrored; time ids say how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageOps
from torch import Tensor

from harness.fingerprint import number_of

RANDOM_CROPS = 4
"""How many crops of a picture are encoded if the recipe crops at random."""


@dataclass(frozen=True)
class View:
    """One version of a picture: which crop, mirrored or not."""

    crop: int
    mirrored: bool


def views(crop: str, flip: bool) -> list[View]:
    """Return every view of a picture that is encoded."""
    crops = range(RANDOM_CROPS if crop == "random" else 1)
    return [View(index, mirrored) for index in crops for mirrored in ((False, True)[: 1 + flip])]


def view_pixels(
    image: Image.Image, name: str, view: View, crop: str, shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the pixels (3 × height × width, in [-1, 1]) and time ids of one view.

    The picture is scaled with Lanczos to cover `shape`, mirrored, then cropped. The ids are the
    height and width of the original, top and left of the crop, height and width of the target.
    """
    image = ImageOps.exif_transpose(image).convert("RGB")
    width, height = image.size
    scale = max(shape[0] / height, shape[1] / width)
    # Truncated, not rounded, as in the official scripts.
    resized = (max(shape[1], int(width * scale)), max(shape[0], int(height * scale)))
    if resized != image.size:
        image = image.resize(resized, Image.Resampling.LANCZOS)
    if view.mirrored:
        image = ImageOps.mirror(image)
    spare_x, spare_y = resized[0] - shape[1], resized[1] - shape[0]
    if crop == "center":
        left, top = round(spare_x / 2), round(spare_y / 2)
    else:
        rng = np.random.default_rng(number_of("crop", name, view.crop))
        left, top = int(rng.integers(0, spare_x + 1)), int(rng.integers(0, spare_y + 1))
    box = (left, top, left + shape[1], top + shape[0])
    pixels = np.asarray(image.crop(box), np.float32)
    ids = torch.tensor([height, width, top, left, *shape], dtype=torch.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1), ids


@torch.no_grad()
def encode_pixels(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the latents, scaled as the UNet expects them."""
    posterior = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist
    scale = vae.config.scaling_factor
    return posterior.mean * scale, posterior.std * scale
