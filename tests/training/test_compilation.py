"""Compiled blocks: asked for on the page, compiled once a shape, and close to the plain ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.models.attention import BasicTransformerBlock
from schooling import School, recipe, school
from torch._dynamo.testing import CompileCounter

from harness.training import training_run
from harness.training.compilation import compile_blocks
from harness.training.step import gradients
from harness.training.team import Team


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> School:
    return school(recipe(compile=True), tmp_path_factory.mktemp("own"))


def gradients_of(own: School, counter: CompileCounter | None) -> list[torch.Tensor]:
    """Return the gradients of the first step, with blocks that `counter` compiles."""
    sets, class_set = own.sets()
    context = own.workplace(own.store.root / "unused")
    models = own.models()
    run = training_run.begin(own.spec, sets, class_set, models, Team(), context)
    if counter is not None:
        compile_blocks(models, counter)
    gradients(run, run.reader.samples(0))
    return [each.grad for each in run.parameters if each.grad is not None]


def test_blocks_of_one_shape_share_a_compilation_and_compute_the_same(own: School):
    torch._dynamo.reset()
    counter = CompileCounter()
    plain, compiled = gradients_of(own, None), gradients_of(own, counter)
    blocks = [
        each for each in own.models().unet.modules() if isinstance(each, BasicTransformerBlock)
    ]
    assert 0 < counter.frame_count < len(blocks)
    for one, other in zip(plain, compiled, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-8)


def test_a_recipe_that_does_not_ask_has_no_compiled_block(own: School, tmp_path: Path):
    models = own.models()
    models.train = models.train.model_copy(update={"compile": False})
    compile_blocks(models, CompileCounter())
    assert all(each._compiled_call_impl is None for each in models.unet.modules())
