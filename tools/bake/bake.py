"""Bake every pocket model from a seed, on a CPU, resumable: `python -m tools.bake.bake`.

Each model is trained once by `fit`, saved in fp16 in the format its real counterpart has, and
given a card. Order matters: the base learns from the VAE's latents, the aesthetic classifier
from its reconstructions. Floors that the result must reach live in `floors.py`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from harness.pocket import WEIGHTS
from tools.bake import cards
from tools.bake.base import bake_base, bake_vae, bake_words
from tools.bake.drawings import Bake
from tools.bake.judges import bake_aesthetic, bake_clip, bake_inception, bake_tagger

log = logging.getLogger("harness.bake")
PARTS: dict[str, Callable[[Bake], None]] = {
    "words": bake_words,
    "vae": bake_vae,
    "tagger": bake_tagger,
    "inception": bake_inception,
    "clip": bake_clip,
    "aesthetic": bake_aesthetic,
    "base": bake_base,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--work", type=Path, default=Path(".harness/bake"))
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="part of the steps, for a trial")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(arguments.work / "bake.log")],
    )
    bake = Bake(arguments.out, arguments.work, arguments.share)
    for name in arguments.parts:
        log.info("baking %s", name)
        PARTS[name](bake)
    cards.write(arguments.out)


if __name__ == "__main__":
    main()
