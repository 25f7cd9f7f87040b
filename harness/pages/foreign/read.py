"""Know a config by its content, and read it with those files that it names."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from harness.errors import PageError, UsageError
from harness.files import read_regular
from harness.pages.foreign import ai_toolkit, diffusers_script, kohya, onetrainer, simpletuner
from harness.pages.foreign.figures import Draft, is_off
from harness.pages.foreign.habits import Habits
from harness.pages.foreign.secrets import hide_secrets
from harness.pages.yaml import read_page

LARGEST = 4_000_000
"""Bytes that a config may have."""
LOOKED_FOR = (
    "kohya's TOML or JSON (pretrained_model_name_or_path with network_dim or train_data_dir), "
    "ai-toolkit's YAML (config.process), OneTrainer's JSON (training_method and model_type), "
    "SimpleTuner's JSON (model_type with model_family or lora_rank), "
    "a command line with train_…_sdxl.py or sdxl_train….py"
)


def text_of(file: Path) -> str:
    """Return the text of a config."""
    try:
        return read_regular(file, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("is not UTF-8 text", where=str(file)) from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=str(file)) from None


def draft_of(text: str, folder: Path, file: Path | None = None) -> tuple[Draft, Habits]:
    """Return the draft of a config's text; the files that it names are looked for in `folder`."""
    command = _command(text)
    if command is not None:
        return _of_command(*command, folder)
    data = _data(text, file)
    if not isinstance(data, Mapping):
        raise UsageError("is no config that harness knows", hint=f"it looked for {LOOKED_FOR}")
    return _of_data(hide_secrets(data), folder)


def _of_data(data: Mapping[str, Any], folder: Path) -> tuple[Draft, Habits]:
    read = _Beside(folder)
    if ai_toolkit.recognizes(data):
        return ai_toolkit.draft_of(data), ai_toolkit.HABITS
    if onetrainer.recognizes(data):
        return onetrainer.draft_of(data, read), onetrainer.HABITS
    if simpletuner.recognizes(data):
        return simpletuner.draft_of(data, read)
    if kohya.recognizes(data):
        return kohya.draft_of(data, read)
    if "datasets" in data:
        raise UsageError(
            "is the set of sd-scripts alone",
            hint="import the config or the command that names it as dataset_config",
        )
    raise UsageError("is no config that harness knows", hint=f"it looked for {LOOKED_FOR}")


class _Beside:
    """Reads a file that a config names: where it says, or beside the config."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> Any:
        if not name:
            return None
        here = Path(name)
        own = PureWindowsPath(name).name if "\\" in name else here.name
        for file in (here, self._folder / name, self._folder / own):
            if file.is_file():
                return hide_secrets(_data(text_of(file), file))
        return None


def _data(text: str, file: Path | None) -> Any:
    """Return what a text holds: JSON, TOML, or YAML; each is tried by how the text begins."""
    start = text.lstrip()[:1]
    if start in ("{", "["):
        try:
            return json.loads(text)
        except RecursionError:
            where = str(file) if file else None
            raise UsageError("is nested too deeply for a config", where=where) from None
        except ValueError as error:
            if re.match(r"\{\s*[\"/]", text.lstrip()):
                raise _no_json(error, file) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if start == "{" or (start != "[" and not re.search(r"^\s*\w+\s*=", text, re.M)):
            return _yaml(text, file)
        raise UsageError(
            f"is neither JSON nor TOML: {error}", where=str(file) if file else None
        ) from None


def _no_json(error: ValueError, file: Path | None) -> UsageError:
    """Return what is wrong with a text that begins as JSON does."""
    line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
    hint = "JSON has no comments and no comma after the last value"
    if "escape" in str(error):
        hint = "write \\\\ for every \\ of a path"
    return UsageError(f"is not JSON: {error}", where=f"{file or 'stdin'}{line}", hint=hint)


def _yaml(text: str, file: Path | None) -> Any:
    """Return a YAML job; a text that names no process is no job that was broken."""
    unknown = UsageError("is no config that harness knows", hint=f"it looked for {LOOKED_FOR}")
    if "process" not in text:
        raise unknown
    with TemporaryDirectory() as folder:
        chosen = file
        if chosen is None:
            chosen = Path(folder, "config.yaml")
            chosen.write_text(text, encoding="utf-8")
        located = read_page(chosen)
    if located.problems:
        raise PageError(located.problems)
    return located.data


def _command(text: str) -> tuple[str, list[str]] | None:
    """Return the script that a text of shell launches, and every word of its command."""
    joined = re.sub(r"\s*[\\^`]\s*\n\s*", " ", text.replace("\r\n", "\n"))
    known: dict[str, str] = {}
    for line in joined.split("\n"):
        assigned = re.fullmatch(r"\s*(?:(?:export|set)\s+)?(?:\$(?=\w+\s*=))?(\w+)\s*=(.*)", line)
        if assigned and not re.search(r"\w\.py\b", line):
            value = _words(assigned.group(2))
            name, given = assigned.group(1), _expanded(value[0] if value else "", known)
            known[name] = hide_secrets(given, name)
            continue
        script = re.search(r"[\w./\\{}$-]*train[\w-]*\.py\b", line)
        if script and not line.lstrip().startswith("#"):
            words = [_expanded(word, known) for word in _words(line.lstrip("!").strip())]
            at = next((n for n, word in enumerate(words) if re.search(r"\.py$", word)), None)
            if at is not None:
                return words[at].replace("\\", "/").rsplit("/", 1)[-1], words
    return None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def _expanded(word: str, known: Mapping[str, str]) -> str:
    """Return a word with the variables that were set above it in their place."""

    def value(found: re.Match[str]) -> str:
        name, fallback = found.group(1) or found.group(3), found.group(2)
        return known.get(name, fallback if fallback is not None else found.group(0))

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)", value, word)


def _of_command(script: str, words: list[str], folder: Path) -> tuple[Draft, Habits]:
    at = next(number for number, word in enumerate(words) if word.endswith(".py"))
    launch, own = (hide_secrets(_flags(part)) for part in (words[:at], words[at + 1 :]))
    counted = "num_processes" in launch
    processes = {"num_processes": launch["num_processes"]} if counted else {}
    if diffusers_script.recognizes(script):
        shared = {"launch.mixed_precision": launch.get("mixed_precision")}
        own = processes | own
        if not is_off(shared["launch.mixed_precision"]) and "mixed_precision" not in own:
            own |= shared
        return diffusers_script.draft_of(script, own)
    if script.startswith("sdxl_train"):
        named = _Beside(folder)(str(own.pop("config_file", ""))) or {}
        merged = {**named, **processes, **own}
        if "mixed_precision" in launch:
            merged.setdefault("mixed_precision", launch["mixed_precision"])
        return kohya.draft_of(merged, _Beside(folder))
    raise UsageError(
        f"launches {script}, which trains no SDXL model that harness knows",
        hint=f"it looked for {LOOKED_FOR}",
    )


def _flags(words: list[str]) -> dict[str, Any]:
    """Return the flags of a command line; one without a value is true, one with several a list."""
    flags: dict[str, Any] = {}
    name: str | None = None
    for word in words:
        if word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            name = name.replace("-", "_")
            flags[name] = value if mark else True
            name = None if mark and name not in _LISTS else name
        elif name is not None:
            before = flags[name]
            if before is True:
                flags[name] = word
            else:
                flags[name] = [*(before if isinstance(before, list) else [before]), word]
            name = name if name in _LISTS else None
    return flags


_LISTS = ("optimizer_args", "network_args", "lr_scheduler_args", "text_encoder_lr")
"""Flags that take several words."""
