"""Shares of the weights (FSDP): they learn what whole weights learn, and a kill leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from schooling import School, recipe, school
from shares import compare

from harness.errors import TrainingError
from harness.fingerprint import digest_file
from harness.interfaces import Progress
from harness.training import specs
from harness.training.passes import SampleOrder
from harness.training.sharding import can_shard
from harness.training.team import Team

FULL: dict[str, Any] = {
    "method": "full",
    "adapter": None,
    "accumulation": 3,
    "gradient_checkpointing": 2,
    "phases": [{"steps": 5, "rate": 1e-4, "text_encoder_rates": [1e-4, 5e-5]}],
}
"""Three micro-batches, which two processes cannot share evenly."""
SEEN = {"ema": {"decay": 0.9}, "checkpoint_every": 3, "previews": ["1girl, smile"]}
"""What looks at the weights while they are trained."""
NOISE = "k_proj.bias"
"""Attention takes no notice of it; its gradients are rounding alone, which optimizers blow up."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe(**FULL, **SEEN), tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="module")
def together(full: School) -> Path:
    """A run of two processes from its first step to its last."""
    folder = full.store.root / "together"
    assert full.train(folder, processes=2).notes["sharded"]
    return folder


def assert_alike(one: Path, two: Path) -> None:
    """Assert that two runs logged and left the same, up to rounding."""
    for what, close in (("loss", 1e-4), ("grad_norm", 1e-3)):
        logs = [
            [json.loads(line)[what] for line in (folder / "log.jsonl").open()]
            for folder in (one, two)
        ]
        assert logs[1] == pytest.approx(logs[0], rel=close)
    files = files_of(one)
    assert files_of(two) == files
    assert sum(file.suffix == ".safetensors" for file in files) >= 3
    for file in files:
        if file.suffix == ".json":
            assert (two / file).read_text() == (one / file).read_text()
        elif file.suffix == ".safetensors":
            assert_close(one / file, two / file)


def assert_close(one: Path, two: Path) -> None:
    """Assert that the weights of two files are within a few units of fp16, or a tenth of a step."""
    left, right = load_file(one), load_file(two)
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert right[name].dtype == value.dtype
        if not name.endswith(NOISE):
            apart = (right[name].float() - value.float()).abs()
            assert (apart <= 2e-3 * value.float().abs() + 1e-5).all(), (one, name)


def files_of(folder: Path) -> list[Path]:
    found = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    return sorted(file for file in found if not file.name.startswith("scratch"))


@pytest.mark.slow
def test_two_processes_with_shares_learn_what_one_does(full: School, together: Path):
    alone = full.store.root / "alone"
    assert not full.train(alone).notes["sharded"]
    assert_alike(alone, together)


@pytest.mark.slow
def test_adafactor_learns_from_shares_what_it_learns_alone(tmp_path: Path):
    short = {**FULL, "phases": [{**FULL["phases"][0], "steps": 2}]}
    own = school(recipe(**short, optimizer={"use": "adafactor"}), tmp_path / "store")
    own.train(tmp_path / "alone")
    own.train(tmp_path / "together", processes=2)
    assert_alike(tmp_path / "alone", tmp_path / "together")


class Killed(BaseException):
    """What a test raises to have the workers killed, wherever they are."""


@pytest.mark.slow
def test_shares_killed_between_two_states_end_as_if_they_had_not_been(
    full: School, together: Path, tmp_path: Path
):
    def report(progress: Progress) -> None:
        if progress.done == 4:  # there is a state after 3, and the workers go on meanwhile
            raise Killed

    with pytest.raises(Killed):
        full.train(tmp_path, report, processes=2)
    assert (tmp_path / "scratch-state.safetensors").exists()
    assert not (tmp_path / "unet").exists()
    full.train(tmp_path, processes=2)
    assert files_of(tmp_path) == files_of(together)
    for file in files_of(together):
        assert digest_file(tmp_path / file) == digest_file(together / file), file


@pytest.mark.slow
def test_all_shares_stop_at_a_picture_that_is_not_finite_and_name_it_alone(tmp_path: Path):
    own = school(recipe(**FULL), tmp_path / "store")
    (data,), _ = own.sets()
    culprit = SampleOrder(own.spec, [data], None, Team(1, 2)).samples(0, 0)[0]
    assert culprit.number > 0, "the first picture is what a process looks at while others work"
    (file,) = own.inputs["latents-0"].glob("latents-*.safetensors")
    tensors = load_file(file)
    tensors["mean"][data.where[culprit.number][1]] = float("nan")
    save_file(tensors, file)
    with pytest.raises(TrainingError, match=rf"step 1, from {culprit.name} \("):
        own.train(tmp_path / "run", processes=2)


@pytest.mark.slow
def test_every_optimizer_that_may_moves_shares_as_it_moves_the_whole(tmp_path: Path):
    words = {
        "adamw": specs.AdamW(use="adamw"),
        "schedule-free": specs.ScheduleFree(use="schedule-free"),
        "lion": specs.Lion(use="lion"),
        "adafactor": specs.Adafactor(use="adafactor", weight_decay=0.01),
        "came": specs.Came(use="came"),
    }
    for word, found in compare(words, tmp_path).items():
        assert found["moved"] > 0.01, word
        assert found["apart"] < 1e-5, word
        assert found["stopped"] == 0, word


def test_weights_are_sharded_where_all_move_and_the_optimizer_does_not_need_them_all():
    def asked(size: int = 2, use: str = "adamw", **train: object) -> bool:
        rate = 1.0 if use == "prodigy" else 1e-4
        words = {"optimizer": {"use": use}, "phases": [{"steps": 6, "rate": rate}], **train}
        return can_shard(recipe(**words).train, Team(0, size))

    whole = {"method": "full", "adapter": None}
    assert asked(**whole)
    assert asked(use="adafactor", **whole)
    assert not asked(size=1, **whole)
    assert not asked(use="prodigy", **whole)
    assert not asked(use="adamw-8bit", **whole)
    assert not asked()
