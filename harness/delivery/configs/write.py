"""Write the config that another trainer reads, with a comment for each thing it cannot say."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.delivery.configs import diffusers_script, kohya
from harness.delivery.configs.sheet import Loss, Sheet, sheets
from harness.errors import UsageError
from harness.escaping import one_line
from harness.files import write_text
from harness.pages.foreign.page import short
from harness.pages.recipe import Recipe

FORMS = ("kohya", "diffusers")


@dataclass(frozen=True)
class Written:
    """The files of a config, and what of the recipe they do not say."""

    files: tuple[Path, ...]
    losses: tuple[Loss, ...]

    def __str__(self) -> str:
        lines = [str(file) for file in self.files]
        lines += [f"  {each.field} {short_of(each.value)}: {each.why}" for each in self.losses]
        return "\n".join(one_line(line) for line in lines)


def write_config(recipe: Recipe, form: str, folder: Path) -> Written:
    """Write a recipe as a config; a recipe of several phases gives one config a phase."""
    if form not in FORMS:
        raise UsageError(
            f"--config {form} is no form of a config", hint=f"known: {', '.join(FORMS)}"
        )
    if recipe.train is None or recipe.data is None:
        raise UsageError(f"{recipe.name} trains nothing, so it has no config")
    files, losses = [], []
    phases = sheets(recipe)
    for number, sheet in enumerate(phases, 1):
        stem = recipe.name if len(phases) == 1 else f"{recipe.name}-{number}"
        if number > 1:
            why = f"start from what {recipe.name}-{number - 1} left"
            sheet.lose("train.phases", f"phase {number}", why)
            if form == "kohya":
                sheet.put("network_weights", f"out/{recipe.name}-{number - 1}.safetensors")
        texts = _kohya(sheet, stem) if form == "kohya" else _diffusers(sheet, stem)
        for name, text in texts.items():
            write_text(folder / name, text)
            files.append(folder / name)
        losses += [each for each in sheet.losses if each not in losses]
    return Written(tuple(files), tuple(losses))


def _kohya(sheet: Sheet, stem: str) -> dict[str, str]:
    pictures = kohya.fill(sheet)
    sheet.put("output_name", stem)
    sheet.put("dataset_config", f"{stem}-set.toml")
    script = "sdxl_train.py" if sheet.train.method == "full" else "sdxl_train_network.py"
    run = f"accelerate launch {script} --config_file {stem}.toml"
    flags = [f"{name} = {_toml(value)}" for name, value in sheet.flags.items()]
    return {f"{stem}.toml": _text(_head(sheet, run), flags), f"{stem}-set.toml": _set(pictures)}


def _set(pictures: dict[str, Any]) -> str:
    lines = ["[general]", *_pairs(pictures["general"]), "", "[[datasets]]"]
    lines += _pairs(pictures["dataset"])
    for subset in pictures["subsets"]:
        lines += ["", "[[datasets.subsets]]", *_pairs(subset)]
    return "\n".join(lines) + "\n"


def _pairs(mapping: dict[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in mapping.items()]


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _diffusers(sheet: Sheet, stem: str) -> dict[str, str]:
    script = diffusers_script.fill(sheet)
    processes = sheet.train.processes
    launch = "accelerate launch" + (f" --num_processes={processes}" if processes > 1 else "")
    flags = [
        f"--{name}" if value is True else f"--{name}={shlex.quote(str(value))}"
        for name, value in sheet.flags.items()
        if value is not False
    ]
    command = " \\\n  ".join([f"{launch} {script}", *flags])
    return {f"{stem}.sh": _text(["#!/bin/sh", *_head(sheet, f"sh {stem}.sh")], [command])}


def _head(sheet: Sheet, run: str) -> list[str]:
    lines = [f"# The recipe {sheet.recipe.name}, written by harness export.", f"# Run: {run}"]
    if sheet.losses:
        lines += ["#", "# What it says otherwise, or not at all:"]
    for each in sheet.losses:
        said = one_line(f"{each.field} {short_of(each.value)}: {each.why}")
        lines.append(f"# - {said}")
    return [*lines, ""]


def short_of(value: Any) -> str:
    """Return a value of a recipe on one line."""
    plain = value.model_dump(exclude_defaults=True) if hasattr(value, "model_dump") else value
    if isinstance(plain, tuple) and plain and hasattr(plain[0], "model_dump"):
        plain = [each.model_dump(exclude_defaults=True) for each in plain]
    return short(plain)


def _text(head: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join([*head, *lines]) + "\n"
