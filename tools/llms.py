"""Write llms.txt, the map of the documentation for readers that are programs.

    python -m tools.llms          llms.txt at the root, with the pages' sources
    python -m tools.llms SITE     SITE/llms.txt, with the pages as the site has them

Order and sections are those of the site's navigation; a page is told by its title and by the first
sentence below it.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HEAD = """\
# harness

> Know whether a style LoRA is any good: recipes in; adapters, images, scores with honest intervals
> and a leaderboard out.

`pip install harness`, then `harness demo` for the pocket world on any CPU. Every command has
`--help` and most have `--json`; exit codes are 0 done, 1 failed, 2 wrong use, 3 worse than before,
4 not enough evidence. In Python every command is a function of the same name with an example in
its docstring: `import harness; help(harness.compare)`.
"""
BESIDE = (
    ("CONTRIBUTING.md", "the rooms of the code, how to add a metric, what a pull request needs"),
    ("CHANGELOG.md", "what changed"),
    ("SECURITY.md", "how to tell of a hole"),
    ("harness/schemas/recipe.v1.json", "the JSON Schema of a recipe"),
    ("harness/schemas/benchmark.v1.json", "the JSON Schema of a benchmark"),
    ("harness/schemas/result.v1.json", "the JSON Schema of a result"),
    ("performance/README.md", "every measurement, with its script"),
)
"""Files of the repository that are no pages of the site."""


def sections(entry: Any, title: str = "Start") -> Iterator[tuple[str, str]]:
    """Yield the section and the page of every entry of the navigation."""
    if isinstance(entry, str):
        yield title, entry
    elif isinstance(entry, dict):
        for name, below in entry.items():
            yield from sections(below, name if isinstance(below, list) else title)
    else:
        for below in entry:
            yield from sections(below, title)


def told(page: str) -> tuple[str, str]:
    """Return a page's title, and the first sentence below it that is no link, picture or mark."""
    text = (DOCS / page).read_text(encoding="utf-8")
    plain = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    title = re.search(r"^# (.+)$", plain, re.MULTILINE)
    assert title is not None, f"{page} has no title"
    paragraphs = re.split(r"\n\s*\n", plain[title.end() :])
    prose = (" ".join(each.split()) for each in paragraphs if re.match(r"\s*[\w*\"“`]", each))
    first = next((each for each in prose if not each.startswith("```")), "")
    sentence = re.split(r"(?<=[.?!:])\s", _without_links(first))[0].rstrip(".:")
    return _without_links(title[1]), sentence


def _without_links(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).replace("**", "")


def llms(link: Callable[[str], str], beside: bool) -> str:
    """Return the map, with `link` from a page's name to where it is read."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    lines, last = [HEAD], ""
    for section, page in sections(nav):
        if section != last:
            lines += ["", f"## {section}", ""]
            last = section
        title, sentence = told(page)
        lines.append(f"- [{title}]({link(page)})" + (f": {sentence}" if sentence else ""))
    if beside:
        lines += ["", "## In the repository", ""]
        lines += [f"- [{name}]({name}): {what}" for name, what in BESIDE]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def of_the_repository() -> str:
    return llms(lambda page: f"docs/{page}", beside=True)


def of_the_site() -> str:
    return llms(lambda page: page.removesuffix(".md") + ".html", beside=False)


def main() -> None:
    if sys.argv[1:]:
        (Path(sys.argv[1]) / "llms.txt").write_text(of_the_site(), encoding="utf-8")
    else:
        (ROOT / "llms.txt").write_text(of_the_repository(), encoding="utf-8")


if __name__ == "__main__":
    main()
