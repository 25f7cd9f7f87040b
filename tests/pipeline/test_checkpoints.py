"""What else a training leaves and how it is judged: checkpoints, new tokens, other predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Command

pytestmark = pytest.mark.slow
PAGE = """\
schema_version: 1
name: {name}
summary: A run of seconds.
base: {{model: pocket/sdxl}}
data:
  source: {{use: pocket, set: ninja, count: 12}}
  caption: {{prefix: "{prefix}"}}
train:
  method: lora
  adapter: {{rank: 4}}
  resolution: 64
  batch: 4
  optimizer: {{use: adamw}}
  phases: [{{steps: 6, rate: 2.0e-2{phase}}}]
  checkpoint_every: 3
{more}
"""


def write(folder: Path, name: str, prefix: str = "", phase: str = "", more: str = "") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(PAGE.format(name=name, prefix=prefix, phase=phase, more=more))
    return file


def images(result: dict[str, str], store: Path) -> dict[str, np.ndarray]:
    key = json.loads(Path(result["path"]).read_text())["keys"]["sample"]
    folder = store / "sample" / key[:2] / key / "images"
    return {file.name: np.asarray(Image.open(file)).astype(int) for file in folder.glob("*.png")}


def test_a_checkpoint_is_judged_like_any_adapter(command: Command, tmp_path: Path) -> None:
    page, store = write(tmp_path, "steps"), tmp_path / "store"
    common = ("--benchmark", "tiny-v1", "--store", store, "--reports", tmp_path / "reports")
    ran = command("run", page, f"{page}@3", f"{page}@6", *common, "--json")
    assert ran.code == 0, ran.err
    whole, half, end = ran.json["results"]
    assert [whole["recipe"], half["recipe"], end["recipe"]] == [
        "steps",
        "steps.step3",
        "steps.step6",
    ]
    assert "train" in half["reused"]
    last, middle, same = (images(each, store) for each in (whole, half, end))
    assert all(np.array_equal(last[name], same[name]) for name in last)
    assert np.mean([np.abs(last[name] - middle[name]).mean() for name in last]) > 1
    exported = command(
        "export", half["path"], tmp_path / "out", "--to", "kohya", "--store", store, "--json"
    )
    assert exported.code == 0, exported.err
    assert any(file.endswith("steps.step3.safetensors") for file in exported.json["files"])


def test_new_tokens_are_learned_and_read_again_where_images_are_drawn(
    command: Command, tmp_path: Path
) -> None:
    tokens = (
        '  tokens: [{name: "<ink>", vectors: 3, initializer: girl}]\nprompting: {prefix: "<ink>"}'
    )
    page = write(tmp_path, "inked", "<ink>", ", token_rate: 5.0e-2", tokens)
    store = tmp_path / "store"
    common = ("--benchmark", "tiny-v1", "--store", store, "--reports", tmp_path / "reports")
    ran = command("run", page, *common, "--json")
    assert ran.code == 0, ran.err
    trained = next((store / "train").glob("*/*"))
    assert {"adapter.safetensors", "embeddings.safetensors"} <= {
        file.name for file in trained.iterdir()
    }
    exported = command(
        "export",
        ran.json["results"][0]["path"],
        tmp_path / "out",
        "--to",
        "diffusers",
        "--store",
        store,
        "--json",
    )
    assert exported.code == 0, exported.err
    assert any(file.endswith("embeddings.safetensors") for file in exported.json["files"])
    again = command(
        "score",
        "--adapter",
        tmp_path / "out" / "pytorch_lora_weights.safetensors",
        "--base",
        "pocket/sdxl",
        "--name",
        "again",
        *common,
        "--json",
    )
    assert again.code == 0, again.err
    drawn, redrawn = (images(each.json["results"][0], store) for each in (ran, again))
    assert not all(np.array_equal(drawn[name], redrawn[name]) for name in drawn)  # no <ink> asked
    inked = tmp_path / "inked-again.yaml"
    inked.write_text(
        "schema_version: 1\nname: inked-again\nsummary: ours\nbase: {model: pocket/sdxl}\n"
        f"load: {{adapter: {tmp_path / 'out' / 'pytorch_lora_weights.safetensors'}}}\n"
        'prompting: {prefix: "<ink>"}\n'
    )
    same = command("run", inked, *common, "--json")
    assert same.code == 0, same.err
    redrawn = images(same.json["results"][0], store)
    assert all(np.abs(drawn[name] - redrawn[name]).max() <= 1 for name in drawn)


def test_a_run_that_learns_to_say_v_is_sampled_as_such(command: Command, tmp_path: Path) -> None:
    more = "  prediction: v_prediction\n  zero_terminal_snr: true\n  snr_gamma: 5.0"
    page, store = write(tmp_path, "velocity", more=more), tmp_path / "store"
    common = ("--benchmark", "tiny-v1", "--store", store, "--reports", tmp_path / "reports")
    ran = command("run", page, *common, "--json")
    assert ran.code == 0, ran.err
    found = images(ran.json["results"][0], store)
    assert len(found) == 36
    losses = [
        json.loads(line)["loss"]
        for line in next((store / "train").glob("*/*/log.jsonl")).read_text().splitlines()
    ]
    assert losses[-1] < losses[0]
