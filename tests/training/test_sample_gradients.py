"""A gradient for each picture out of one pass, and the few numbers that are kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from schooling import School, recipe, school

from harness.training.probe import (
    Denoiser,
    ProbedPicture,
    Question,
    even_grid,
    schedule_of,
)
from harness.training.sample_gradients import Projection, SampleGradients, load_weights
from harness.training.trained_models import TrainedModels

POINTS = even_grid(2).points


def taker(own: School, models: TrainedModels, dimensions: int = 512) -> SampleGradients:
    kept, prediction = schedule_of(own.spec.base)
    denoiser = Denoiser(models.unet, kept, prediction, "cpu", models.encoders)
    return SampleGradients(models, denoiser, Projection(dimensions, 0))


def questions(own: School, count: int = 2) -> list[Question]:
    data = own.sets()[0][0]
    pictures = [ProbedPicture(data, number, f"row-{number}") for number in range(count)]
    return [Question(picture, *point) for picture in pictures for point in POINTS]


def moved(own: School) -> TrainedModels:
    """Return models whose adapter does something already, in both factors."""
    models = own.models()
    torch.manual_seed(1)
    for name, parameter in models.tensors.items():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05)
    return models


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe(), tmp_path_factory.mktemp("plain"))


def test_gradients_taken_together_are_those_taken_one_by_one(own: School) -> None:
    models = moved(own)
    together, alone = taker(own, models), taker(own, models)
    assert together.takes_several
    alone.takes_several = False
    losses, vectors = together.take(questions(own), 0)
    other_losses, others = alone.take(questions(own), 0)
    assert torch.allclose(losses, other_losses, atol=1e-5)
    assert float((vectors - others).norm()) < 1e-3 * float(others.norm())
    directions = torch.nn.functional.normalize(vectors)
    assert float((directions @ directions.T).fill_diagonal_(0).max()) < 0.9


def test_questions_that_do_not_fit_are_taken_in_halves(
    own: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = taker(own, moved(own))
    take, sizes = one._take, []

    def small(asked: Sequence[Question], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        sizes.append(len(asked))
        if len(asked) > 1:
            raise torch.OutOfMemoryError("too small a card")
        return take(asked, seed)

    whole, expected = one.take(questions(own), 0)
    monkeypatch.setattr(one, "_take", small)
    losses, vectors = one.take(questions(own), 0)
    assert sizes == [4, 2, 1, 1, 2, 1, 1]
    assert torch.allclose(losses, whole, atol=1e-5)
    assert float((vectors - expected).norm()) < 1e-3 * float(expected.norm())


def test_layers_are_as_before_once_gradients_are_taken(own: School) -> None:
    models = moved(own)
    kinds = [type(module) for module in models.unet.modules()]
    taker(own, models).take(questions(own, 1), 0)
    assert [type(module) for module in models.unet.modules()] == kinds
    assert all(parameter.grad is None for parameter in models.tensors.values())


def test_other_layers_are_asked_one_by_one(tmp_path: Path) -> None:
    own = school(recipe(adapter={"rank": 2, "dora": True, "targets": "conv1|to_q"}), tmp_path)
    one = taker(own, moved(own), 64)
    assert not one.takes_several
    losses, vectors = one.take(questions(own, 1), 0)
    assert losses.shape == (2,)
    assert torch.isfinite(vectors).all()
    assert float(vectors.norm(dim=1).min()) > 0


def test_text_encoders_that_are_trained_are_asked_too(tmp_path: Path) -> None:
    phases = [{"steps": 1, "rate": 1e-3, "text_encoder_rates": [1e-4, 1e-4]}]
    own = school(recipe(phases=phases), tmp_path)
    together, alone = taker(own, models := moved(own), 256), taker(own, models, 256)
    assert together.takes_several
    alone.takes_several = False
    _, vectors = together.take(questions(own), 0)
    _, others = alone.take(questions(own), 0)
    assert float((vectors - others).norm()) < 1e-3 * float(others.norm())


def test_the_weights_that_training_left_are_those_that_are_asked(
    own: School, tmp_path: Path
) -> None:
    own.train(tmp_path)
    models = own.models()
    before = {name: value.detach().clone() for name, value in models.tensors.items()}
    load_weights(models, tmp_path)
    changed = [name for name, value in models.tensors.items() if not value.equal(before[name])]
    assert len(changed) == len(before)
    again = own.models()
    load_weights(again, tmp_path)
    assert all(value.equal(again.tensors[name]) for name, value in models.tensors.items())


def test_the_projection_keeps_inner_products() -> None:
    torch.manual_seed(0)
    parts = {"a": torch.randn(2, 30, 40), "b": torch.randn(2, 900)}
    parts["b"][1] += 0.5 * parts["b"][0]
    whole = torch.cat([each.flatten(1) for each in parts.values()], 1)
    exact, scale = whole @ whole.T, float(whole.norm(dim=1).prod())
    found = []
    for seed in range(200):
        projection, onto = Projection(64, seed), torch.zeros(2, 64)
        for name, part in parts.items():
            projection.add(onto, name, part)
        found.append(onto @ onto.T)
    every = torch.stack(found)
    assert float((every.mean(0) - exact).abs().max()) < 4 * scale / (64 * 200) ** 0.5
    assert float(every[:, 0, 1].std()) < 1.5 * scale / 64**0.5


def test_a_projection_does_not_depend_on_what_else_is_projected() -> None:
    part = torch.randn(3, 50)
    one, other = Projection(16, 0), Projection(16, 0)
    alone, beside = torch.zeros(3, 16), torch.zeros(3, 16)
    one.add(alone, "a", part)
    other.add(torch.zeros(3, 16), "b", part)
    other.add(beside, "a", part)
    assert alone.equal(beside)
    assert float(alone.norm()) > 0
