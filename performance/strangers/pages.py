"""Odd pages by name: YAML, and what only looks like it."""

from __future__ import annotations

from collections.abc import Iterator

GOOD = "schema_version: 1\nname: odd\nsummary: a page\n"


HEAVY = ("large", "many-fields", "colons", "dashes", "long-key", "laughs", "nested-maps")

TEXTS = {
    "empty": "",
    "word": "hello",
    "list": "- 1\n- 2\n",
    "nested": "a: " + "[" * 5_000,
    "nested-maps": "".join(f"{' ' * at}a:\n" for at in range(2_000)),
    "alias": "a: &a [1, 2]\nb: *a\n",
    "laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n" * 9,
    "tag": "a: !!python/object/apply:os.system [ls]\n",
    "tag-own": "a: !x 1\n",
    "twice": GOOD + "name: again\n",
    "merge": GOOD + "<<: {a: 1}\n",
    "tabs": "a:\n\t- 1\n",
    "nul": "a: \0\n",
    "control": "a: \x07\n",
    "bell-escaped": 'a: "\\a\\0"\n',
    "half": 'name: "\\ud800"\n',
    "nan": GOOD + "seeds: [.nan, .inf]\n",
    "digits": GOOD + "seeds: [" + "9" * 9_000 + "]\n",
    "octal": GOOD + "seeds: [0o777, 0x1f, 1_000, 1e3]\n",
    "time": GOOD + "seeds: [2020-01-01, 12:30:45]\n",
    "long-key": "k" * 300_000 + ": 1\n",
    "question": "? [1, 2]\n: 3\n",
    "documents": GOOD + "---\n" + GOOD,
    "version": "%YAML 1.1\n---\na: yes\n",
    "open-quote": 'a: "b\nc: d\n',
    "open-brace": "a: {b: [c\n",
    "colons": ":" * 50_000,
    "dashes": "- " * 20_000,
    "large": "# " + "x" * 3_000_000,
    "many-fields": "".join(f"f{at}: 1\n" for at in range(30_000)),
    "schema-large": "schema_version: 99999999999999999999\n",
    "schema-word": "schema_version: one\nname: [1]\n",
    "recipe": GOOD + "base: {model: 1}\ntrain: [1]\n",
    "recipe-regex": GOOD + 'base: {model: pocket/sdxl}\ntrain: {adapter: {targets: "(a+)+$("}}\n',
    "benchmark": GOOD + "suites: [nope]\nseeds: [1, 1]\nmetrics: [{use: x}]\n",
    "policy": GOOD + "metrics: [{metric: kid, margin: -1e999}]\n",
    "markup": GOOD + '"[/nope]": 1\n"<script>": 2\n',
}


def odd_pages(with_heavy: bool = True) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each page.

    Without `with_heavy`, those that take a second to read are left out.
    """
    for name, text in TEXTS.items():
        if with_heavy or name not in HEAVY:
            yield name, text.encode("utf-8", "surrogatepass")
    yield "latin", "name: caf\xe9\n".encode("latin-1")
    yield "utf-16", GOOD.encode("utf-16")
    yield "marked", b"\xef\xbb\xbf" + GOOD.encode()
    yield "bytes", bytes(range(256))
    yield "zeros", b"\0" * 3_000
