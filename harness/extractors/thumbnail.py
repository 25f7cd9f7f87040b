"""The picture itself as features: small, and without its mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.extractors.specs import Thumbnail
from harness.interfaces import Network, Rows


def thumbnail(spec: Thumbnail, device: str) -> Network:
    """See side × side × 3 colours, less their mean, so that brightness alone is no likeness."""

    def see(pictures: Sequence[Image.Image], texts: Sequence[str]) -> Rows:
        return {"images": np.stack([_small(picture, spec.side) for picture in pictures])}

    return Network(see)


def _small(picture: Image.Image, side: int) -> NDArray[np.float32]:
    small = picture.convert("RGB").resize((side, side), Image.Resampling.BOX)
    colours = np.asarray(small, np.float32).reshape(-1) / 255
    return np.asarray(colours - colours.mean(), np.float32)
