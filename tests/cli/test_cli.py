"""The command line: quick to answer, plain in its errors, one JSON document where asked."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from running import FIXTURES, ROOT, Command, House, ended

import harness
from harness.cli import main
from harness.interfaces import Page
from harness.pages.catalogue import catalogue
from harness.pages.folders import available
from harness.pages.schemas import SCHEMAS
from harness.pages.yaml import read_page

BROKEN = """\
schema_version: 1
name: ink
summary: A page with four things wrong.
base: {model: pocket/sdxl}
data:
  source: {use: pocket, set: ninja, count: 0}
train:
  method: lora
  adapter: {rnak: 4}
  resolution: 64
  batch: 1
  optimizer: {use: adamv}
  phases: [{steps: 5, rate: "1e-4"}]
"""


def loaded_modules(code: str) -> set[str]:
    """Return the names of all modules that are there after `code` has run."""
    program = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "code",
    [
        "import harness",
        "import harness.cli",
        "import harness.api",
        "from harness.pages import catalogue; catalogue.catalogue(['metrics', 'recipes'])",
    ],
)
def test_what_answers_at_once_loads_no_network_library(code: str) -> None:
    there = loaded_modules(code)
    assert "harness" in there
    assert not there & {
        "torch",
        "diffusers",
        "transformers",
        "peft",
        "open_clip",
        "pandas",
        "duckdb",
    }


HEAVY = {"torch", "pandas", "pyarrow.dataset", "scipy.stats", "scipy.optimize", "jinja2"}
HEAVY |= {"transformers", "duckdb", "urllib.request", "sqlite3", "rich.progress"}
READING = {
    "list": {"numpy", "pyarrow", "scipy", "rich"},
    "leaderboard": {"ruamel.yaml", "PIL", "harness.plugins", "harness.pages.benchmark"},
    "compare pocket-ninja pocket-base": set[str](),
    "gate reports/pocket-v1/pocket-ninja.json "
    "--baseline reports/baselines/pocket-v1/pocket-ninja.json": set[str](),
    "plan pocket-ninja": {"numpy", "pyarrow", "scipy", "rich"},
}


@pytest.mark.parametrize(("words", "more"), READING.items())
def test_a_command_that_reads_imports_what_it_uses_and_no_more(
    words: str, more: set[str], tmp_path: Path
) -> None:
    for name in ("reports", "recipes"):
        copytree(ROOT / name, tmp_path / name, ignore=ignore_patterns("*.zip", "*.png"))
    told = [*words.split(), "--store", str(tmp_path / "store")]
    code = f"""
import os; os.chdir({str(tmp_path)!r})
from contextlib import redirect_stdout, suppress
from harness.cli import main
with redirect_stdout(open(os.devnull, "w")), suppress(SystemExit):
    main({told!r})
