"""Features: one extractor over one folder of pictures."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save_file

from harness import plugins
from harness.interfaces import Workplace
from harness.stages.files import pictures, read_index
from harness.steps import FeaturesSpec


def extract(spec: FeaturesSpec, place: Workplace) -> None:
    """Write `features.safetensors`: one row of `images` (and `texts`) a picture with a file."""
    folder = place.inputs["images"]
    entries = [entry for entry in read_index(folder) if entry.file]
    if not entries:
        nothing = np.zeros((0, 1), np.float32)
        save_file({"images": nothing, "texts": nothing}, place.folder / "features.safetensors")
        return
    features = plugins.implementation(spec.extractor)(
        spec.extractor, pictures(folder, entries), [entry.text for entry in entries], place
    )
    save_file(features, place.folder / "features.safetensors")
