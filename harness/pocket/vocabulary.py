"""The pocket world's own byte-pair vocabulary, in the two file formats of the CLIP family.

`vocab.json` and `merges.txt` are what CLIPTokenizer reads, `bpe.txt.gz` is what open_clip's
SimpleTokenizer reads; token ids agree between them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel

MERGES = 900
_HEADER = "#version: 0.2"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def learn_merges(texts: Iterable[str]) -> list[str]:
    """Return the merges, most frequent first, learned from `texts`."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=512 + MERGES,
        end_of_word_suffix="</w>",
        initial_alphabet=sorted(ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(pair) if isinstance(pair, list) else pair for pair in merges]


def write(folder: Path, merges: list[str]) -> None:
    """Write the three vocabulary files of `merges` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    symbols = _byte_symbols()
    vocabulary = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    vocabulary += ["".join(merge.split()) for merge in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: index for index, token in enumerate(vocabulary)}
    text = "\n".join([_HEADER, *merges])
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(text + "\n", encoding="utf-8")
    (folder / "bpe.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _byte_symbols() -> list[str]:
    """Return one printable character a byte, printable bytes first, as CLIP orders them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    symbols = {byte: chr(byte) for byte in printable}
    others = {byte: chr(next(spare)) for byte in range(256) if byte not in symbols}
    return [*symbols.values(), *others.values()]
