"""Our scoring against the tools one after another: `python performance/scoring_race.py`.

Both sides judge the same pictures beside the same reference by the same weights, which are drawn
at random in the tools' own file formats. Theirs are torch-fidelity's command line for FID, KID,
precision and recall; a plain loop around open_clip, 32 pictures at once, for the CLIP score; and
a plain loop around transformers' pipeline for the aesthetic model. Ours is one `harness score`
with an empty store, which finds density, coverage and every interval besides. Each runs in a
process of its own and from nothing; the sides take turns. A fast wrong number is no win, so the
differences of the values are printed too. It prints medians and is no test: machines differ.
The floor is the bare forward passes of our networks on the pictures that they were shown, those of
the sanity card among them (`bare_passes.py`).

`python performance/scoring_race.py --short` races 96 images once, without metrics that come later.

`python performance/scoring_race.py --memory` takes 50,000 rows a side through the score stage
and says how much memory that needs at most. Beside other work, OMP_NUM_THREADS=1 keeps both
sides from waiting for cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ledger import Figure, keep
from safetensors.numpy import save_file

from harness.extractors.specs import Thumbnail
from harness.interfaces import MetricSpec
from harness.keys import extractor_name
from harness.metrics.specs.copying import Memorization
from harness.metrics.specs.fidelity import Cmmd, Coverage, Density, Kid, Precision, Recall
from harness.pipeline.stages.files import Entry, write_index
from harness.pipeline.stages.score import judge
from harness.pocket.world import HELD_OUT, SetName, row

TOOLS, TOOLS_NEXT = "the tools", "the tools, next images"
OURS, OURS_NEXT = "ours", "ours, next images"
"""What comes next needs no look at the reference; torch-fidelity has it in its cache, too."""
BARE = "the bare passes"
SHORT = 96
"""Images of the short form: what starting takes is then a third of our time."""
SIDE = 256
SEEDS = 4
"""Images a prompt has."""
ANY = Thumbnail()
"""Whose features random rows pass for."""
UNIT = 2**20 if sys.platform == "darwin" else 2**10
"""What peak memory is counted in, for MB."""

WEIGHTS = """\
import sys
from pathlib import Path
import open_clip, torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

tests, home = sys.argv[1:]
sys.path.insert(0, tests)
from random_inception import write_random_inception

write_random_inception(Path(home, "inception.pth"))
torch.manual_seed(0)
torch.save(open_clip.create_model("ViT-B-32").state_dict(), Path(home, "clip.pt"))
labels = {0: "lq", 1: "hq"}
model = ViTForImageClassification(ViTConfig(id2label=labels, label2id={"lq": 0, "hq": 1}))
model.save_pretrained(Path(home, "vit"))
ViTImageProcessor().save_pretrained(Path(home, "vit"))
"""

CLIP = """\
import csv, json, sys
import open_clip, torch
from PIL import Image

folder, prompts, weights = sys.argv[1:]
model, _, look = open_clip.create_model_and_transforms("ViT-B-32", pretrained=weights)
tokenize = open_clip.get_tokenizer("ViT-B-32")
model.eval()
rows = list(csv.DictReader(open(prompts, encoding="utf-8")))
scores = []
with torch.no_grad():
    for at in range(0, len(rows), 32):
        batch = rows[at : at + 32]
        images = torch.stack([look(Image.open(f"{folder}/{row['file']}")) for row in batch])
        seen = model.encode_image(images, normalize=True)
        read = model.encode_text(tokenize([row["prompt"] for row in batch]), normalize=True)
        scores += (100 * (seen * read).sum(-1)).tolist()
print(json.dumps({"clip-score": sum(scores) / len(scores)}))
"""

PIPELINE = """\
import json, sys
from pathlib import Path
from transformers import pipeline

folder, model = sys.argv[1:]
judge = pipeline("image-classification", model=model, device="cpu")
scores = []
for file in sorted(Path(folder).glob("*.png")):
    scores += [each["score"] for each in judge(str(file)) if each["label"] == "hq"]
