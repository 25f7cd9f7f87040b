"""How pages of the documentation are read, run, compared and written again."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import psutil
import pytest
from running import House, Ran

from tools.docs import figures
from tools.docs.blocks import commands, console, read
from tools.docs.execution import Outcome, execute
from tools.docs.outputs import is_same, plain, shortened
from tools.docs.pages import blessed

NOWHERE = House(Path("store"), Path("reports"), Ran(0, "", ""))


def run(text: str, tmp_path: Path) -> Outcome:
    file = tmp_path / "page.md"
    file.write_text(text)
    return execute(read(file), tmp_path / "root", NOWHERE)


def test_a_page_keeps_its_folder_its_variables_and_its_names(tmp_path: Path) -> None:
    page = """
```bash
mkdir deep && echo one > deep/a.txt
cd deep
export WORD=two
echo $WORD >> a.txt
```

```python
lines = open("a.txt").read().split()
```

```python
print(lines)
```

```text
['one', 'two']
```
"""
    outcome = run(page, tmp_path)
    assert outcome.wrong == []
    assert (outcome.executed, outcome.compared) == (3, 1)


def test_an_output_that_is_another_is_wrong_and_can_be_written(tmp_path: Path) -> None:
    page = "```console\n$ echo one; echo two\none\n```\n"
    outcome = run(page, tmp_path)
    assert len(outcome.wrong) == 1
    new = blessed(read(tmp_path / "page.md"), outcome.new)
    assert new == "```console\n$ echo one; echo two\none\ntwo\n```\n"
    assert run_again(new, tmp_path).wrong == []


def run_again(text: str, tmp_path: Path) -> Outcome:
    return run(text, tmp_path / "again") if (tmp_path / "again").mkdir() is None else Outcome()


def test_a_command_must_end_as_its_page_says(tmp_path: Path) -> None:
    page = "<!-- run: exit 3 -->\n```bash\nexit {}\n```\n"
    assert run(page.format(3), tmp_path).wrong == []
    assert "ended in 1" in run_again(page.format(1), tmp_path).wrong[0]


def test_harness_runs_in_this_process_and_its_errors_are_shown(tmp_path: Path) -> None:
    page = """
```yaml title="recipes/ink.yaml"
schema_version: 1
name: ink
summary: A page.
base: {model: pocket/sdxl}
```

<!-- run: exit 2 -->
```console
$ harness plan inc
…there is no recipe called 'inc'…
…
```
"""
    outcome = run(page, tmp_path)
    assert outcome.wrong == []
    assert (outcome.written, outcome.compared) == (1, 1)


def test_a_page_that_is_not_valid_is_wrong(tmp_path: Path) -> None:
    page = '```yaml title="recipes/ink.yaml"\nschema_version: 1\nname: ink\nsumary: A page.\n```\n'
    assert "sumary is not a field" in run(page, tmp_path).wrong[0]


def test_a_part_of_a_page_is_checked_within_a_whole_one(tmp_path: Path) -> None:
    page = "<!-- run: within recipes/pocket-ninja.yaml -->\n```yaml\ntrain: {{{}: 2}}\n```\n"
    assert run(page.format("batch"), tmp_path).wrong == []
    assert "train.bach is not a field" in run_again(page.format("bach"), tmp_path).wrong[0]


def test_what_is_skipped_says_why_and_what_never_ends_is_not_run(tmp_path: Path) -> None:
    page = '<!-- run: skip reason="needs a GPU" -->\n```bash\nfalse\n```\n'
    outcome = run(page, tmp_path)
    assert (outcome.executed, outcome.skipped) == (0, ["page.md:2: needs a GPU"])
    assert "mark the block" in run_again("```bash\nmake demo\n```\n", tmp_path).wrong[0]


def test_what_runs_in_the_background_ends_with_its_page(tmp_path: Path) -> None:
    page = "```bash\nsleep 600 > log 2>&1 & echo $! > pid\n```\n"
    assert run(page, tmp_path).wrong == []
    pid = int((tmp_path / "root" / "page" / "pid").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=60)


def test_hidden_commands_run_before_their_block(tmp_path: Path) -> None:
    page = "<!-- run: hidden\necho one > a.txt\n-->\n```console\n$ cat a.txt\none\n```\n"
    assert run(page, tmp_path).wrong == []


def test_a_command_may_go_over_several_lines() -> None:
    text = (
        "echo a \\\n  b  # why\n\n# only a word\ncat <<END\nx\nEND\nfor i in 1; do\n echo $i\ndone"
    )
    first, second, third = commands(text)
    assert first == "echo a \\\n  b  # why"
    assert second.strip().startswith("cat")
    assert third.strip().startswith("for")
    assert console("$ a \\\n> b\nout\n$ c") == [("a \\\nb", "out"), ("c", "")]


def test_an_ellipsis_stands_for_anything() -> None:
    printed = "one\ntwo 3.5 s\nthree\nfour 2026-01-02"
    assert is_same("one\n…\nfour 2025-11-11", printed)
    assert is_same("o…\ntwo 9 s\nthree\n…", printed)
    assert is_same("one\n…\ntwo 1 s\nthree\nf…", printed)
    assert not is_same("one\n…", "two\none")
    assert not is_same("one", printed)
    assert not is_same("", printed)
    assert is_same("", "")
    assert shortened("a\nb\nc\nd\ne", "a\n…\nz") == "a\n…\ne"
    table = "head\n│ kid │ 1 │\n│ fid │ 2 │\n│ clip-score │ 3 │\nend"
    assert shortened(table, "head\n…\n│ fid    │ 0 │\n…\nend") == "head\n…\n│ fid │ 2 │\n…\nend"
    assert plain("wrote /tmp/x/a.txt  \n", Path("/tmp/x")) == "wrote a.txt"


def test_a_figure_is_rewritten_from_where_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"figures": [{"name": "steady 4 × 2", "value": 1.893, "floor": 0.5}]}
    (tmp_path / "performance" / "figures").mkdir(parents=True)
    (tmp_path / "performance" / "figures" / "race.json").write_text(json.dumps(kept))
    (tmp_path / "told.json").write_text('{"rows": [{"share": 0.677}]}')
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    figures._document.cache_clear()
    text = (
        'a <!-- figure: race "steady 4 × 2" -->7.5× b '
        '<!-- figure: race "steady 4 × 2" floor as .2f -->1 c '
        "<!-- figure: told.json rows 0 share as .0% -->1 %"
    )
    new = figures.measured(text)
    assert [part.partition("-->")[2] for part in new.split("<!--")[1:]] == [
        "1.89× b ",
        "0.50 c ",
        "68 %",
    ]
    assert figures.measured(new) == new
    with pytest.raises(LookupError, match="no figure 'x'"):
        figures.measured('<!-- figure: race "x" -->1')
    figures._document.cache_clear()
