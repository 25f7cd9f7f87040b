"""Training: what does not change its result, and what every word of the page does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from schooling import School, recipe, school

from harness.errors import TrainingError
from harness.fingerprint import digest_file
from harness.training import loop, step, training_run
from harness.training.objective import Objective
from harness.training.scale import Scale
from harness.training.team import Team
from harness.training.trained_models import TrainedModels

RICH = {
    "adapter": {"rank": 4, "alpha": 2.0, "dropout": 0.2},
    "flip": True,
    "noise_offset": 0.05,
    "snr_gamma": 5.0,
    "input_perturbation": 0.1,
}
WORDS = {"dropout": 0.2, "words": "tags", "shuffle": True, "keep_first": 1, "tag_dropout": 0.2}
"""Every way to change a seed of chance."""


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> School:
    page = recipe({"caption": WORDS}, **RICH)
    return school(page, tmp_path_factory.mktemp("rich"))


def first_gradients(own: School, most: int, team: Team | None = None) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of step 0, in passes of at most `most` samples."""
    training = training_of(own, team or Team())
    training.objective.most = most
    samples = training.sample_order.samples(0, 0)
    loss = step.gradients(training, samples)
    found = [one.grad for one in training.parameters if one.grad is not None]
    return float(loss), torch.cat([gradient.flatten() for gradient in found])


def training_of(
    own: School, team: Team, models: TrainedModels | None = None
) -> training_run.TrainingRun:
    sets, class_set = own.sets()
    place = own.workplace(own.store.root / "unused")
    training = training_run.begin(own.spec, sets, class_set, models or own.models(), team, place)
    for name, parameter in training.models.tensors.items():
        if "lora_B" in name:  # zero at first, which would hide half of every gradient
            generator = torch.Generator().manual_seed(len(name))
            parameter.data.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    return training


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 2, 3])
def test_how_samples_are_put_into_passes_changes_nothing(rich: School, most: int):
    loss, gradients = first_gradients(rich, 4)
    other_loss, other = first_gradients(rich, most)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert float((other - gradients).norm()) <= 1e-6 * float(gradients.norm())


def test_processes_that_share_a_step_add_up_to_it(rich: School):
    class Half(Team):
        """A process whose partners' sums are added by the test."""

        def add_up(self, parameters, total):
            return total

    loss, gradients = first_gradients(rich, 4)
    halves = [first_gradients(rich, 4, Half(rank, 2)) for rank in (0, 1)]
    assert sum(half for half, _ in halves) == pytest.approx(loss, rel=1e-6)
    whole = halves[0][1] + halves[1][1]
    assert float((whole - gradients).norm()) <= 1e-6 * float(gradients.norm())


@pytest.mark.slow
def test_a_layer_without_gradients_does_not_decay_in_company(tmp_path: Path):
    """CLIP's last layer lies behind what is read; zeros for its gradient would let it decay."""
    page = recipe(
        optimizer={"use": "adamw", "weight_decay": 0.1},
        tracker="tensorboard",
        phases=[{"steps": 3, "rate": 1e-2, "text_encoder_rates": [1e-2, 1e-2]}],
    )
    own = school(page, tmp_path / "store")
    own.train(tmp_path / "one")
    own.train(tmp_path / "two", processes=2)
    one, two = (load_file(tmp_path / name / "adapter.safetensors") for name in ("one", "two"))
    last = [name for name in one if "text_encoder.text_model.encoder.layers.2." in name]
    assert last
    assert all(torch.equal(one[name], two[name]) for name in last)


