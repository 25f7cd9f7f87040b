"""The names that trainers give to samples and weights, and what they say: step, epoch, seed.

Each rule is one convention. Order matters: the first rule that a name fits reads it, and the loose
ones come last. A name that fits none is told, and never guessed at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

IMAGES = (".png", ".jpg", ".jpeg", ".webp")
WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class Shot:
    """What a sample's name says."""

    file: str
    """Relative to the folder, with `/`."""
    convention: str
    step: int | None = None
    epoch: int | None = None
    prompt: str = "0"
    """The number or the short name of its prompt, the same at every step."""
    seed: int | None = None
    text: str = ""
    """The prompt, or the part of it that a folder is called by."""
    run: str = ""
    """The name of the training, where the file's name has it."""
    when: str = ""
    """When it was drawn, as the name has it; of two drawn at one step the later counts."""


@dataclass(frozen=True)
class Weights:
    """What the name of a file of weights says."""

    file: str
    convention: str
    step: int | None = None
    epoch: int | None = None
    run: str = ""
    """The name of the training, where the file's name has it."""
    is_last: bool = False
    """Whether it is the end of training, which has no number."""


_SHOTS = (
    (
        "kohya",
        r"(?:(?P<name>.+)_)?(?:e(?P<epoch>\d{6})|(?P<step>\d{6,}))_(?P<prompt>\d{2,})"
        r"_(?P<when>\d{14})(?:_(?P<seed>\d+))?",
    ),
    ("ai-toolkit", r"(?P<when>\d{10,16})__(?P<step>\d{9,})_(?P<prompt>\d+)"),
    (
        "OneTrainer",
        r"(?:.*?)(?P<when>\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2})-training-sample-"
        r"(?P<step>\d+)-(?P<epoch>\d+)-\d+",
    ),
    ("SimpleTuner", r"step_(?P<step>\d+)_(?P<prompt>.+?_\d+_\d+x\d+)"),
    ("SimpleTuner", r"step_(?P<step>\d+)_(?P<prompt>.+_\d+x\d+)"),
    (
        "ComfyUI",
        r"(?P<name>.+?)[-_](?:step(?P<step>\d{3,8})|(?P<epoch>\d{6}))_(?P<prompt>\d{5})_?",
    ),
    (
        "steps and epochs in words",
        r"(?:.*?(?<![a-z]))?(?:(?:step|steps)[-_ ]?(?P<step>\d+)|"
        r"(?:epoch|ep)[-_ ]?(?P<epoch>\d+))(?:[-_ ](?:prompt|sample|p)?[-_ ]?(?P<prompt>\d+))?"
        r"(?:[-_ ](?:seed|s)[-_ ]?(?P<seed>\d+))?",
    ),
)
"""Conventions of samples, by the stem of the name."""
_WEIGHTS = (
    ("kohya", r"(?P<name>.+)-step(?P<step>\d{8,})"),
    ("kohya", r"(?P<name>.+)-(?P<epoch>\d{6})"),
    ("ai-toolkit", r"(?P<name>.+)_(?P<step>\d{9})"),
    (
        "OneTrainer",
        r"(?P<name>.*?)\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}-save-(?P<step>\d+)-(?P<epoch>\d+)-\d+",
    ),
    ("ComfyUI", r"(?P<name>.+)_(?P<step>\d+)_steps_\d{5}_"),
    (
        "steps and epochs in words",
        r"(?P<name>.*?)(?<![a-z])(?:(?:step|steps)[-_ ]?(?P<step>\d+)|"
        r"(?:epoch|ep)[-_ ]?(?P<epoch>\d+))",
    ),
)
_FOLDER_OF_A_STEP = re.compile(r"(?:checkpoint|step|global_step)[-_ ]?(\d+)", re.IGNORECASE)
_FOLDER_OF_AN_EPOCH = re.compile(r"(?:epoch|ep)[-_ ]?(\d+)", re.IGNORECASE)
_FOLDER_OF_A_PROMPT = re.compile(r"(\d+) - (.*)", re.DOTALL)
_NUMBERED = re.compile(r"(?:.*?[-_ ])?(\d{1,6})")
_LARGEST = 10**9
"""No training has more steps; a longer number is a time or a seed."""
_UNFINISHED = (".part", ".tmp", ".write", ".crdownload", ".incomplete")


