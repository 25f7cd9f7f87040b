"""Importing the code of stages without looking for garbage."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from harness.pipeline.stages.loading import importing


@pytest.fixture(autouse=True)
def unfrozen():
    yield
    gc.unfreeze()


def test_no_garbage_is_looked_for_while_code_is_imported():
    assert gc.isenabled()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_the_collector_as_it_was():
    with pytest.raises(ImportError), importing():
        raise ImportError("no such network")
    assert gc.isenabled()


def test_a_caller_who_collects_nothing_is_left_alone():
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("came_before", [True, False])
def test_modules_are_frozen_only_where_no_pipeline_can_be_among_them(
    came_before: bool, monkeypatch: pytest.MonkeyPatch
):
    gc.unfreeze()
    monkeypatch.delitem(sys.modules, "diffusers", raising=False)
    if came_before:
        monkeypatch.setitem(sys.modules, "diffusers", ModuleType("diffusers"))
    with importing():
        monkeypatch.setitem(sys.modules, "diffusers", ModuleType("diffusers"))
    assert (gc.get_freeze_count() > 0) is not came_before