print(json.dumps({"aesthetic": sum(scores) / len(scores)}))
"""

PAGE = """\
schema_version: 1
name: race
summary: What the tools measure, and density and coverage.
suites: [pocket-sentences]
seeds: [1]
sampler: {{steps: 1, guidance: 1.0, width: {side}, height: {side}}}
reference: {{source: {{use: folder, path: {home}/reference}}, resolution: {side}}}
metrics:
  - {{use: kid, features: {inception}, pairs: all}}
  - {{use: fid, features: {inception}}}
  - {{use: precision, features: {inception}, k: 3}}
  - {{use: recall, features: {inception}, k: 3}}
  - {{use: density, features: {inception}}}
  - {{use: coverage, features: {inception}}}
  - {{use: clip-score, features: {clip}}}
  - {{use: aesthetic, features: {{use: label, model: {home}/vit}}}}
{more}"""
FEATURES = {
    "inception": "{{use: inception, weights: {home}/inception.pth}}",
    "clip": "{{use: open-clip, model: ViT-B-32, pretrained: {home}/clip.pt}}",
}
MORE = {"fid-infinity": "inception", "within-prompt": "clip", "cmmd": "clip"}
"""Metrics that come onto the page later, one by one; CMMD shows CLIP a reference new to it."""
WHY = (
    "a process starts and imports torch and three libraries of networks; the networks' files are "
    "read; pictures are decoded, resized and written as the harness keeps them"
)
"""Where the time goes that is not of the networks."""
AGREEMENT = {
    "fid": ("frechet_inception_distance", 2e-4),
    "kid": ("kernel_inception_distance_mean", 1e-4),
    "precision": ("precision", 1e-6),
    "recall": ("recall", 1e-6),
    "clip-score": ("clip-score", 1e-4),
    "aesthetic": ("aesthetic", 1e-4),
}
"""Their name of each value, and the share of it by which the two sides may differ: theirs lose
digits of FID where pictures are fewer than features, and take KID's products in single precision.
"""


@dataclass(frozen=True)
class Process:
    """One process, or some one after another, from start to end."""

    seconds: float
    busy: float
    """Seconds of all cores together."""
    peak: float
    """Most memory of one process at once, in MB."""
    said: dict[str, Any]


def together(*parts: Process) -> Process:
    """Return what some processes took one after another."""
    said = {name: value for part in parts for name, value in part.said.items()}
    seconds, busy = sum(part.seconds for part in parts), sum(part.busy for part in parts)
    return Process(seconds, busy, max(part.peak for part in parts), said)


def watch(words: Sequence[str], home: Path) -> Process:
    """Run Python with these words, with neither network nor GPU; it ends by saying some JSON.

    This process stays small: a child's peak memory starts at that of its parent.
    """
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
    command = [sys.executable, *words]
    with (home / "out").open("w+b") as out, (home / "err").open("w+b") as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=os.environ | offline, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{(home / 'err').read_text(errors='replace')[-3000:]}")
    said = json.loads((home / "out").read_text(encoding="utf-8") or "{}")
    return Process(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / UNIT, said)


def draw(home: Path, count: int) -> None:
    """Draw two folders of images, half of them in the reference's style; it; and the prompts."""
    styles: tuple[SetName, SetName] = ("ninja", "faces")
    for folder, first in (("images", 0), ("next", count), ("reference", HELD_OUT)):
        (home / folder).mkdir()
        for number in range(count):
            style = styles[0 if folder == "reference" else number % 2]
            row(style, first + number).image(SIDE).save(home / folder / f"{number:05d}.png")
    with (home / "prompts.csv").open("w", encoding="utf-8", newline="") as file:
        captions = (row("ninja", number - number % SEEDS).caption for number in range(count))
        lines = ((f"{number:05d}.png", caption) for number, caption in enumerate(captions))
        csv.writer(file).writerows([("file", "prompt"), *lines])


def fidelity(home: Path, images: str, count: int, cache: Path) -> Process:
    """Run torch-fidelity; KID's one subset is all pictures, which is the least work for it."""
    return watch(
        [
            "-m",
            "torch_fidelity.fidelity",
            "--cpu",
            "--silent",
            "--json",
            "--fid",
            "--kid",
            "--prc",
            "--feature-extractor",
            "inception-v3-compat",
            "--feature-extractor-weights-path",
            str(home / "inception.pth"),
            "--kid-subsets",
            "1",
            "--kid-subset-size",
            str(count),
            "--input1",
            str(home / images),
            "--input2",
            str(home / "reference"),
            "--input2-cache-name",
            "reference",
            "--cache-root",
            str(cache),
        ],
        home,
    )