def read_shot(file: str) -> Shot | str:
    """Return what the name of a sample says, or why it says too little."""
    path = PurePosixPath(file)
    for convention, pattern in _SHOTS:
        found = re.fullmatch(pattern, path.stem, re.IGNORECASE)
        if found is None:
            continue
        if convention == "OneTrainer":
            return _of_onetrainer(file, path, found)
        return _shot(file, convention, found.groupdict())
    return _in_folder_of_a_step(file, path)


def _of_onetrainer(file: str, path: PurePosixPath, found: re.Match[str]) -> Shot | str:
    """Return a sample with the prompt that its folder is called by: `0 - a cat`."""
    folder = _FOLDER_OF_A_PROMPT.fullmatch(path.parent.name)
    if path.parent.name == "custom":
        return "was drawn by hand and not at each step: it lies in custom"
    if folder is None:
        return "does not lie in a folder of its prompt, such as `0 - a cat`"
    said = {**found.groupdict(), "prompt": folder.group(1), "text": folder.group(2).strip()}
    return _shot(file, "OneTrainer", said)


def _in_folder_of_a_step(file: str, path: PurePosixPath) -> Shot | str:
    """Return a sample whose folder names the step, as `checkpoint-500/image_0.png`."""
    numbered = _NUMBERED.fullmatch(path.stem)
    for folder in reversed(path.parent.parts):
        for pattern, name in ((_FOLDER_OF_A_STEP, "step"), (_FOLDER_OF_AN_EPOCH, "epoch")):
            found = pattern.fullmatch(folder)
            if found and numbered:
                said = {name: found.group(1), "prompt": numbered.group(1)}
                return _shot(file, "folders of steps", said)
            if found:
                return "says no number of a prompt, which its folder of a step needs"
    return "says neither step nor epoch as any known trainer writes it"


def _shot(file: str, convention: str, said: dict[str, str | None]) -> Shot | str:
    step, epoch = _whole(said.get("step")), _whole(said.get("epoch"))
    if step is None and epoch is None:
        return "says neither step nor epoch"
    if max(step or 0, epoch or 0) > _LARGEST:
        return "has a number of steps that no training reaches"
    prompt = said.get("prompt") or "0"
    return Shot(
        file=file,
        convention=convention,
        step=step,
        epoch=epoch,
        prompt=str(int(prompt)) if prompt.isdigit() else prompt,
        seed=_whole(said.get("seed")),
        text=said.get("text") or "",
        run=said.get("name") or "",
        when=said.get("when") or "",
    )


def read_weights(file: str) -> Weights | str:
    """Return what the name of a file of weights says, or why it says too little."""
    path = PurePosixPath(file)
    for folder in reversed(path.parent.parts):
        found = _FOLDER_OF_A_STEP.fullmatch(folder)
        if found and path.name == "pytorch_lora_weights.safetensors":
            return Weights(file, "diffusers", step=int(found.group(1)))
        if found:
            return "lies in a checkpoint and is no LoRA of it"
    if path.name == "pytorch_lora_weights.safetensors":
        return Weights(file, "diffusers", is_last=True)
    for convention, pattern in _WEIGHTS:
        said = re.fullmatch(pattern, path.stem, re.IGNORECASE)
        if said is not None:
            step, epoch = (_whole(said.groupdict().get(name)) for name in ("step", "epoch"))
            return Weights(file, convention, step, epoch, said.groupdict().get("name") or "")
    return Weights(file, "no number", run=path.stem, is_last=True)


def is_unfinished(file: str) -> bool:
    """Return whether a name says that its file is still being written."""
    return file.lower().endswith(_UNFINISHED) or PurePosixPath(file).name.startswith(".")


def _whole(word: str | None) -> int | None:
    return None if not word else int(word)
