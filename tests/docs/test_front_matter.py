"""What a stranger reads first is true: the rooms, the links, the citation, the templates."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from running import ROOT

from harness import fingerprint

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
FRONT = ("CONTRIBUTING.md", "SECURITY.md", "RELEASING.md", "README.md")
CFF_TYPES = {"software", "dataset"}


def yaml_of(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def test_contributing_names_every_room() -> None:
    named = set(re.findall(r"`([a-z_]+(?:/|\.py))`", CONTRIBUTING))
    top = [each for each in (ROOT / "harness").iterdir() if each.name != "__init__.py"]
    rooms = {each.name for each in top if each.suffix == ".py"}
    rooms |= {f"{each.name}/" for each in top if (each / "__init__.py").is_file()}
    assert len(rooms) > 20
    assert rooms - named == set()
    shipped = ("dashboard/", "performance/", "tools/", "docs/", "recipes/", "prompts/", "reports/")
    assert set(shipped) - named == set()


def test_every_file_that_contributing_names_is_there() -> None:
    """Names in capitals, as NAME.py, stand for the reader's own."""
    files = {
        name
        for name in re.findall(r"`((?:\.?[\w-]+/)+[\w.-]+\.\w+)`", CONTRIBUTING)
        if not re.search(r"[A-Z]{4}", Path(name).name) and not name.startswith(".harness/")
    }
    assert len(files) > 15
    missing = {
        name
        for name in files
        if not any((ROOT / below / name).is_file() for below in ("", "harness"))
    }
    assert missing == set()


@pytest.mark.parametrize("name", FRONT)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert links or name == "RELEASING.md"
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_citation_has_what_its_format_requires_and_this_version() -> None:
    cff = yaml_of(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= cff.keys()
    assert cff["cff-version"] == "1.2.0"
    assert cff.get("type") in CFF_TYPES
    assert all({"name", "family-names", "alias"} & author.keys() for author in cff["authors"])
    assert isinstance(cff.get("date-released", date.today()), date)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(cff["version"]) == project["version"] == fingerprint.VERSION
    assert cff["license"] == project["license"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_template_is_one_that_the_forge_accepts(form: Path) -> None:
    page = yaml_of(form)
    if form.stem == "config":
        assert isinstance(page["blank_issues_enabled"], bool)
        return
    assert {"name", "description", "body"} <= page.keys()
    asked = [part for part in page["body"] if part["type"] != "markdown"]
    names = [part["id"] for part in asked]
    assert len(names) == len(set(names)) >= 2
    for part in asked:
        assert part["type"] in {"textarea", "input", "checkboxes", "dropdown"}
        assert part["attributes"]["label"]
    assert any(part.get("validations", {}).get("required") for part in asked)


def test_there_is_a_template_for_a_number_a_crash_and_an_idea() -> None:
    assert [form.stem for form in FORMS] == ["config", "crash", "idea", "wrong-number"]
