"""Every page, as Streamlit runs it: in both themes, empty, broken, hostile, and from a link."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from blaming import ODD, put_blame
from visiting import HOSTILE, ROOT, Visit, let_write, poison

from dashboard import media, session
from harness.views import votes
from harness.views.votes import Ballot

PAGES = (
    "leaderboard",
    "grid",
    "compare",
    "sweep",
    "run",
    "regressions",
    "memorization",
    "blame",
    "images",
    "arena",
    "catalogue",
)
LINKED = (
    "board id a b results metrics page at mode sort view tab kind baseline candidate "
    "threshold seeds words pick against part shown"
)


def test_these_are_all_pages() -> None:
    assert {file.stem for file in (ROOT / "dashboard/pages").glob("*.py")} == {*PAGES, "main"}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens(visit: Visit, page: str, theme: str) -> None:
    app = visit(page, theme)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == page.capitalize()


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(set(PAGES) - {"catalogue"}))
def test_an_empty_page_names_the_command_to_run(visit: Visit, page: str, reports: Path) -> None:
    shutil.rmtree(reports)
    reports.mkdir()
    app = visit(page)
    assert not app.exception
    assert app.code[0].value.startswith("harness ")
    assert app.info[0].value


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_broken_result_breaks_no_page(visit: Visit, page: str, reports: Path) -> None:
    (reports / "pocket-v1/half.json").write_text('{"schema_version": 1, "recipe": "ha')
    (reports / "baselines/pocket-v1/half.json").write_text("")
    (reports / "pocket-v1/pocket-base.album.zip").write_bytes(b"PK")
    (reports / "pocket-v1/pocket-base.samples.parquet").write_bytes(b"PAR1")
    (reports / "pocket-v1/pocket-base.likeness.parquet").write_bytes(b"")
    for name in ("pocket-ninja.prompts", "pocket-ninja.samples", "pocket-ninja-broken.likeness"):
        (reports / f"pocket-v1/{name}.parquet").write_bytes(b"PAR1")
    whole = json.loads((reports / "pocket-v1/pocket-base.json").read_text())
    odd = {"scores": []}, {"scores": [{**whole["scores"][0], "value": float("nan")}]}
    for name, change in zip(("half-empty", "half-number"), odd, strict=True):
        (reports / f"pocket-v1/{name}.json").write_text(json.dumps({**whole, **change}))
    app = visit(page)
    assert not app.exception
    if page in ("leaderboard", "grid", "compare", "run", "memorization", "images", "arena"):
        assert any("half" in text.value for text in app.text)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_hostile_words_are_shown_as_words(visit: Visit, page: str, reports: Path) -> None:
    poison(reports)
    link = {
        "run": {"id": "pocket-v1/pocket-ninja-broken"},
        "memorization": {"id": "pocket-ninja-broken"},
    }.get(page, {})
    app = visit(page, **link)
    assert not app.exception
    for element in [
        *app.markdown,
        *app.caption,
        *app.title,
        *app.subheader,
        *app.warning,
        *app.info,
        *app.success,
    ]:
        for words in ("](javascript", "![](http", "<script", "<img"):
            assert words not in element.value, f"{page}: {element.value[:200]}"


def test_a_hostile_summary_stands_on_the_run_page_as_it_is(visit: Visit, reports: Path) -> None:
    poison(reports)
    app = visit("run", id="pocket-v1/pocket-ninja-broken")
    assert HOSTILE[0] in app.text[0].value


@pytest.mark.parametrize("recipe", ["pocket-ninja-overfit", "pocket-ninja-broken"])
def test_a_flag_stands_on_the_run_page(visit: Visit, recipe: str) -> None:
    """Its icon was once no emoji, which took the rest of the page down."""
    app = visit("run", id=f"pocket-v1/{recipe}")
    assert not app.exception
    assert app.warning
    assert app.dataframe


def test_a_link_restores_the_view(visit: Visit) -> None:
    app = visit("leaderboard", metrics="kid", prompts="pocket-tags", recipe="ninja")
    assert app.multiselect(key="metrics").value == ["kid"]
    assert app.selectbox(key="prompts").value == "pocket-tags"
    assert app.text_input(key="recipe").value == "ninja"
    run = visit("run", id="pocket-v1/pocket-ninja-short")
    assert run.selectbox(key="id").value == "pocket-v1/pocket-ninja-short"
    compare = visit("compare", a="pocket-base", b="pocket-ninja-short")
    assert compare.selectbox(key="a").value == "pocket-base"
    assert compare.multiselect(key="b").value == ["pocket-ninja-short"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_link_with_nonsense_in_it_opens_the_page(visit: Visit, page: str) -> None:
    nonsense = dict.fromkeys(LINKED.split(), "../../etc/passwd")
    assert not visit(page, **nonsense).exception


def test_nothing_can_be_written_unless_the_server_allows_it(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [button.label for button in visit("regressions").button]
    assert "harness dashboard --allow-write" in [code.value for code in visit("arena").code]
    let_write(monkeypatch)
    assert [button.label for button in visit("regressions").button] == ["Accept", "Keep"]
    assert not visit("arena").code


def test_a_baseline_is_accepted_with_its_note(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, reports: Path
) -> None:
    let_write(monkeypatch)
    app = visit("regressions", candidate="pocket-ninja-short")
    app.text_input(key="note").set_value("short is enough")
    app.button[0].click().run()
    assert not app.exception
    assert (reports / "baselines/pocket-v1/pocket-ninja-short.json").is_file()
    history = reports / "history/pocket-v1/pocket-ninja-short.jsonl"
    assert "short is enough" in history.read_text()


def test_a_running_step_is_shown_and_breaks_nothing(visit: Visit, tmp_path: Path) -> None:
    from harness.interfaces import Page, Progress
    from harness.keys import make_step
    from harness.pipeline.store.local import Store
    from harness.pipeline.watch.live import Live

    class Nothing(Page):
        """A spec that says nothing."""

    step = make_step("train", "train", 1, Nothing(), subject="my-style")
    store = Store(tmp_path / "store")
    live = Live(store)
    live.begin(step, 3, 7)
    live.progress(step, Progress(30, 100, "loss 0.0421"))
    for number in range(3):
        store.log(step, {"step": number, "loss": 0.1})
    app = visit("leaderboard")
    assert not app.exception
    said = [text.value for text in app.text]
    assert any(
        "my-style · train · 3 of 7 · 30 of 100" in each and "loss 0.0421" in each for each in said
    )
    live.end(step)
    assert not [text for text in visit("leaderboard").text if "my-style" in text.value]


@pytest.mark.slow
def test_the_dashboard_loads_no_torch() -> None:
    program = (
        "import sys, dashboard.session, dashboard.charts, dashboard.media; "
        "assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_no_page_shows_an_image_in_the_way_that_changes_its_pixels() -> None:
    files = [*(ROOT / "dashboard").rglob("*.py")]
    assert len(files) > 12
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "st.image(" not in text, file
        assert "unsafe_allow_html" not in text, file
        if file.name != "session.py":
            assert "st.dataframe(" not in text, f"{file}: show_table shows no formula"


def test_a_table_that_can_be_saved_holds_no_formula(visit: Visit, reports: Path) -> None:
    file = reports / "pocket-v1/pocket-ninja.json"
    document = json.loads(file.read_text())
    document["scores"][0]["notes"] = ["=HYPERLINK(1)"]
    document["provenance"]["device"] = "＝HYPERLINK(1)"
    file.write_text(json.dumps(document))
    scores = visit("run", id="pocket-v1/pocket-ninja").dataframe[0].value
    assert scores["notes"][0].startswith("'=HYPERLINK")
    facts = visit("run", id="pocket-v1/pocket-ninja", tab="Environment").dataframe[0].value
    assert "'＝HYPERLINK(1)" in set(facts["value"])
    effects = visit("regressions", candidate="pocket-ninja-short").dataframe[0].value["effect"]
    assert any(each.startswith("+") for each in effects), "our own numbers stay as they are"


def second_board(reports: Path) -> None:
    """Let there be the same results under another benchmark's name."""
    shutil.copytree(reports / "pocket-v1", reports / "zz-v1")
    for file in (reports / "zz-v1").glob("*.json"):
        document = json.loads(file.read_text())
        if "benchmark" in document:
            file.write_text(json.dumps({**document, "benchmark": "zz-v1"}))


