"""Figures are kept, and what became slower by more than noise is named."""

import sys
from pathlib import Path

import everything
import pytest
from ledger import FOLDER, Figure, Kept, keep, kept, told


@pytest.fixture
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_FIGURES", str(tmp_path))
    return tmp_path


def test_what_is_kept_is_read_again(figures: Path) -> None:
    ours = Figure("steady, 4 × 2", [2.1, 2.3, 2.2], "×", "higher", target=2.2, floor=2.5)
    page = kept(keep("race", [ours]))
    assert page.figures == [ours]
    assert page.script == "race"
    assert page.pace > 0


def test_a_figure_is_the_median_of_its_runs_and_hits_or_misses() -> None:
    quick = Figure("filter", [0.3, 0.9, 0.4], target=0.4)
    assert (quick.value, quick.hit) == (0.4, True)
    assert Figure("ratio", [1.9], "×", "higher", target=2.2).hit is False
    assert Figure("ratio", [1.9]).hit is None
    assert "MISS ≥ 2.2" in told(Figure("ratio", [1.9], "×", "higher", target=2.2))


def test_worse_means_slower_or_a_lower_ratio() -> None:
    assert Figure("a", [2.0]).worsened(Figure("a", [1.0])) == 2
    assert Figure("a", [2.0], "×", "higher").worsened(Figure("a", [1.0], "×", "higher")) == 0.5


def test_a_slower_machine_excuses_times_and_no_ratios() -> None:
    seconds, ratio = Figure("a", [2.0]), Figure("a", [2.0], "×")
    assert seconds.worsened(Figure("a", [1.0]), pace=2) == 1
    assert ratio.worsened(Figure("a", [1.0], "×"), pace=2) == 2


def test_a_pace_that_may_be_chance_excuses_nothing() -> None:
    before, now, later = (Kept("a", [], {}, pace) for pace in (0.1, 0.11, 0.15))
    assert now.slower_than(before) == 1
    assert later.slower_than(before) == pytest.approx(1.5)


def test_noise_is_what_runs_differ_by() -> None:
    still, restless = Figure("a", [1.0, 1.01, 0.99]), Figure("a", [1.0, 1.5, 0.6])
    assert everything.is_worse(Figure("a", [1.2]), still, 1)
    assert not everything.is_worse(Figure("a", [1.2]), restless, 1)


SCRIPT = """
import ledger
from ledger import Figure, keep
ledger.pace = lambda: 0.1
keep("probe_of_ours", [Figure("one", [{seconds}]), Figure("ratio", [{ratio}], "×", "higher")])
"""


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> list[str]:
    (folder / "probe_of_ours.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    monkeypatch.setattr(everything, "HERE", folder)
    monkeypatch.setattr(everything, "FOLDER", folder / "committed")
    new = folder / "new"
    new.mkdir(exist_ok=True)
    return everything.measured(everything.Script("probe_of_ours", 0.1), new, accept=True)


def test_what_became_worse_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not measured(tmp_path, monkeypatch, SCRIPT.format(seconds=1, ratio=3))
    worse = measured(tmp_path, monkeypatch, SCRIPT.format(seconds=1, ratio=2))
    assert len(worse) == 1
    assert worse[0].startswith("probe_of_ours: ratio   (was 3: 50% worse)")
    gone = measured(
        tmp_path, monkeypatch, SCRIPT.replace('"ratio"', '"new"').format(seconds=1, ratio=2)
    )
    assert gone == ["probe_of_ours: ratio is measured no longer"]


def test_figures_beside_what_is_not_here_are_not_counted_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCRIPT_OF_OTHERS", raising=False)
    assert not measured(tmp_path, monkeypatch, SCRIPT.format(seconds=1, ratio=3))
    less = SCRIPT.replace(', Figure("ratio", [{ratio}], "×", "higher")', "").format(seconds=1)
    (tmp_path / "probe_of_ours.py").write_text(less)
    script = everything.Script("probe_of_ours", 0.1, wants="SCRIPT_OF_OTHERS")
    assert not everything.measured(script, tmp_path / "new", accept=True)
    assert len(kept(tmp_path / "committed/probe_of_ours.json").figures) == 2


def test_a_script_that_fails_counts_as_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = measured(tmp_path, monkeypatch, "import sys; print('no network'); sys.exit(3)")
    assert worse == ["probe_of_ours: it failed (exit 3)"]
    assert "no network" in capsys.readouterr().out


def test_every_committed_figure_has_a_script_that_measures_it() -> None:
    scripts = {script.name for script in everything.SCRIPTS}
    files = {path.stem for path in FOLDER.glob("*.json")}
    assert files <= scripts
    for name in scripts:
        assert (FOLDER.parent / f"{name}.py").is_file(), name


def test_the_table_shows_every_figure_that_is_committed() -> None:
    pages = [kept(path) for path in sorted(FOLDER.glob("*.json"))]
    assert len(pages) == len(everything.SCRIPTS)
    assert (FOLDER / "README.md").read_text() == everything.table(pages)


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["everything.py", "speed"])
    with pytest.raises(SystemExit) as ended:
        everything.main()
    assert ended.value.code == 2