def ours(home: Path, images: str, scratch: Path, more: str | None = None) -> Process:
    """Run `harness score`, with a metric more where one is named; return what its file says."""
    features = {name: words.format(home=home) for name, words in FEATURES.items()}
    added = f"  - {{use: {more}, features: {features[MORE[more]]}}}\n" if more else ""
    page = scratch / "race.yaml"
    page.write_text(PAGE.format(home=home, side=SIDE, more=added, **features), encoding="utf-8")
    words = ["-m", "harness.cli", "score", "--device", "cpu", "--json"]
    places = {
        "--images": home / images,
        "--prompts": home / "prompts.csv",
        "--benchmark": page,
        "--store": scratch / "store",
        "--reports": scratch / "reports",
        "--name": images,
    }
    done = watch([*words, *(str(each) for pair in places.items() for each in pair)], home)
    result = Path(done.said["results"][0]["path"])
    return replace(done, said=json.loads(result.read_text(encoding="utf-8")))


def besides(more: str) -> str:
    return f"ours, {more} besides"


def once(home: Path, count: int, later: bool) -> dict[str, Process]:
    """Return every run by its name; the sides take turns so that other load meets both.

    `later` asks for the metrics and the images that come later, too.
    """
    with tempfile.TemporaryDirectory() as place:
        scratch, cache = Path(place), Path(place, "cache")
        images, clip, model = (str(home / name) for name in ("images", "clip.pt", "vit"))
        found = {OURS: ours(home, "images", scratch)}
        found["torch-fidelity"] = fidelity(home, "images", count, cache)
        found[BARE] = bare(home, scratch)
        if later:
            found |= {besides(more): ours(home, "images", scratch, more) for more in MORE}
            found[OURS_NEXT] = ours(home, "next", scratch)
        found["open_clip"] = watch(["-c", CLIP, images, str(home / "prompts.csv"), clip], home)
        found["transformers"] = watch(["-c", PIPELINE, images, model], home)
        known = fidelity(home, "next", count, cache) if later else None
    others = found["open_clip"], found["transformers"]
    found[TOOLS] = together(found["torch-fidelity"], *others)
    return found if known is None else found | {TOOLS_NEXT: together(known, *others)}


def bare(home: Path, scratch: Path) -> Process:
    """Return what our networks take by themselves on the pictures that they were just shown.

    Its seconds are those of the passes; the process around them counts for nothing.
    """
    script, picture = Path(__file__).with_name("bare_passes.py"), home / "images" / "00000.png"
    words = [str(each) for each in (script, scratch / "race.yaml", scratch / "store", picture)]
    ran = watch(words, home)
    return replace(ran, seconds=sum(each["seconds"] for each in ran.said.values()))


def spread(values: Iterable[float]) -> str:
    each = sorted(values)
    return f"{statistics.median(each):.4g} ({each[0]:.4g}–{each[-1]:.4g})"


def ratio(rounds: Sequence[dict[str, Process]], slow: str, fast: str, field: str) -> float:
    above, below = ([getattr(run[name], field) for run in rounds] for name in (slow, fast))
    return float(statistics.median(above) / statistics.median(below))


def report(rounds: Sequence[dict[str, Process]]) -> None:
    """Print each run, what is how much quicker, and where our time goes."""
    print(f"  {'':<34}{'seconds':>26}{'core seconds':>26}{'peak MB':>26}")
    for name in rounds[0]:
        runs = [each[name] for each in rounds]
        figures = zip(*((run.seconds, run.busy, run.peak) for run in runs), strict=True)
        print(f"  {name:<34}" + "".join(f"{spread(figure):>26}" for figure in figures))
    pairs = [(TOOLS, OURS), (OURS, BARE), (TOOLS_NEXT, OURS_NEXT)]
    pairs += [(first, besides(more)) for more in MORE for first in (TOOLS, OURS)]
    for slow, fast in [pair for pair in pairs if rounds[0].keys() >= set(pair)]:
        clock, cores = (ratio(rounds, slow, fast, field) for field in ("seconds", "busy"))
        print(f"  {f'{slow} / {fast}':<64}{clock:>8.2f}× {cores:>8.2f}× in core seconds")
    steps = [each[OURS].said["provenance"]["seconds"] for each in rounds]
    for name in steps[0]:
        print(f"  our {name:<40}{spread(each[name] for each in steps):>26} s")
    for name, said in rounds[-1][BARE].said.items():
        shown = f"{said['pictures']} pictures, {said['texts']} texts"
        print(f"  bare {name:<30}{shown:>24}{said['seconds']:>10.1f} s")