@pytest.mark.slow
def test_two_gloo_processes_learn_what_one_does(rich: School, tmp_path: Path):
    alone = rich.train(tmp_path / "one")
    shared = rich.train(tmp_path / "two", processes=2)
    one, two = (load_file(tmp_path / name / "adapter.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    apart = torch.cat([(two[name] - value).flatten() for name, value in one.items()])
    whole = torch.cat([value.flatten() for value in one.values()])
    assert float(apart.norm()) <= 1e-5 * float(whole.norm())
    assert (alone.notes["world_size"], shared.notes["world_size"]) == (1, 2)
    losses = [losses_of(tmp_path / name) for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_the_log_holds_every_step_and_the_notes_say_where_the_time_went(rich, tmp_path):
    place = rich.train(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["rate"] == 1e-3 and line["grad_norm"] > 0 for line in lines)
    assert place.notes["effective_batch"] == 4
    assert place.notes["determinism"] == "bitwise"
    assert place.notes["peak_memory_mb"] > 100
    assert set(place.notes["time_split"]) == {"models", "data", "unet", "optimizer"}


@pytest.mark.slow
def test_a_second_training_equals_the_first_byte_for_byte(rich, tmp_path):
    for name in ("one", "two"):
        rich.train(tmp_path / name)
    for file in ("adapter.safetensors", "log.jsonl"):
        assert digest_file(tmp_path / "one" / file) == digest_file(tmp_path / "two" / file)


class Killed(BaseException):
    """What a test raises where a kill would strike."""


def killed_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Strike in the middle of the `count`-th backward pass from now on."""
    left = [count]
    whole = Objective.loss

    def loss(objective: Objective, content: object) -> torch.Tensor:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return whole(objective, content)

    monkeypatch.setattr(Objective, "loss", loss)


STRIKES = (1, 6, 13, 20)
"""Passes, four to a step: the first, one inside a step, one behind a checkpoint, the last."""


@pytest.mark.slow
@pytest.mark.parametrize("words", [{"use": "adamw"}, {"use": "prodigy"}, {"use": "schedule-free"}])
def test_a_run_killed_in_any_pass_ends_as_if_it_had_not_been(words, tmp_path, monkeypatch):
    """States at every step. `performance/chaos.py` kills at random."""
    rate = 1.0 if words["use"] == "prodigy" else 1e-3
    page = recipe(
        {"caption": WORDS},
        **RICH,
        optimizer=words,
        phases=[{"steps": 5, "rate": rate}],
        ema=None if words["use"] == "schedule-free" else {"decay": 0.9},
        checkpoint_every=3,
    )
    own = school(page, tmp_path / "store")
    monkeypatch.setattr(training_run, "CPU_BUDGET", 1)  # one sample a pass: four passes a step
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_STATES", 0.0)
    own.train(tmp_path / "whole")
    for strike in STRIKES:
        folder = tmp_path / f"killed-{strike}"
        with monkeypatch.context() as patch:
            killed_at(patch, strike)
            with pytest.raises(Killed):
                own.train(folder)
        own.train(folder)
        for file in files_of(tmp_path / "whole"):
            assert digest_file(folder / file) == digest_file(tmp_path / "whole" / file), strike


def files_of(folder: Path) -> list[Path]:
    found = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    return sorted(file for file in found if not file.name.startswith("scratch"))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_min_snr_weighs_instances_alone_for_every_batch_size(batch, tmp_path):
    """Stated by hand: the mean of weighted instances and, times the prior's weight, of classes."""
    prior = {"prompt": "a face", "images": 3, "sampler_steps": 2, "weight": 0.5}
    page = recipe(batch=batch, accumulation=1, snr_gamma=5.0, prior=prior)
    own = school(page, tmp_path)
    training = training_of(own, Team())
    samples = training.sample_order.samples(0, 0)
    assert [sample.is_class for sample in samples].count(True) == batch
    loss = float(step.gradients(training, samples))
    kept = training.objective._alphas
    expected = 0.0
    for sample in samples:
        content = training.objective.read([sample])
        plain = replace(content, weights=torch.ones(1))
        error = float(training.objective.loss(plain).detach())
        ratio = float(kept[content.times[0]] / (1 - kept[content.times[0]]))
        weight = 0.5 if sample.is_class else min(ratio, 5.0) / ratio
        expected += weight * error / batch
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_sample_weighs_what_its_row_says(tmp_path):
    own = school(recipe(batch=1, accumulation=1), tmp_path)
    training = training_of(own, Team())
    (sample,) = training.sample_order.samples(0, 0)
    heavy = replace(sample, data=replace(sample.data, weights=(3.0,) * len(sample.data)))
    once = float(step.gradients(training, [sample]))
    assert float(step.gradients(training, [heavy])) == pytest.approx(3 * once, rel=1e-6)


@pytest.mark.slow
def test_text_encoders_rest_in_a_phase_without_rates(tmp_path):
    phases = [
        {"steps": 2, "rate": 1e-3, "text_encoder_rates": [1e-3, 2e-3]},
        {"steps": 2, "rate": 1e-3},
    ]
    own = school(recipe(phases=phases, checkpoint_every=2), tmp_path / "store")
    own.train(tmp_path / "run")
    half = load_file(tmp_path / "run/checkpoints/000002/adapter.safetensors")
    end = load_file(tmp_path / "run/adapter.safetensors")
    moved = {
        name.split(".")[0] for name, value in end.items() if not torch.equal(value, half[name])
    }
    assert {name.split(".")[0] for name in end} == {"unet", "text_encoder", "text_encoder_2"}
    assert moved == {"unet"}


@pytest.mark.slow
@pytest.mark.parametrize("beside", [{}, {"text_encoder_rates": [1e-3, 1e-3]}])
def test_new_tokens_learn_and_no_other_row_moves(beside, tmp_path):
    tokens = [{"name": "<ninja>", "vectors": 2, "initializer": "girl"}]
    page = recipe(
        {"caption": {"prefix": "<ninja>"}},
        tokens=tokens,
        phases=[{"steps": 3, "rate": 1e-3, "token_rate": 1e-2, **beside}],
    )
    own = school(page, tmp_path / "store")
    models = own.models()
    before = [row.detach().clone() for row in models.tokens]
    known = models.encoders.first.get_input_embeddings().known.weight.clone()
    sets, class_set = own.sets()
    loop.train(own.spec, sets, class_set, models, Team(), own.workplace(tmp_path / "run"))
    stored = load_file(tmp_path / "run/embeddings.safetensors")
    for row, part in zip(before, ("clip_l", "clip_g"), strict=True):
        assert stored[part].shape == row.shape
        assert (stored[part] - row).abs().max() > 1e-3
    assert torch.equal(models.encoders.first.get_input_embeddings().known.weight, known)


@pytest.mark.slow
def test_the_exported_weights_are_the_mean_where_one_is_asked_for(tmp_path):
    own = school(recipe(), tmp_path / "store")
    mean = replace(
        own,
        step=replace(
            own.step, spec=own.spec.model_copy(update={"train": recipe(ema={"decay": 0.99}).train})
        ),
    )
    own.train(tmp_path / "plain")
    mean.train(tmp_path / "mean")
    plain, averaged = (
        load_file(tmp_path / name / "adapter.safetensors") for name in ("plain", "mean")
    )
    ups = [name for name in plain if "lora_B" in name or "lora.up" in name]
    assert ups
    norms = [sum(float(each[name].norm()) for name in ups) for each in (plain, averaged)]
    assert 0.2 < norms[1] / norms[0] < 0.95  # the mean still remembers the zeros it began with


def test_a_loss_that_is_not_finite_names_its_pictures(rich, tmp_path, monkeypatch):
    training = training_of(rich, Team())
    culprit = training.sample_order.samples(0, 0)[2]
    whole = Objective.loss

    def loss(objective, content):
        poisoned = culprit.name in [sample.name for sample in content.samples]
        return whole(objective, content) * (float("nan") if poisoned else 1.0)

    monkeypatch.setattr(Objective, "loss", loss)
    with pytest.raises(TrainingError) as error:
        rich.train(tmp_path)
    assert "at step 1" in error.value.what
    assert culprit.name in error.value.what
    others = {sample.name for sample in training.sample_order.samples(0, 0)} - {culprit.name}
    assert not any(name in error.value.what for name in others)


def test_a_gradient_that_is_not_finite_names_its_pictures(rich, tmp_path, monkeypatch):
    training = training_of(rich, Team())
    culprit = training.sample_order.samples(0, 0)[1]
    whole = Objective.loss

    def loss(objective, content):
        found = whole(objective, content)
        if culprit.name in [sample.name for sample in content.samples]:
            found = found + 0 * (found - found.detach()).sqrt()  # finite, its slope is not
        return found

    monkeypatch.setattr(Objective, "loss", loss)
    with pytest.raises(TrainingError, match="the gradients are not finite at step 1") as error:
        rich.train(tmp_path)
    assert culprit.name in error.value.what


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 3])
def test_dropout_in_text_encoders_belongs_to_samples_too(most: int, tmp_path: Path):
    page = recipe(
        {"caption": {"chunks": 2}},
        adapter={"rank": 4, "dropout": 0.3},
        phases=[{"steps": 2, "rate": 1e-3, "text_encoder_rates": [1e-3, 1e-3]}],
        gradient_checkpointing=True,
    )
    own = school(page, tmp_path)
    loss, gradients = first_gradients(own, 4)
    other_loss, other = first_gradients(own, most)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert float((other - gradients).norm()) <= 1e-5 * float(gradients.norm())


@pytest.mark.slow
def test_divergence_keeps_the_last_checkpoint_and_names_it(tmp_path, monkeypatch):
    own = school(recipe(phases=[{"steps": 4, "rate": 1e-3}], checkpoint_every=2), tmp_path / "s")
    whole, calls = Objective.loss, []

    def loss(objective, content):
        calls.append(1)
        return whole(objective, content) * (1e9 if len(calls) > 3 else 1.0)

    monkeypatch.setattr(Objective, "loss", loss)
    with pytest.raises(TrainingError, match="at step 4") as error:
        own.train(tmp_path / "run")
    kept = tmp_path / "run/checkpoints/000002"
    assert str(kept) in str(error.value)
    assert load_file(kept / "adapter.safetensors")


@pytest.mark.slow
def test_an_overflow_is_done_again_and_costs_no_step(rich, tmp_path, monkeypatch):
    """fp16 needs a GPU; its scaling does not: gradients burst above a scale of 2**14 here."""
    monkeypatch.setattr(training_run, "scale_for", lambda dtype: Scale(moves=True, value=2.0**16))
    whole = step.gradients

    def gradients(training, samples):
        loss = whole(training, samples)
        if training.scale.value > 2.0**14:
            training.parameters[0].grad[0] = float("inf")
        return loss

    monkeypatch.setattr(step, "gradients", gradients)
    place = rich.train(tmp_path / "scaled")
    assert place.notes["overflows"] == 2
    monkeypatch.undo()
    rich.train(tmp_path / "plain")
    scaled, plain = (
        load_file(tmp_path / name / "adapter.safetensors") for name in ("scaled", "plain")
    )
    assert len(losses_of(tmp_path / "scaled")) == 3
    for name, value in plain.items():
        assert torch.allclose(scaled[name], value, atol=1e-6), name


def test_fewer_pictures_than_a_batch_are_refused_before_training(tmp_path):
    own = school(recipe({"curate": {"ratings": ["general"]}}, batch=1), tmp_path / "store")
    few = own.spec.model_copy(update={"train": own.spec.train.model_copy(update={"batch": 99})})
    with pytest.raises(TrainingError, match="fewer than one batch of 99"):
        replace(own, step=replace(own.step, spec=few)).train(tmp_path / "run")


@pytest.mark.slow
def test_previews_are_drawn_and_do_not_disturb_training(tmp_path):
    page = recipe(checkpoint_every=2, phases=[{"steps": 3, "rate": 1e-3}])
    own = school(page, tmp_path / "store")
    train = own.spec.train.model_copy(update={"previews": ("1girl, smile", "../../evil")})
    seen = replace(own, step=replace(own.step, spec=own.spec.model_copy(update={"train": train})))
    own.train(tmp_path / "plain")
    seen.train(tmp_path / "seen")
    drawn = sorted(path.name for path in (tmp_path / "seen/checkpoints/000002").glob("*.png"))
    assert drawn == ["00-1girl-smile.png", "01-evil.png"]
    plain, other = (
        load_file(tmp_path / name / "adapter.safetensors") for name in ("plain", "seen")
    )
    assert all(torch.equal(plain[name], other[name]) for name in plain)
