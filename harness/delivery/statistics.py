"""A benchmark's reference as other tools read it: features, mean and covariance, with digests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from harness.errors import ScoringError
from harness.files import write_json
from harness.fingerprint import digest_file
from harness.keys import described
from harness.pipeline.plan import RunPlan
from harness.pipeline.store.local import Store
from harness.pipeline.store.soundness import require_sound
from harness.records import Step


@dataclass(frozen=True)
class Statistics:
    """One extractor's view of the reference, on disk."""

    extractor: str
    file: Path
    count: int
    sha256: str


def write(plan: RunPlan, store: Store, out: Path) -> list[Statistics]:
    """Write `<extractor>.npz` with `features`, `mu` and `sigma`, and `reference.json` beside them.

    `mu` and `sigma` are what pytorch-fid, clean-fid and torch-fidelity take for a set of pictures.
    """
    pictures, *extractions = plan.steps
    made = [step for step in extractions if store.has(step)]
    out.mkdir(parents=True, exist_ok=True)
    statistics = [_written(step, store, out) for step in made]
    write_json(
        out / "reference.json",
        {
            "benchmark": plan.recipe,
            "reference": plan.protocol,
            "pictures": store.get(pictures).manifest["files"],
            "statistics": {
                name_of(step): {
                    "file": each.file.name,
                    "count": each.count,
                    "sha256": each.sha256,
                    "extractor": described(step.spec)["extractor"],
                }
                for step, each in zip(made, statistics, strict=True)
            },
            "unavailable": [name_of(step) for step in extractions if step not in made],
        },
    )
    return statistics


def name_of(step: Step) -> str:
    return step.title.extractor


def _written(step: Step, store: Store, out: Path) -> Statistics:
    made = require_sound(store.get(step))
    features = load_file(made.path / "features.safetensors")["images"].astype(np.float64)
    if len(features) < 2 or not np.isfinite(features).all():
        raise ScoringError(
            f"no statistics of {name_of(step)}: it takes 2 pictures with finite features, and "
            f"{int(np.isfinite(features).all(1).sum())} of {len(features)} have them"
        )
    file = out / f"{name_of(step)}.npz"
    moments = {"mu": features.mean(0), "sigma": np.cov(features, rowvar=False)}
    np.savez(file, features=features, **moments)
    return Statistics(name_of(step), file, len(features), digest_file(file))
