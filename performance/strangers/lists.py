"""Odd lists of prompts by file name, for a folder that has the picture `a.png`."""

from __future__ import annotations

import json
from collections.abc import Iterator

GOOD = {"file": "a.png", "prompt": "a cat"}


def odd_lists() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each list."""
    for name, text in {**_rows(), **_texts()}.items():
        yield name, text.encode("utf-8", "surrogatepass")
    yield "latin.csv", "file,prompt\na.png,caf\xe9\n".encode("latin-1")
    yield "wide.csv", "file,prompt\na.png,a cat\n".encode("utf-16")
    yield "bytes.csv", bytes(range(256)) * 9
    yield "zeros.jsonl", b"\0" * 5000
    yield "marked.csv", b"\xef\xbb\xbffile,prompt\r\na.png,a cat\r\n"


def _rows() -> dict[str, str]:
    cells: dict[str, dict[str, object]] = {
        "seed-half": {"seed": 1.9},
        "seed-true": {"seed": True},
        "seed-list": {"seed": [1]},
        "seed-large": {"seed": 2**63},
        "seed-word": {"seed": "one"},
        "seed-minus": {"seed": -1},
        "seed-infinite": {"seed": float("inf")},
        "seed-nan": {"seed": float("nan")},
        "name-long": {"file": "n" * 5_000 + ".png"},
        "name-nul": {"file": "a\0.png"},
        "name-outside": {"file": "../a.png"},
        "name-root": {"file": "/etc/hostname"},
        "name-device": {"file": "/dev/zero"},
        "name-half": {"file": "\ud800.png"},
        "name-number": {"file": 7},
        "name-object": {"file": {"a": 1}},
        "prompt-null": {"prompt": None},
        "prompt-list": {"prompt": ["a cat"]},
        "prompt-half": {"prompt": "\udfff"},
        "prompt-nul": {"prompt": "a\0cat"},
        "prompt-long": {"prompt": "cat " * 50_000},
        "prompt-markup": {"prompt": "[/nope] <script> =1+1 \x1b[2J"},
        "id-list": {"prompt_id": [1]},
        "id-path": {"prompt_id": "../../x"},
        "id-nul": {"prompt_id": "a\0"},
        "id-long": {"prompt_id": "p" * 5_000},
        "id-markup": {"prompt_id": "[/nope]"},
    }
    rows = {f"{name}.jsonl": json.dumps(GOOD | each) + "\n" for name, each in cells.items()}
    twice = json.dumps(GOOD | {"prompt_id": "p", "seed": 1})
    other = json.dumps({"file": "b.png", "prompt": "a dog", "prompt_id": "p", "seed": 2})
    return rows | {
        "two-texts.jsonl": f"{twice}\n{other}\n",
        "twice.jsonl": f"{twice}\n{twice}\n",
        "seed-1e999.jsonl": json.dumps(GOOD)[:-1] + ', "seed": 1e999}\n',
        "seed-digits.jsonl": json.dumps(GOOD)[:-1] + f', "seed": {"9" * 9000}}}\n',
        "nested.jsonl": '{"file": ' + "[" * 200_000 + "\n",
        "nested-whole.jsonl": '{"x": ' + "[" * 900 + "]" * 900 + ', "file": "a.png"}\n',
        "many.jsonl": "".join(
            json.dumps({"file": f"{at}.png", "prompt": "a cat"}) + "\n" for at in range(3_000)
        )
        + json.dumps(GOOD),
    }


def _texts() -> dict[str, str]:
    return {
        "empty.csv": "",
        "empty.jsonl": "",
        "empty.txt": "",
        "head.csv": "file,prompt\n",
        "no-head.csv": "a.png,a cat\n",
        "one-column.csv": "file\na.png\n",
        "more-cells.csv": "file,prompt\na.png,a cat,7,8,9\n",
        "fewer-cells.csv": "file,prompt,seed\na.png\n",
        "quote.csv": 'file,prompt\n"a.png,a cat\n',
        "long-cell.csv": "file,prompt\na.png," + "c" * 200_000 + "\n",
        "same-columns.csv": "file,file,prompt\na.png,b.png,a cat\n",
        "many-columns.csv": ",".join(f"c{at}" for at in range(20_000)) + "\n",
        "seed-exponent.csv": "file,prompt,seed\na.png,a cat,1e3\n",
        "seed-digits.csv": "file,prompt,seed\na.png,a cat," + "9" * 9_000 + "\n",
        "seed-arabic.csv": "file,prompt,seed\na.png,a cat,\u0663\n",
        "array.jsonl": "[1, 2]\n",
        "number.jsonl": "7\n",
        "null.jsonl": "null\n",
        "broken.jsonl": '{"file": "a.png", "prompt": \n',
        "separator.jsonl": json.dumps(GOOD, ensure_ascii=False) + "\u2028\n",
        "one.txt": "a cat\n",
        "two.txt": "a cat\na dog\n",
        "same.json": json.dumps([GOOD]),
    }
