"""Measure on a CUDA card what can only be measured there: `python performance/gpu.py`.

Parts run in the order of their worth, each with its own time limit. Every figure is printed as a
line of JSON at once, and kept in `reports/hardware/<card>.json`; a table comes at the end. An
error in one configuration is a figure with its reason, and stops nothing else.

    python performance/gpu.py                          # everything, in six minutes
    python performance/gpu.py --parts ceiling,training --minutes 3
    python performance/gpu.py --dry                    # a rehearsal on a CPU, with a tiny SDXL
    python performance/gpu.py --show                   # the README's tables, from committed files

It needs no network, no weights and no installation: SDXL gets its real shapes and random weights
on the card. Beside a CUDA image with PyTorch, transformers, accelerate, peft, safetensors, scipy,
huggingface-hub, tokenizers, filelock and pillow it needs these wheels:

    diffusers importlib-metadata pydantic pydantic-core(compiled) annotated-types
    typing-inspection ruamel.yaml

and is better with these: open-clip-torch, ftfy, regex, timm and torchvision (the real vocabulary),
torch-fidelity beside them (the part `features`), prodigyopt (DreamBooth), bitsandbytes (compiled;
8-bit AdamW), pytest and pytest-socket (the part `tests`). What is missing it says at once, and it
skips what it must.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from card.figures import Context, Deadline, Figure

ROOT = Path(__file__).parents[1]
HARDWARE = ROOT / "reports" / "hardware"
PARTS = {
    "ceiling": 3.0,
    "training": 35.0,
    "plain": 15.0,
    "full": 8.0,
    "sampling": 15.0,
    "features": 7.0,
    "determinism": 12.0,
    "tests": 10.0,
}
"""The parts in the order of their worth, and their shares of the time."""
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""What the deterministic mode needs before CUDA starts; on a Hopper card PyTorch's own size."""
STOPPED = 130
"""The exit code after Ctrl-C, as shells have it."""
GRACE = 30
"""Seconds after the end of all time at which the process ends itself, whatever it does."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    sys.path[:0] = [str(ROOT), str(ROOT / "performance")]
    asked = parser().parse_args(words)
    if asked.show:
        from card.report import markdown

        print(markdown((asked.out or HARDWARE).glob("*.json")))
        return 0
    os.environ |= {"HF_HUB_OFFLINE": "1", **WORKSPACE}
    faulthandler.dump_traceback_later(asked.minutes * 60 + GRACE, exit=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return measure(asked, Path(folder))
    finally:
        faulthandler.cancel_dump_traceback_later()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    said = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    said.add_argument("--minutes", type=float, default=6.0, help="the time for everything")
    said.add_argument("--parts", type=named_parts, default=list(PARTS), help=", ".join(PARTS))
    said.add_argument("--dry", action="store_true", help="rehearse on the CPU with a tiny SDXL")
    said.add_argument("--show", action="store_true", help="print tables of the files in --out")
    said.add_argument("--out", type=Path, help="the folder of the files (reports/hardware)")
    return said


def named_parts(text: str) -> list[str]:
    """Return the parts that are asked for, in the order of their worth."""
    asked = text.split(",")
    if unknown := set(asked) - set(PARTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [part for part in PARTS if part in asked]


def measure(asked: argparse.Namespace, folder: Path) -> int:
    """Measure every part that was asked for; return the exit code."""
    if problem := obstacle(asked.dry):
        print(problem, file=sys.stderr)
        return 2
    from card import machine
    from card.report import CardFile, summary

    context = prepared(asked, folder)
    out = asked.out or (folder / "out" if asked.dry else HARDWARE)
    file = CardFile(out, machine.described(asked.dry), asked.parts)
    code = 0
    try:
        for figure in measured(context, asked.parts, context.deadline):
            print(json.dumps(file.add(figure), allow_nan=False), flush=True)
    except KeyboardInterrupt:
        code = STOPPED
        print("stopped by Ctrl-C; all figures so far are kept", file=sys.stderr)
    print(f"\n{summary(file.added)}\n", file=sys.stderr)
    for constant, reason in file.unmeasured.items():
        print(f"for forecasts there is no {constant}: {reason}", file=sys.stderr)
    print(f"written: {file.path}", file=sys.stderr)
    return code


def obstacle(is_dry: bool) -> str | None:
    """Return why nothing can be measured, if so; nothing is imported before all is there."""
    from card import machine

    if absent := machine.absent(machine.NEEDED):
        return f"not here: {', '.join(absent)}; install them, without network from wheels"
    for package in machine.absent(machine.WANTED):
        print(f"not here: {package}", file=sys.stderr)
    import torch

    if not is_dry and not torch.cuda.is_available():
        return "PyTorch sees no CUDA device here; --dry rehearses on the CPU"
    return None


def prepared(asked: argparse.Namespace, folder: Path) -> Context:
    """Return the context of all parts, with the base that they count layers by."""
    from card.figures import Deadline

    deadline = Deadline(asked.minutes * 60)
    import torch

    if asked.dry:
        torch.set_num_threads(1)  # threads that wait for other work cost more than they give
    from card import machine

    if plugins := machine.register_plugins(folder / "plugins"):
        sys.path.append(str(plugins))
    from card.figures import Context
    from card.sdxl import write_base

    base = write_base(folder / "sdxl", is_tiny=asked.dry)
    return Context("cpu" if asked.dry else "cuda", asked.dry, folder, base, deadline)


def measured(context: Context, parts: Sequence[str], deadline: Deadline) -> Iterator[Figure]:
    """Yield the figures of all parts; each part gets its share of the time that is left."""
    for number, part in enumerate(parts):
        weight = PARTS[part] / sum(PARTS[each] for each in parts[number:])
        context.deadline = deadline.part(weight * deadline.left)
        print(f"{part}: {context.deadline.left:.0f} s", file=sys.stderr, flush=True)
        for figure in figures_of(part, context):
            context.figures.append(figure)
            yield figure
        context.release()


def figures_of(part: str, context: Context) -> Iterator[Figure]:
    """Yield the figures of one part; the timer runs only while the part does."""
    from card.figures import OutOfTime, missing, reason_of

    figures = None
    while True:
        try:
            with context.deadline.enforced():
                if figures is None:
                    module = importlib.import_module(f"card.{part}")
                    gc.freeze()  # collecting garbage among all these modules takes a third of a
                    figures = iter(module.figures(context))  # second, for each configuration
                figure = next(figures, None)
        except OutOfTime:
            yield missing(part, "rest", "stopped: the time of this part was over")
            return
        except Exception as error:
            yield missing(part, "rest", reason_of(error))
            return
        if figure is None:
            return
        yield figure


if __name__ == "__main__":
    sys.exit(main())