def test_until_there_are_results_of_ones_own_the_demos_are_shown_and_never_written(
    visit: Visit, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_write(monkeypatch)
    shutil.move(reports, reports.with_name("later"))
    app = visit("arena")
    assert not app.exception
    assert "the pocket demo's" in app.info[0].value
    assert not reports.exists()
    shutil.move(reports.with_name("later"), reports)
    time.sleep(session.FRESH)
    app.run()
    assert not app.exception
    assert not app.info


def test_the_next_page_opens_on_the_same_board(visit: Visit, reports: Path) -> None:
    second_board(reports)
    app = visit("leaderboard")
    other = next(each for each in app.selectbox(key="board").options if each.startswith("zz-v1"))
    app.selectbox(key="board").set_value(other).run()
    app.switch_page("images.py").run()
    assert app.selectbox(key="board").value == other


def test_a_question_is_never_counted_for_another_pair(
    visit: Visit, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_write(monkeypatch)
    monkeypatch.setattr(
        votes,
        "next_ballot",
        lambda index, entry, said, voter: Ballot(
            "t01", 1, "the same on every board", entry[0], entry[1]
        ),
    )
    second_board(reports)
    app = visit("arena")
    for board in app.selectbox(key="board").options:
        app.selectbox(key="board").set_value(board).run()
        ((identity, shown),) = app.session_state["blinds"].items()
        ballot = app.session_state["asked"][identity]
        for side, entry in (("a", ballot.a), ("b", ballot.b)):
            address = media._blinds[shown[side].rpartition("/")[2]]
            assert f"/{entry.name}/" in address
            assert entry.name.startswith(board.split(" ")[0])


def test_names_and_signatures_are_no_markdown(visit: Visit, reports: Path) -> None:
    file = reports / "pocket-v1/pocket-ninja-broken.json"
    name = "![x](http://example.invalid/x.png)"
    document = json.loads(file.read_text()) | {"recipe": name}
    file.write_text(json.dumps(document))
    app = visit("compare", a="pocket-base", b=[name, "pocket-ninja"])
    assert app.selectbox(key="against").options == [name, "pocket-ninja"], "a list reads none"
    file.write_text(json.dumps(document | {"signature": name}))
    run = visit("run", id="pocket-v1/pocket-ninja-broken")
    assert not run.exception
    assert not any("](" in caption.value for caption in run.caption)


def test_a_blame_is_shown_whatever_its_captions_say(visit: Visit, reports: Path) -> None:
    put_blame(reports, count=len(HOSTILE), texts=HOSTILE)
    (put_blame(reports, "lost") / "blame.parquet").write_bytes(b"PAR1")
    app = visit("blame")
    assert not app.exception
    assert [each.value for each in app.metric][:2] == [f"{len(HOSTILE)}", "1"]
    assert "lost · held-out: " in app.text[0].value
    assert json.dumps(ODD, ensure_ascii=False) in app.code[0].value
    assert len(app.dataframe[0].value) == len(HOSTILE)
