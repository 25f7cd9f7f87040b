"""The site of docs/ is built without a warning, names every page, and loads only its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly from a copy of docs/."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, root / "docs")
    shutil.copy(ROOT / "zensical.toml", root)
    built = build(root)
    assert built.returncode == 0, built.stdout + built.stderr
    return root / "site"


def build(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=root,
        capture_output=True,
        text=True,
    )


def test_every_page_is_built_and_stands_in_the_navigation(site: Path) -> None:
    assert len(PAGES) > 5
    assert [page for page in PAGES if not (site / page).with_suffix(".html").is_file()] == []
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(named(settings["project"]["nav"])) == PAGES


def named(entry: Any) -> Iterator[str]:
    """Yield every page that the navigation names."""
    if isinstance(entry, str):
        yield entry
    else:
        for below in entry.values() if isinstance(entry, dict) else entry:
            yield from named(below)


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r'(?:src|srcset|data)="https?:|<link[^>]+href="https?:|@import|url\(.?https?:'
    )
    files = [file for file in site.rglob("*") if file.suffix in (".html", ".css")]
    assert len(files) > len(PAGES)
    assert [file for file in files if loads.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "performance/README.md"])
def test_a_page_that_is_not_of_the_site_links_to_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("link", ["nowhere.md", "../reference/pages.md#no-such-heading"])
def test_a_dead_link_or_anchor_fails(link: str, tmp_path: Path) -> None:
    for page in ("how-to/index.md", "reference/pages.md"):
        (tmp_path / "docs" / page).parent.mkdir(parents=True)
        shutil.copy(DOCS / page, tmp_path / "docs" / page)
    (tmp_path / "docs/how-to/index.md").write_text(f"# A\n\n[a link]({link})\n")
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "a"\n')
    assert build(tmp_path).returncode == 1
    (tmp_path / "docs/how-to/index.md").write_text(
        "# A\n\n[a link](../reference/pages.md#recipe)\n"
    )
    assert build(tmp_path).returncode == 0
