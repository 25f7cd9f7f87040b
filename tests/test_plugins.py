"""A stranger's package brings plugins; one of them is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import FIXTURES, ROOT, Ran

from harness.errors import MissingPrerequisite
from harness.plugins import spec

METADATA = "Metadata-Version: 2.1\nName: acme-metrics\nVersion: 1.2\n"
ENTRY_POINTS = """\
[harness.metrics]
sharpness = acme_metrics:Sharpness
shine = acme_shine:Shine
"""
WORKING = """
from typing import ClassVar, Literal
from harness import plugins
from harness.interfaces import Family, MetricSpec

class Sharpness(MetricSpec):
    implementation: ClassVar[str] = "acme_metrics:measure"
    summary: ClassVar[str] = "how sharp images are"
    higher_is_better: ClassVar[bool] = True
    family: ClassVar[Family] = "quality"
    use: Literal["sharpness"]
    features: plugins.union("extractors")
    blocks: int = 4
"""
BROKEN = 'raise ImportError("libshine.so is not there")'
REASON = (
    "the plugin 'shine' of the package acme-metrics 1.2 is broken:"
    " ImportError: libshine.so is not there"
)
MESSAGE = f"{REASON} (repair or uninstall acme-metrics)"
SEVERAL = """
import contextlib, io, json, sys
from harness.cli import main

def ran(words):
    out, err, code = io.StringIO(), io.StringIO(), 0
    sys.argv = ["harness", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return code, out.getvalue(), err.getvalue()

print(json.dumps([ran(words) for words in json.loads(sys.argv[1])]))
"""
PAGE = (FIXTURES / "prompts" / "benchmarks" / "tiny-v1.yaml").read_text()
METRIC = "  - {use: WORD, features: {use: pixels}}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package of plugins, one of which fails to import."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "acme_metrics-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(METADATA)
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "acme_metrics.py").write_text(WORKING)
    (folder / "acme_shine.py").write_text(BROKEN)
    return folder


def python(site: Path, program: str, *words: str) -> str:
    """Run a program where the package is installed, and return what it prints."""
    paths = [str(site), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=FIXTURES,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


def harness(site: Path, *commands: list[str]) -> list[Ran]:
    """Run several commands in one process where the package is installed."""
    return [Ran(*each) for each in json.loads(python(site, SEVERAL, json.dumps(commands)))]


def a_benchmark(folder: Path, word: str) -> str:
    """Return the file of a benchmark that has the metric `word` too."""
    file = folder / f"{word}-v1.yaml"
    page = PAGE.replace("name: tiny-v1", f"name: {word}-v1")
    file.write_text(page + METRIC.replace("WORD", word))
    return str(file)


@pytest.mark.slow
def test_every_command_works_beside_a_broken_plugin(site: Path, tmp_path: Path) -> None:
    store = ["--store", str(tmp_path / "store")]
    reports = ["--reports", str(ROOT / "reports")]
    doctor, plan, leaderboard, check, listed = harness(
        site,
        ["doctor", *store],
        ["plan", "tiny", "-b", "tiny-v1", *store],
        ["leaderboard", "-b", "pocket-v1", *reports],
        ["check", "recipes/tiny.yaml"],
        ["list", "metrics"],
    )
    assert [each.code for each in (doctor, plan, leaderboard, check, listed)] == [0] * 5
    [line] = [line for line in doctor.out.splitlines() if "shine" in line]
    assert REASON in line
    assert "pocket-ninja" in leaderboard.out
    [line] = [line for line in listed.out.splitlines() if "shine" in line]
    assert MESSAGE in line
    assert "how sharp images are" in listed.out


@pytest.mark.slow
def test_only_the_page_that_names_a_broken_plugin_is_refused(site: Path, tmp_path: Path) -> None:
    broken, works = a_benchmark(tmp_path, "shine"), a_benchmark(tmp_path, "sharpness")
    refused, accepted = harness(site, ["check", broken], ["check", works])
    assert refused.code == 2
    [line] = refused.err.splitlines()
    where, _, message = line.partition(" names ")
    assert where.startswith(f"{broken}:")
    assert "metrics[" in where
    assert message == MESSAGE.replace(" is broken", ", which is broken")
    assert accepted.code == 0, accepted.err


@pytest.mark.slow
def test_a_strangers_plugin_is_validated_by_its_own_spec(site: Path, tmp_path: Path) -> None:
    file = Path(a_benchmark(tmp_path, "sharpness"))
    file.write_text(file.read_text().replace("use: sharpness", "use: sharpness, bloks: 2"))
    [refused] = harness(site, ["check", str(file)])
    assert refused.code == 2
    assert ".bloks is not a field (did you mean metrics[" in refused.err


def test_reading_the_modules_of_pages_loads_no_plugin(site: Path) -> None:
    program = """
import sys
import harness
from harness import plugins
from harness.pages import benchmark, curation, policy, recipe, stages
print(sorted(name for name in sys.modules if ".specs" in name or "acme" in name))
"""
    assert python(site, program).strip() == "[]"


def test_a_broken_plugin_is_named_when_it_is_asked_for_by_itself(site: Path) -> None:
    program = """
from harness.errors import MissingPrerequisite
from harness.plugins import spec
try:
    spec("metrics", "shine")
except MissingPrerequisite as error:
    print(error)
"""
    assert python(site, program).strip() == MESSAGE


def test_a_plugin_is_loaded_by_its_word() -> None:
    assert spec("metrics", "kid").__name__ == "Kid"
    with pytest.raises(MissingPrerequisite, match="there is no plugin 'kit' among the metrics"):
        spec("metrics", "kit")
