"""Features as a step left them → features beside what their images answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from harness.errors import ScoringError
from harness.interfaces import FeatureSet
from harness.pipeline.stages.files import read_index
from harness.records import StepName


def features(side: str, name: str, inputs: Mapping[str, Path]) -> FeatureSet:
    """Return the features of the images of one side, beside what they answer; all are finite."""
    step = str(StepName.of_features(side, name))
    return feature_set(inputs[side], load_file(inputs[step] / "features.safetensors"), step)


def feature_set(
    folder: Path, features: Mapping[str, NDArray[np.float32]], step: str = ""
) -> FeatureSet:
    """Return features of the images in a folder, one array a name, beside what they answer.

    All must be finite; `step` is what an error says of where they come from.
    """
    shown = [entry for entry in read_index(folder) if entry.file]
    tensors = {name: values.astype(np.float64) for name, values in features.items()}
    row = first_not_finite(tensors)
    if row is not None:
        where = f" ({step})" if step else ""
        raise ScoringError(
            f"the features of {shown[row].name}{where} are not finite",
            hint="the network that made them, or the store, is damaged",
        )
    return FeatureSet(
        images=tensors.pop("images"),
        prompts=[entry.text for entry in shown],
        prompt_ids=[entry.id for entry in shown],
        seeds=[entry.seed for entry in shown],
        texts=tensors.pop("texts", None),
        more=tensors,
    )


def first_not_finite(rows: Mapping[str, NDArray[np.floating[Any]]]) -> int | None:
    """Return the first row of any array that is not finite throughout; None if all are."""
    finite = [
        np.isfinite(values).all(axis=tuple(range(1, values.ndim))) for values in rows.values()
    ]
    bad = [int(np.argmin(each)) for each in finite if not each.all()]
    return min(bad, default=None)
