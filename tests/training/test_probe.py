"""The questions of the loss probe: which noise a picture gets, and what its loss is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from once import Once
from schooling import School, recipe, school

from harness.diffusion.load import load_unet
from harness.training.draws import Purpose
from harness.training.probe import (
    Denoiser,
    Grid,
    ProbedPicture,
    Question,
    ask,
    chosen,
    even_grid,
    in_batches,
    schedule_of,
)
from harness.training.sets import EncodedSet


@pytest.fixture(scope="module")
def prepared(once: Once) -> School:
    page = recipe()

    def make(root: Path) -> None:
        school(page, root)

    return school(page, once("probe-training", make))


@pytest.fixture(scope="module")
def data(prepared: School) -> EncodedSet:
    return prepared.sets()[0][0]


@pytest.fixture(scope="module")
def base(prepared: School) -> Denoiser:
    unet = load_unet(prepared.spec.base, "cpu", torch.float32).eval()
    return Denoiser(unet, *schedule_of(prepared.spec.base), "cpu")


def pictures(data: EncodedSet) -> list[ProbedPicture]:
    return [ProbedPicture(data, number, f"row-{number}") for number in range(len(data))]


def test_a_grid_is_the_middles_of_equal_stretches() -> None:
    assert even_grid(4).timesteps == (125, 375, 625, 875)
    assert even_grid(1).timesteps == (500,)
    assert even_grid(2, noises=2).points == [(250, 0), (250, 1), (750, 0), (750, 1)]


def test_noise_belongs_to_the_row_the_timestep_and_its_number(data: EncodedSet) -> None:
    one = Question(ProbedPicture(data, 0, "ink"), 500, 0)
    again = Question(ProbedPicture(data, 7, "ink"), 500, 0)  # the same row, in another place
    assert torch.equal(one.normal(Purpose.NOISE, 0), again.normal(Purpose.NOISE, 0))
    others = [
        replace(one, picture=ProbedPicture(data, 0, "oil")),
        replace(one, time=501),
        replace(one, noise=1),
    ]
    for other in others:
        assert not torch.equal(one.normal(Purpose.NOISE, 0), other.normal(Purpose.NOISE, 0))
    assert not torch.equal(one.normal(Purpose.NOISE, 0), one.normal(Purpose.NOISE, 1))
    assert not torch.equal(one.normal(Purpose.NOISE, 0), one.normal(Purpose.POSTERIOR, 0))


def test_a_loss_is_the_mean_square_of_the_prediction_beside_the_noise(
    base: Denoiser, data: EncodedSet
) -> None:
    question = Question(pictures(data)[3], 300, 0)
    asked = base.read([question])
    assert torch.equal(asked.target[0], question.normal(Purpose.NOISE, 0))
    with torch.no_grad():
        predicted = base.unet(
            asked.noisy,
            asked.times,
            asked.sequences,
            added_cond_kwargs={"text_embeds": asked.pooled, "time_ids": asked.ids},
        ).sample
    expected = float(((predicted - asked.target) ** 2).mean())
    assert base.answer([question]) == pytest.approx([expected], rel=1e-5)


def test_answers_do_not_depend_on_batches_and_leave_the_random_state_alone(
    base: Denoiser, data: EncodedSet
) -> None:
    few, grid = pictures(data)[:4], Grid((100, 700), noises=2)
    before = torch.get_rng_state()
    together, alone = ask(base, few, grid, batch=16), ask(base, few, grid, batch=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert together.shape == (4, 4)
    assert together == pytest.approx(alone, rel=1e-5)
    turned = ask(base, few[::-1], grid, batch=16)
    assert turned[::-1] == pytest.approx(together, rel=1e-5)


def test_a_loss_has_the_gradients_that_training_would_see(base: Denoiser, data: EncodedSet) -> None:
    weight = base.unet.conv_out.weight.requires_grad_(True)
    base.losses(base.read([Question(pictures(data)[0], 500, 0)])).sum().backward()
    assert weight.grad is not None
    assert float(weight.grad.abs().sum()) > 0
    weight.requires_grad_(False)


def test_rows_are_chosen_by_their_ids_alone() -> None:
    ids = [f"row-{number}" for number in range(50)]
    picked = {ids[at] for at in chosen(ids, 10)}
    turned = ids[::-1]
    assert {turned[at] for at in chosen(turned, 10)} == picked
    assert len(picked) == 10
    assert chosen(ids, 10) == sorted(chosen(ids, 10))
    assert chosen(ids, 99) == list(range(50))
    assert picked < {ids[at] for at in chosen(ids, 20)}


def test_a_batch_holds_one_shape(data: EncodedSet) -> None:
    questions = [Question(each, 5, 0) for each in pictures(data)]
    assert [len(group) for group in in_batches(questions, 5)] == [5, 5, 2]
    assert np.concatenate(in_batches(questions, 5)).tolist() == questions


def test_a_batch_that_does_not_fit_is_asked_in_halves(
    base: Denoiser, data: EncodedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, grid, answer = pictures(data)[:3], Grid((500,)), Denoiser.answer
    expected = ask(base, few, grid, batch=2)

    class OutOfMemoryError(RuntimeError):
        """As torch raises it."""

    def small(self: Denoiser, questions: Sequence[Question], seed: int = 0) -> list[float]:
        if len(questions) > 2:
            raise OutOfMemoryError
        return answer(self, questions, seed)

    monkeypatch.setattr(Denoiser, "answer", small)
    assert ask(base, few, grid, batch=16) == pytest.approx(expected, rel=1e-5)