def figures(rounds: Sequence[dict[str, Process]], count: int) -> list[Figure]:
    """Return what is kept: beside the tools, and beside the bare passes."""
    took = {name: [each[name].seconds for each in rounds] for name in (OURS, TOOLS, BARE)}
    floor = statistics.median(took[BARE])
    others = [slow / fast for slow, fast in zip(took[TOOLS], took[OURS], strict=True)]
    over = [mine / least for mine, least in zip(took[OURS], took[BARE], strict=True)]
    what = f"{count} images scored"
    tools = "torch-fidelity, open_clip and transformers one after another"
    return [
        Figure(f"{what}, from nothing", took[OURS], floor=floor),
        Figure(f"{what}: the tools / ours", others, "×", "higher", 1.8, against=tools, why=WHY),
        Figure(f"{what}: ours / bare passes", over, "×", target=1.15, floor=1.0, why=WHY),
    ]


def agree(theirs: dict[str, float], result: dict[str, Any]) -> None:
    """Print both values of each metric, and whether they are as near as they should be."""
    found = {score["metric"].split("@")[0]: score["value"] for score in result["scores"]}
    for name, (other, tolerance) in AGREEMENT.items():
        away = abs(found[name] - theirs[other]) / max(abs(theirs[other]), 1e-12)
        verdict = "agree" if away <= tolerance else f"DIFFER, tolerated is {tolerance:.0e}"
        print(f"  {name:<12}{theirs[other]:>22.10g}{found[name]:>22.10g}{away:>10.1e}  {verdict}")


def race(count: int, repeat: int, later: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        home, tests = Path(place), str(Path(__file__).parent)
        draw(home, count)
        watch(["-c", WEIGHTS, tests, place], home)
        load = os.getloadavg()[0]
        print(f"{count} images, {SEEDS} a prompt, and {count} of a reference, {SIDE} px")
        print(f"{repeat} rounds, {os.cpu_count()} cores, load {load:.2f}; median (low–high)")
        rounds = [once(home, count, later) for _ in range(repeat)]
    report(rounds)
    agree(rounds[-1][TOOLS].said, rounds[-1][OURS].said)
    keep("scoring_race", figures(rounds, count))


def shelve(folder: Path, seed: int, rows: int, width: int) -> None:
    """Write a side as its stages leave it: the index of its pictures, and their features."""
    folder.mkdir()
    entries = [Entry(f"p{at // SEEDS}", at % SEEDS, "a prompt", f"{at}.png") for at in range(rows)]
    write_index(folder, entries)
    values = np.random.default_rng(seed).standard_normal((rows, width), np.float32)
    save_file({"images": values}, folder / "features.safetensors")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT


def take(metrics: Iterable[MetricSpec], rows: int, width: int) -> None:
    """Judge random rows by each metric as the score stage does; print the peak after each."""
    sides = {"sample": "features", "reference": "reference", "originals": "originals"}
    with tempfile.TemporaryDirectory() as place:
        inputs: dict[str, Path] = {}
        for seed, (side, step) in enumerate(sides.items()):
            shelve(Path(place, side), seed, rows, width)
            inputs |= {side: Path(place, side), f"{step}/{extractor_name(ANY)}": Path(place, side)}
        print(f"{rows} × {width} a side, {peak():.0f} MB before", flush=True)
        for metric in metrics:
            began = time.perf_counter()
            value = judge(metric, {}, inputs).measured.value
            print(
                f"  {metric.column:<14}{value:>14.6g}{time.perf_counter() - began:>10.1f} s"
                f"{peak():>9.0f} MB at most so far",
                flush=True,
            )


def memory() -> None:
    """Print what the score stage needs at most: memory never falls, so the smaller set is first."""
    look: dict[str, Any] = {"features": ANY}
    precision, recall = Precision(use="precision", **look), Recall(use="recall", **look)
    density, coverage = Density(use="density", **look), Coverage(use="coverage", **look)
    distances = (Kid(use="kid", **look), Cmmd(use="cmmd", **look))
    take((precision, recall, density, coverage), 10_000, 768)
    take((*distances, Memorization(use="memorization", **look), precision, recall), 50_000, 768)


def main() -> None:
    parser = argparse.ArgumentParser(description="Race the tools that score images.")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--short", action="store_true", help=f"{SHORT} images, once")
    parser.add_argument("--memory", action="store_true", help="how much memory 50,000 rows need")
    words = parser.parse_args()
    if words.images < 4 * SEEDS or words.repeat < 1:
        parser.error(f"needs {4 * SEEDS} images and a round, or more")
    if words.memory:
        memory()
    elif words.short:
        race(SHORT, 1, later=False)
    else:
        race(words.images, words.repeat, later=True)


if __name__ == "__main__":
    main()
