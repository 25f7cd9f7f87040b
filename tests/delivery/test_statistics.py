"""Reference statistics for other tools: the numbers they would find themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from running import Command, House
from safetensors.numpy import load_file
from torch_fidelity.metric_fid import fid_statistics_to_metric

pytestmark = pytest.mark.slow


def test_fid_from_the_written_statistics_is_fid(
    house: House, command: Command, tmp_path: Path
) -> None:
    ran = command("reference", tmp_path, "--benchmark", "tiny-v1", "--store", house.store, "--json")
    assert ran.code == 0, ran.err
    assert "…" not in ran.err, "the reference was looked at before"
    told = json.loads((tmp_path / "reference.json").read_text())
    assert sum(name.startswith("images/") for name in told["pictures"]) == 40
    name, facts = next(iter(told["statistics"].items()))
    file = tmp_path / facts["file"]
    assert facts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert facts["count"] == 40
    with np.load(file, allow_pickle=False) as statistics:
        real = {"mu": statistics["mu"], "sigma": statistics["sigma"]}
        assert statistics["features"].shape[0] == 40
    sample = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())
    rows = house.store / "features" / (key := sample["keys"][f"features/{name}"])[:2] / key
    own = load_file(rows / "features.safetensors")["images"].astype(np.float64)
    moments = {"mu": own.mean(0), "sigma": np.cov(own, rowvar=False)}
    theirs = float(next(iter(fid_statistics_to_metric(moments, real, False).values())))
    fid = next(score for score in sample["scores"] if score["metric"] == "fid@n=36")
    assert fid["value"] == pytest.approx(theirs, rel=2e-4)


def test_a_benchmark_without_a_reference_is_refused(command: Command, tmp_path: Path) -> None:
    ran = command("reference", tmp_path / "out", "--benchmark", "anime-v1")
    assert ran.code == 2
    assert "anime-v1 has no reference" in ran.err
