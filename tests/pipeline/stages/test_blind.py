"""A metric that is made blind on purpose loses its licence; one with few pictures says so."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import harness
from harness.api.results import SanityReport
from harness.extractors import thumbnail
from harness.extractors.batches import split
from harness.extractors.specs import Thumbnail
from harness.interfaces import Network
from harness.pages.pictures import write_page
from harness.pocket.world import row


def card(folder: Path, count: int) -> SanityReport:
    """Return the sanity card of a distance in thumbnails, for so many real pictures."""
    real = folder / "real"
    real.mkdir(parents=True)
    for number in range(count):
        picture: Image.Image = row("ninja", number).image()
        picture.save(real / f"{number}.png")
    page = {
        "schema_version": 1,
        "name": "seen",
        "summary": "Thumbnails.",
        "reference": {"source": {"use": "folder", "path": str(real)}, "resolution": 64},
        "metrics": [{"use": "kid", "features": {"use": "thumbnail"}}],
    }
    write_page(page, folder / "seen.yaml")
    return harness.sanity(
        str(folder / "seen.yaml"), store=folder / "store", reports=folder / "reports", quiet=True
    )


def noise(spec: Thumbnail, device: str) -> Network:
    """See numbers that no damage shifts: drawn anew from the bytes of each picture."""

    def prepare(picture: Image.Image) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(picture.tobytes()).digest()[:8], "big")
        drawn = np.random.default_rng(seed).normal(size=3 * spec.side**2)
        return torch.from_numpy(drawn.astype(np.float32))

    return split(prepare, lambda rows: rows, "cpu")


def test_features_of_noise_cost_a_metric_its_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeing = card(tmp_path / "seeing", 120)
    monkeypatch.setattr(thumbnail, "thumbnail", noise)
    blind = card(tmp_path / "blind", 120)
    found = [
        [
            name
            for name in report.card.damages
            if report.card.answers["kid", name].response == "worse"
        ]
        for report in (seeing, blind)
    ]
    assert {"grey", "smears", "collapsed"} <= set(found[0])
    assert set(found[1]) <= {"collapsed", "black"}, "equal pictures are told even by noise"
    assert blind.licences["kid"].state != "licensed"
    assert blind.licences["kid"].missed


def test_a_metric_with_few_pictures_says_how_many_would_do(tmp_path: Path) -> None:
    licence = card(tmp_path, 16).licences["kid"]
    assert licence.state == "too-few"
    assert licence.needed is not None
    assert licence.needed > 8
    assert "too few pictures to say" in str(licence)