"""
    there = loaded_modules(code)
    assert "harness.api.options" in there or words == "list"
    assert sorted(there & (HEAVY | more)) == []


def test_a_page_with_several_problems_is_told_all_of_them_with_lines(
    command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "ink.yaml"
    page.write_text(BROKEN)
    ran = command("check", page)
    lines = ran.err.strip().splitlines()
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert (
        f"{page}:9: train.adapter.rnak is not a field (did you mean train.adapter.rank?)" in lines
    )
    assert [line.split(":")[1] for line in lines] == ["6", "9", "12", "13"]


def test_check_reports_problems_as_json(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "ink.yaml"
    page.write_text(BROKEN)
    ran = command("check", page, "--json")
    assert ran.code == 2
    assert ran.json["ok"] is False
    assert set(ran.json["problems"][0]) == {"file", "line", "field", "message", "hint"}
    assert len(ran.json["problems"]) == 4


def test_every_page_that_ships_holds(command: Command) -> None:
    ran = command("check", "--json", cwd=ROOT)
    assert (ran.json["ok"], ran.json["problems"]) == (True, [])


def test_a_set_of_the_hub_at_no_fixed_revision_is_warned_of_and_holds(
    command: Command, tmp_path: Path
) -> None:
    text = BROKEN.replace("rnak", "rank").replace("adamv", "adamw").replace('"1e-4"', "0.0001")
    page, source = tmp_path / "ink.yaml", "{use: hub, id: someone/ink}"
    text = text.replace("pocket/sdxl", "./base")  # a folder, which is no toy and changes nothing
    page.write_text(text.replace("{use: pocket, set: ninja, count: 0}", source))
    ran = command("check", page)
    assert ran.code == 0, ran.err
    assert ran.err.strip() == (
        f"warning: {page}:6: data.source.revision is not given: the set may change under its name "
        "(name a commit of the set)"
    )
    assert ran.out.strip() == "1 page is valid"
    assert command("check", page, "--json").json["warnings"][0]["line"] == 6
    pinned = source.replace("}", ", revision: 4f2e1c}")
    page.write_text(page.read_text().replace(source, pinned))
    assert command("check", page, "--json").json["warnings"] == []


def test_a_model_of_the_hub_at_no_fixed_revision_is_warned_of_and_holds(
    command: Command, tmp_path: Path
) -> None:
    text = (FIXTURES / "prompts/benchmarks/tiny-v1.yaml").read_text()
    text = text.replace("tiny-v1", "judged").replace("pocket/inception", "someone/judge", 1)
    text = text.replace("height: 64,", "height: 64, vae: someone/vae,")
    page, recipe = tmp_path / "judged.yaml", tmp_path / "ink.yaml"
    page.write_text(
        text + "  - use: fd-dinov2\n  - use: pickscore\n  - {use: fd-dinov2, name: again}\n"
    )
    recipe.write_text(
        "schema_version: 1\nname: ink\nsummary: Ink.\n"
        "base: {model: someone/base, vae: pocket/sdxl}\n"
        "load: {model: someone/whole, revision: 4f2e1c}\n"
    )
    ran = command("check", page, recipe, "--json")
    assert ran.code == 0, ran.err
    warned = [
        (each["line"], each["field"], each["message"].split()[3]) for each in ran.json["warnings"]
    ]
    assert warned == [
        (7, "sampler.vae_revision", "someone/vae"),
        (13, "metrics[0].features.revision", "someone/judge"),
        (20, "metrics[4].features.revision", "facebook/dinov2-large"),
        (21, "metrics[5].features.revision", "yuvalkirstain/PickScore_v1"),
        (21, "metrics[5].features.processor_revision", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
        (4, "base.revision", "someone/base"),
    ]
    assert {each["hint"] for each in ran.json["warnings"]} == {"name a commit of the model"}


def test_the_list_shows_the_summary_that_each_page_holds() -> None:
    listed = catalogue(("recipes", "benchmarks", "suites"))
    assert sum(len(entries) for entries in listed.values()) >= 28
    for kind, entries in listed.items():
        files = available(kind.removesuffix("s"))
        for entry in entries:
            assert entry["summary"] == read_page(files[entry["name"]]).data["summary"]


def test_a_misspelt_name_is_answered_with_the_nearest(command: Command) -> None:
    ran = command("plan", "pocket-ninjo")
    assert ran.code == 2
    assert (
        ran.err.strip() == "there is no recipe called 'pocket-ninjo' (did you mean pocket-ninja?)"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "tiny", "--benchmark", "nowhere"), 2, "there is no benchmark called"),
        (("run", "tiny", "--executor", "slurm"), 2, "there is no executor 'slurm' here"),
        (("run", "tiny", "--replicates", "0"), 2, "--replicates 0"),
        (("run", "danbooru-1024", "--device", "cpu"), 1, "optimizer adamw-8bit needs CUDA"),
        (("run", "tiny", "--processes", "0"), 2, "--processes 0 is no number of processes"),
        (("run", "tiny@7"), 2, "tiny has no checkpoint '7'"),
        (("plan", "pocket-ninja@100"), 2, "pocket-ninja keeps no checkpoints"),
        (("run", "nothing.yaml"), 2, "there is no file nothing.yaml"),
        (("score", "--name", "x"), 2, "either --images or --adapter"),
        (("score", "--name", "x", "--adapter", "a.safetensors"), 2, "needs --base"),
        (("score", "--name", "../x", "--images", "."), 2, "is no name for a result"),
        (("list", "recipies"), 2, "there is no list of"),
        (("leaderboard", "--reports", "empty"), 2, "no results in empty"),
        (("verify", "nothing.json"), 2, "there is no file"),
        (("gc", "--reports", "nowhere"), 2, "every artifact would look unused"),
        (("leaderboard", "--benchmark", "/etc/x.yaml"), 2, "no results of /etc/x.yaml"),
        (("check", "x" * 300 + ".yaml"), 2, ".yaml"),
    ],
)
def test_wrong_use_is_one_line_and_its_own_exit_code(
    words: tuple[str, ...], code: int, says: str, command: Command, tmp_path: Path
) -> None:
    ran = command(*words, env={"HARNESS_STORE": str(tmp_path)})
    assert ran.code == code, ran.err
    assert says in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert ran.out == ""


@pytest.mark.parametrize("words", [("plan", "pocket-base"), ("leaderboard",), ("doctor",)])
def test_a_working_directory_that_was_removed_is_told_in_words(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = Path.cwd()
    os.chdir(gone)
    gone.rmdir()
    try:
        with redirect_stderr(io.StringIO()) as said:
            code = ended(lambda: main(words))
    finally:
        os.chdir(before)
    assert code == 2
    assert said.getvalue() == (
        "the working directory was removed (change into a folder that is there)\n"
    )


def test_a_plan_runs_nothing_and_shows_steps_rates_and_cost(
    command: Command, tmp_path: Path
) -> None:
    ran = command("plan", "tiny", "--benchmark", "tiny-v1", "--store", tmp_path, "--json")
    stages = [step["stage"] for step in ran.json["steps"]]
    assert stages[:5] == ["data", "texts", "latents", "train", "sample"]
    assert not any(step["done"] for step in ran.json["steps"])
    assert set(ran.json["data"]) >= {"data", "reference"}
    assert len(ran.json["data"]["data"][0]["version"]) == 16
    assert ran.json["forecast"]["optimizer_steps"] == 40
    assert ran.json["forecast"]["images"] == 36
    assert not list(tmp_path.iterdir())
    assert "100% 0.0003" in command("plan", "tiny", "--benchmark", "tiny-v1").out


def test_keys_are_the_same_in_every_process(command: Command, tmp_path: Path) -> None:
    arguments = ("plan", "tiny", "--benchmark", "tiny-v1", "--store", tmp_path, "--json")
    first = command(*arguments, env={"PYTHONHASHSEED": "1"}).json
    second = command(*arguments, env={"PYTHONHASHSEED": "2"}).json
    assert first == second


def test_schemas_on_disk_are_those_of_the_models(command: Command) -> None:
    folder = ROOT / "harness" / "schemas"
    written = {file.name: file.read_text() for file in folder.glob("*.json")}
    assert written == harness.schemas()
    assert len(written) == 6
    assert all(issubclass(model, Page) for model in SCHEMAS.values())


@pytest.mark.slow
def test_the_leaderboard_comes_as_text_json_csv_and_markdown(
    house: House, command: Command
) -> None:
    arguments = ("leaderboard", "--reports", house.reports)
    board = command(*arguments, "--json").json
    assert board["benchmark"] == "tiny-v1"
    assert {row["recipe"] for row in board["rows"]} == {"tiny", "pocket-base"}
    for row in board["rows"]:
        assert 1 <= row["rank_low"] <= row["rank_high"] <= 2
        assert set(row["scores"]["kid"]) >= {"value", "low", "high", "n"}
    assert command(*arguments, "--csv").out.startswith("benchmark,signature,rank_low")
    assert "| rank | recipe | kid ↓ |" in command(*arguments, "--markdown").out
    assert "pocket-base" in command(*arguments).out


@pytest.mark.slow
def test_a_page_shows_every_image_and_takes_prompts_as_text(
    house: House, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    result = house.reports / "tiny-v1" / "tiny.json"
    assert command("report", result, "--html", page, "--store", house.store).code == 0
    text = page.read_text()
    assert text.count("data:image/webp;base64,") == 36
    assert "<b>bold</b>" not in text
    assert "&lt;b&gt;bold&lt;/b&gt; &amp; green hair" in text


@pytest.mark.slow
def test_doctor_says_what_is_here(command: Command) -> None:
    ran = command("doctor", "--json")
    found = {each["name"]: each for each in ran.json["findings"]}
    assert ran.json["ok"] is True
    assert found["pocket weights"]["found"] == "all five models"
    assert found["lite0 weights"]["found"] == "as shipped"
    assert {"torch", "disk", "device"} <= set(found)


def test_ctrl_c_before_a_command_begins_ends_in_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after the first Ctrl-C is left to the system: it shows no traceback."""

    def interrupted(*words: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.app", interrupted)
    before = signal.getsignal(signal.SIGINT)
    try:
        ran = command("list")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ran.code, ran.err.count("\n")) == (130, 1)
    assert ran.err.startswith("stopped; run the same command again")
