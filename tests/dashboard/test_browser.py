"""A real browser walks every page: Chromium through Playwright, with a picture of each kept.

Pictures go to `.harness/screenshots`, to look at after a test.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from blaming import ODD, put_blame
from browsing import browser_path, painted
from dashboard_server import Server, serving
from visiting import HOSTILE, ROOT, poison

from harness import Workspace
from harness.interfaces import Page as Spec
from harness.interfaces import Progress
from harness.keys import make_step
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.pipeline.store.local import Store
from harness.pipeline.watch.live import Live
from harness.views import site

playwright = pytest.importorskip("playwright.sync_api")
Page, Browser, Locator = playwright.Page, playwright.Browser, playwright.Locator
expect = playwright.expect
"""Waits until what is said of a page holds; a page that is read once may be read too early."""
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)
QUIET = """() => {
  const app = document.querySelector('[data-testid=stApp]');
  const busy = '[data-testid=stStatusWidget], [data-testid=stSkeleton]';
  const rests = app?.dataset.testScriptState === 'notRunning'
    && app.dataset.testConnectionState === 'CONNECTED' && !document.querySelector(busy);
  window.quiet = rests ? (window.quiet ?? 0) + 1 : 0;
  return window.quiet > 4;
}"""
"""Longer than a component holds back what it has to say."""
FOCUS = """() => {
  let node = document.activeElement;
  while (node.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node.dataset.key || node.tagName;
}"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser_path() is None, reason="needs Chromium: apt install chromium"),
]
SCREENSHOTS = ROOT / ".harness/screenshots"
PAGES = (
    "",
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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browsed")
    shutil.copytree(ROOT / "reports", root / "reports")
    poison(root / "reports")
    put_blame(root / "reports", texts=HOSTILE)
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    pytest_socket.enable_socket()  # no test has begun yet that would allow this machine
    with serving(root / "reports", root / "store", write=True) as server:
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A fresh visitor, whose every request and error is watched."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(PATIENCE)
    abroad: list[str] = []
    errors: list[str] = []
    page.on(
        "request",
        lambda asked: (
            abroad.append(asked.url)
            if not asked.url.startswith(
                (server.url, "data:", "blob:", "file:", server.url.replace("http", "ws"))
            )
            else None
        ),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    assert page.evaluate("window.broken") is None, "words of a caption were run"
    page.close()
    assert abroad == [], "no other server is asked"
    assert errors == []


def kept(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def settled(page: Page) -> None:
    """Wait until Streamlit has had nothing more to say for a moment."""
    page.wait_for_selector("h1")
    page.evaluate("window.quiet = 0")
    page.wait_for_function(QUIET, polling=100)


def compared(page: Page, server: Server, link: str) -> Locator:
    """Open a comparison and return its root, when it stands: the view runs twice at first."""
    page.goto(f"{server.url}/compare?{link}")
    painted(page, ".compare-root")
    settled(page)
    return page.locator(".compare-root")


def focus_is_at(page: Page, key: str) -> None:
    """Wait until a control has the focus, wherever it is nested."""
    page.wait_for_function(f"key => ({FOCUS})() === key", arg=key)


def test_a_first_visitor_with_a_link_finds_the_whole_dashboard(
    chromium: Browser, tmp_path: Path
) -> None:
    with serving(ROOT / "reports", tmp_path / "store") as fresh:
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        compared(page, fresh, "a=pocket-base&b=pocket-ninja")
        expect(page.get_by_role("link", name="Memorization")).to_be_visible()
        expect(page.locator(".compare figcaption")).to_have_text(["pocket-base", "pocket-ninja"])
        kept(page, "compare-first")
        page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_in_both_themes(chromium: Browser, server: Server, theme: str) -> None:
    page = chromium.new_page(viewport={"width": 1400, "height": 1000}, color_scheme=theme)
    page.set_default_timeout(PATIENCE)
    for name in PAGES:
        page.goto(f"{server.url}/{name}")
        settled(page)
        assert page.query_selector("[data-testid=stException]") is None, name
        assert page.evaluate("window.broken") is None, name
        kept(page, f"{name or 'leaderboard'}-{theme}")
    page.close()


def test_the_leaderboard_is_no_wider_than_its_frame(page: Page, server: Server) -> None:
    page.goto(server.url)
    painted(page, ".board-root", "5")
    wide = page.locator(".board").evaluate("frame => frame.scrollWidth - frame.clientWidth")
    assert wide <= 0


def test_rows_are_filtered_sorted_and_compared(page: Page, server: Server) -> None:
    page.goto(server.url)
    painted(page, ".board-root", "5")
    box = page.get_by_label("Recipe", exact=True)
    box.fill("ninja")
    box.press("Enter")
    painted(page, ".board-root", "4")
    page.get_by_role("button", name="clip-score ↑").click()
    page.wait_for_url("**sort=-clip-score**")
    page.locator('.board tbody tr:first-child[data-name="pocket-v1/pocket-ninja-short"]').wait_for()
    page.get_by_label("select pocket-ninja", exact=True).check()
    page.wait_for_url("**pick=pocket-v1**")
    page.get_by_label("select pocket-ninja-short", exact=True).check()
    page.wait_for_function("location.search.split('pick=').length === 3")
    link = page.url
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/compare?**")
    painted(page, ".compare-root")
    expect(page.locator(".compare figcaption")).to_have_text(["pocket-ninja", "pocket-ninja-short"])
    page.goto(link)
    painted(page, ".board-root", "4")
    expect(page.get_by_label("select pocket-ninja", exact=True)).to_be_checked()
    expect(page.locator(".board tbody tr.picked")).to_have_count(2)


def test_two_images_are_slid_blinked_and_zoomed_and_the_link_remembers(
    page: Page, server: Server
) -> None:
    root = compared(page, server, "a=pocket-ninja&b=pocket-base")
    page.keyboard.press("l")
    slider = page.get_by_role("slider", name="share of pocket-ninja")
    slider.wait_for()
    settled(page)
    frame = slider.bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] / 4, frame["y"] + 50)
    expect(slider).to_have_attribute("aria-valuenow", "25")
    kept(page, "compare-slider")
    page.mouse.wheel(0, -300)
    expect(root).to_have_attribute("data-scale", re.compile(r"^1\.\d+$"))
    transforms = page.locator(".compare .view img").evaluate_all(
        "images => images.map((image) => image.style.transform)"
    )
    assert len(set(transforms)) == 1, "both images are zoomed together"
    page.keyboard.press("0")
    page.keyboard.press("d")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**at=3**")
    page.wait_for_url("**mode=difference**")
    kept(page, "compare-difference")
    page.goto(page.url)
    painted(page, ".compare-root")
    settled(page)
    expect(root).to_have_attribute("data-mode", "difference")
    expect(root).to_have_attribute("data-at", "3")
    page.keyboard.press("ArrowDown")
    expect(root).to_have_attribute("data-at", "4")


def test_space_stops_the_blinking_at_the_other_image_and_it_stays(
    page: Page, server: Server
) -> None:
    page.emulate_media(reduced_motion="reduce")  # nothing flips but by the key
    root = compared(page, server, "a=pocket-ninja&b=pocket-base")
    page.keyboard.press("b")
    expect(root).to_have_attribute("data-flipped", "false")
    page.keyboard.press("Space")
    expect(root).to_have_attribute("data-flipped", "true")
    page.wait_for_url("**mode=blink**")  # the host has heard, and draws anew
    settled(page)
    expect(root).to_have_attribute("data-flipped", "true")
    page.emulate_media(reduced_motion="no-preference")
    page.keyboard.press("ArrowRight")  # the next pair is drawn
    page.wait_for_timeout(1_000)
    assert root.get_attribute("data-flipped") == "true", "and nothing blinks again"


def test_a_control_that_has_the_focus_keeps_its_own_keys(page: Page, server: Server) -> None:
    root = compared(page, server, "a=pocket-ninja&b=pocket-base")
    for key, name in (("Space", "Slider"), ("Enter", "Difference"), ("Space", "Side by side")):
        button = page.get_by_role("button", name=name, exact=True)
        button.focus()
        page.keyboard.press(key)
        expect(root).to_have_attribute("data-mode", name.lower().split()[0])
        focus_is_at(page, name.lower().split()[0])
        settled(page)
    page.get_by_role("button", name="next").focus()
    page.keyboard.press("Space")
    expect(root).to_have_attribute("data-at", "1")
    expect(root).to_have_attribute("data-mode", "side")
    settled(page)
    page.keyboard.press("l")
    expect(root).to_have_attribute("data-mode", "slider")  # a button has no letters of its own
    settled(page)
    page.locator(".compare").focus()
    page.keyboard.press("Space")
    slider = page.get_by_role("slider", name="share of pocket-ninja")
    expect(slider).to_have_attribute("aria-valuenow", "100")  # the frame has none at all


def test_the_mouse_leaves_the_keys_with_the_images(page: Page, server: Server) -> None:
    root = compared(page, server, "a=pocket-ninja&b=pocket-base")
    page.get_by_role("button", name="Slider", exact=True).click()
    settled(page)
    page.keyboard.press("Space")
    slider = page.get_by_role("slider", name="share of pocket-ninja")
    expect(slider).to_have_attribute("aria-valuenow", "100")
    slider.click()
    page.keyboard.press("ArrowDown")
    expect(root).to_have_attribute("data-at", "1")
    expect(slider).to_have_attribute("aria-valuenow", "50")


def test_the_slider_is_moved_by_its_keys_and_the_images_stay(page: Page, server: Server) -> None:
    root = compared(page, server, "a=pocket-ninja&b=pocket-base&mode=slider")
    slider = page.get_by_role("slider", name="share of pocket-ninja")
    slider.focus()
    expect(slider).to_have_attribute("aria-valuemin", "0")
    expect(slider).to_have_attribute("aria-valuemax", "100")
    keys = ("ArrowRight", "ArrowLeft", "ArrowLeft", "End", "Home")
    for key, value in zip(keys, ("55", "50", "45", "100", "0"), strict=True):
        page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuenow", value)
    expect(root).to_have_attribute("data-at", "0")
    page.locator(".compare").focus()
    page.keyboard.press("ArrowDown")
    expect(root).to_have_attribute("data-at", "1")


def test_images_go_only_forward_however_late_the_server_answers(page: Page, server: Server) -> None:
    compared(page, server, "a=pocket-ninja&b=pocket-base")
    page.evaluate("""() => {
      const shadows = [...document.querySelectorAll('*')].map((node) => node.shadowRoot);
      const root = shadows.map((shadow) => shadow?.querySelector('.compare-root')).find(Boolean);
      window.seen = [root.dataset.at];
      const see = () => { if (seen.at(-1) !== root.dataset.at) seen.push(root.dataset.at); };
      new MutationObserver(see).observe(root, { attributes: true, attributeFilter: ['data-at'] });
    }""")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(330)  # as a person does, so that answers meet what comes next
    page.wait_for_url("**at=27**")
    settled(page)
    assert page.evaluate("window.seen") == [str(3 * step) for step in range(10)]


def test_the_pictures_behind_a_key_are_there_before_it_is_pressed(
    page: Page, server: Server
) -> None:
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "/pictures/" in request.url else None,
    )
    root = compared(page, server, "a=pocket-ninja&b=pocket-base")
    shown = root.locator("figure img")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.wait_for_load_state("networkidle")
        before = set(asked)
        at = root.get_attribute("data-at")
        page.keyboard.press(key)
        expect(root).not_to_have_attribute("data-at", at or "")
        addresses = {f"{server.url}{each.get_attribute('src')}" for each in shown.all()}
        assert len(addresses) == 2
        assert addresses <= before, key


def test_more_than_two_stand_beside_each_other_and_one_is_chosen_for_the_slider(
    page: Page, server: Server
) -> None:
    compared(page, server, "a=pocket-ninja&b=pocket-base&b=pocket-ninja-short")
    shown = page.locator(".compare figcaption")
    expect(shown).to_have_text(["pocket-ninja", "pocket-base", "pocket-ninja-short"])
    kept(page, "compare-three")
    page.get_by_test_id("stButtonGroup").get_by_text("pocket-ninja-short").click()
    page.wait_for_url("**against=pocket-ninja-short**")
    page.get_by_text("pocket-ninja is better than pocket-ninja-short").wait_for()
    settled(page)
    page.keyboard.press("l")
    expect(page.locator(".compare .tag")).to_have_text(["pocket-ninja", "pocket-ninja-short"])


def order(page: Page) -> list[str]:
    """Return the names of a board's rows from the top."""
    rows = page.locator(".board tbody tr")
    return [str(row.get_attribute("data-name")) for row in rows.all()]


def test_rows_are_walked_selected_and_sorted_by_keys_alone(page: Page, server: Server) -> None:
    page.goto(server.url)
    painted(page, ".board-root", "5")
    settled(page)
    names = order(page)
    page.locator(".board .who button").first.focus()
    for row in (1, 2):
        page.keyboard.press("ArrowDown")
        focus_is_at(page, f"row {names[row]}")
        page.keyboard.press("x")
        page.wait_for_function(f"location.search.split('pick=').length === {row + 1}")
        settled(page)
        focus_is_at(page, f"row {names[row]}")
    expect(page.locator(".board tbody tr.picked")).to_have_count(2)
    page.get_by_role("button", name="recipe", exact=True).focus()
    for sort in ("sort=recipe", "sort=-recipe", "sort=recipe"):
        page.keyboard.press("Enter")
        page.wait_for_function(f"location.search.includes('{sort}')")
        settled(page)
        focus_is_at(page, "head recipe")
    kept(page, "leaderboard-keys")


def test_a_grid_is_paged_and_a_picture_opens_with_its_scores(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/grid?results=pocket-ninja&results=pocket-base&overlay=clip-score")
    painted(page, ".grid-root", "64 1")
    settled(page)
    expect(page.locator(".grid .over")).to_have_count(64)
    page.locator(".grid .cell").first.click()
    box = page.get_by_role("dialog")
    expect(box).to_contain_text("pocket-ninja")
    expect(box).to_contain_text("clip-score")
    page.keyboard.press("ArrowRight")
    expect(box).to_contain_text("pocket-base")
    kept(page, "grid-picture")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_nothing_is_loaded_that_is_not_shown(page: Page, server: Server) -> None:
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "/pictures/" in request.url else None,
    )
    page.goto(f"{server.url}/grid?results=pocket-ninja")
    painted(page, ".grid-root")
    settled(page)
    page.wait_for_load_state("networkidle")
    assert 0 < len(asked) <= 32, "one page of one recipe at one seed"
    assert not [url for url in asked if "pocket-base" in url]


def test_hostile_words_stand_in_the_page_as_words(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/grid?results=pocket-ninja-broken")
    painted(page, ".grid-root")
    settled(page)
    shown = page.locator(".grid .left .words").all_text_contents()
    for words in HOSTILE[:-1]:
        assert any(words in each for each in shown), words
    page.goto(f"{server.url}/?recipe=broken")
    painted(page, ".board-root", "1")
    expect(page.locator(".board .clip").first).to_contain_text(HOSTILE[0])


def test_a_vote_is_blind_and_lands_in_the_file(page: Page, server: Server, root: Path) -> None:
    page.goto(server.link)
    page.goto(f"{server.url}/arena")
    painted(page, ".vote-root")
    settled(page)
    addresses = page.locator(".vote img").evaluate_all("images => images.map((each) => each.src)")
    assert len(addresses) == 2
    assert all("/blind/" in each for each in addresses)
    assert "pocket-ninja" not in page.locator(".vote-root").inner_html()
    kept(page, "arena-vote")
    page.keyboard.press("1")
    settled(page)
    page.keyboard.press("0")
    page.get_by_text("Your votes: 1. All votes: 1.").wait_for()
    (line,) = (root / "reports/votes/pocket-v1.jsonl").read_text().splitlines()
    said = json.loads(line)
    assert said["answers"] == {"style": "a", "prompt": "tie"}
    assert {said["a"], said["b"]} < {
        f"pocket-v1/{name}"
        for name in (
            "pocket-base",
            "pocket-ninja",
            "pocket-ninja-short",
            "pocket-ninja-overfit",
            "pocket-ninja-broken",
        )
    }


def test_a_baseline_is_accepted_in_the_browser(page: Page, server: Server, root: Path) -> None:
    page.goto(f"{server.url}/regressions?candidate=pocket-ninja-short")
    painted(page, ".compare-root")
    expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    page.goto(server.link.replace("/?", "/regressions?candidate=pocket-ninja-short&"))
    assert page.url == f"{server.url}/regressions?candidate=pocket-ninja-short", "no token is left"
    painted(page, ".compare-root")
    page.get_by_text("pocket-ninja-short fails").first.wait_for()
    settled(page)
    page.get_by_label("Reason").fill("seen in a browser")
    page.get_by_role("button", name="Accept").focus()
    page.keyboard.press("Space")
    page.get_by_text("accepted").first.wait_for()
    assert (root / "reports/baselines/pocket-v1/pocket-ninja-short.json").is_file()
    kept(page, "regressions-accepted")


def test_an_open_page_shows_what_begins_to_run(page: Page, server: Server, root: Path) -> None:
    class Nothing(Spec):
        """A spec that says nothing."""

    page.goto(server.url)
    painted(page, ".board-root", "5")
    step = make_step("train", "train", 1, Nothing(), subject="my-style")
    live = Live(Store(root / "store"))
    live.begin(step, 2, 7)
    live.progress(step, Progress(40, 100, "loss 0.0421"))
    page.get_by_text("my-style · train · 2 of 7 · 40 of 100").wait_for()
    kept(page, "leaderboard-running")
    half = root / "reports/pocket-v1/half.json"
    half.write_text('{"schema_version": 1, "rec')
    live.end(step)
    page.get_by_text("my-style · train").wait_for(state="detached")
    page.reload()
    painted(page, ".board-root", "5")
    expect(page.get_by_text("1 result file cannot be read")).to_be_visible()
    half.unlink()


def test_the_static_site_is_walked_from_its_files(page: Page, root: Path, tmp_path: Path) -> None:
    site.write(Workspace(root / "store", root / "reports", quiet=True), tmp_path / "site")
    page.goto((tmp_path / "site/index.html").as_uri())
    expect(page.locator(".board tbody tr")).to_have_count(5)
    kept(page, "site-leaderboard")
    page.get_by_label("select pocket-ninja", exact=True).check()
    page.get_by_label("select pocket-base", exact=True).check()
    page.get_by_role("button", name="Compare").last.click()
    shown = page.locator(".compare figcaption")
    expect(shown).to_have_text(["pocket-ninja", "pocket-base"])
    page.get_by_label("Beside").select_option("pocket-ninja-short")
    expect(shown).to_have_text(["pocket-ninja", "pocket-base", "pocket-ninja-short"])
    kept(page, "site-three")
    page.get_by_label("Beside").select_option("pocket-ninja-short")
    expect(shown).to_have_count(2)
    expect(page.get_by_text("pocket-ninja is better than pocket-base")).to_be_visible()
    page.keyboard.press("l")
    page.wait_for_url("**mode=slider**")
    kept(page, "site-compare")
    page.get_by_role("button", name="Grid").click()
    page.locator(".grid img").nth(20).wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('.grid img')].filter((one) => one.naturalWidth).length > 10"
    )
    assert page.locator(".grid .left .words").count() > 10
    kept(page, "site-grid")
    page.get_by_role("button", name="Sweep").click()
    expect(page.get_by_role("img", name="kid by strength")).to_be_visible()
    expect(page.locator(".curves").first.locator("svg circle.take").first).to_be_visible()
    expect(page.locator(".numbers tr")).to_have_count(7)
    kept(page, "site-sweep")
    page.get_by_role("button", name="Blame").click()
    page.locator(".sheet").nth(1).wait_for()
    page.wait_for_function(
        "[...document.querySelectorAll('.sheet')].every((one) => one.naturalWidth > 100)"
    )
    expect(page.get_by_role("cell", name=ODD)).to_be_visible()
    kept(page, "site-blame")


@pytest.fixture(scope="module")
def wide(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A site of two boards: one whose seeds are others, and one with more rows than pictures."""
    root = tmp_path_factory.mktemp("wide")
    first, second = root / "reports/pocket-v1", root / "reports/zother"
    for folder in (first, second):
        shutil.copytree(ROOT / "reports/pocket-v1", folder)
    for file in second.glob("*.json"):
        document = json.loads(file.read_text())
        file.write_text(json.dumps(document | {"benchmark": "zother", "signature": "f" * 16}))
        target = ResultFile(file).album_path
        with zipfile.ZipFile(target) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        lines = [json.loads(line) for line in parts[album.INDEX].decode().splitlines()]
        moved = [json.dumps(line | {"seed": line["seed"] + 100}) for line in lines]
        parts[album.INDEX] = "\n".join(moved).encode()
        with zipfile.ZipFile(target, "w") as new:
            for name, data in parts.items():
                new.writestr(name, data)
    for number in range(30):
        for file in list(first.glob("pocket-ninja-overfit.*")):
            name = f"zz-{number:02}"
            copy = first / file.name.replace("pocket-ninja-overfit", name)
            shutil.copy(file, copy)
            if copy.suffix == ".json":
                copy.write_text(json.dumps(json.loads(copy.read_text()) | {"recipe": name}))
    site.write(Workspace(root / "store", root / "reports", quiet=True), root / "site")
    return (root / "site/index.html").as_uri()


def chosen(page: Page, label: str) -> Locator:
    """Return the control of a site with a label, whatever options the label holds beside it."""
    return page.locator(f'select[data-key="{label}"]')


def test_a_site_shows_a_seed_that_its_board_has(page: Page, wide: str) -> None:
    page.goto(f"{wide}#view=grid")
    chosen(page, "Seed").select_option("2")
    chosen(page, "Board").select_option(index=1)
    expect(chosen(page, "Seed")).to_have_value("101")
    page.locator(".grid .cell img").nth(30).wait_for()
    expect(page.locator(".grid .none")).to_have_count(0)


def test_a_site_says_which_results_come_without_pictures(page: Page, wide: str) -> None:
    page.goto(wide)
    rows = page.locator(".board tbody tr")
    expect(rows).to_have_count(35)
    last, other = (rows.nth(at).get_attribute("data-name").split("/")[1] for at in (34, 33))
    rows.nth(34).locator(".who button").click()
    page.get_by_text(f"This export has no pictures of {last}.").wait_for()
    expect(page.locator(".grid")).to_have_count(0)  # nothing stands in for it
    kept(page, "site-no-pictures")
    page.goto(f"{wide}#view=compare&a=pocket-ninja&b={last}")
    page.get_by_text(f"This export has no pictures of {last}.").wait_for()
    expect(page.locator(".compare")).to_have_count(0)
    expect(chosen(page, "B")).to_have_value(last)
    chosen(page, "B").select_option("pocket-base")
    expect(page.locator(".compare figcaption")).to_have_text(["pocket-ninja", "pocket-base"])
    page.goto(f"{wide}#view=board")
    page.get_by_label(f"select {last}", exact=True).check()
    page.get_by_label(f"select {other}", exact=True).check()
    page.get_by_role("button", name="Compare").last.click()
    for name in (last, other):
        page.get_by_text(f"This export has no pictures of {name}.").wait_for()
    kept(page, "site-no-pictures-compared")


@pytest.mark.parametrize(
    "link",
    [
        "board=0.5",
        "board=9",
        "board=zother",
        "view=compare&at=1.5",
        "view=compare&at=-2",
        "view=compare&mode=none",
        "view=grid&page=-1",
        "view=grid&seed=x",
    ],
)
def test_a_site_opens_by_a_link_that_means_nothing(page: Page, wide: str, link: str) -> None:
    page.goto(f"{wide}#{link}")
    page.locator(".board tr, .compare img, .grid img").first.wait_for()
    expect(chosen(page, "Board")).to_have_value(re.compile("^pocket-v1 · "))


def test_a_link_of_a_site_names_its_board(page: Page, wide: str) -> None:
    page.goto(wide)
    chosen(page, "Board").select_option("zother · ffffffff")
    page.wait_for_url("**board=zother+%C2%B7+ffffffff**")
    page.reload()
    expect(chosen(page, "Board")).to_have_value("zother · ffffffff")
    expect(page.locator(".board tbody tr")).to_have_count(5)


def test_a_site_is_used_by_keys_alone(page: Page, wide: str) -> None:
    page.goto(wide)
    names = order(page)
    page.locator(".board .who button").first.focus()
    for row in (1, 2):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("x")
        focus_is_at(page, f"row {names[row]}")
        expect(page.locator(".board tbody tr.picked")).to_have_count(row)
    page.get_by_role("button", name="recipe", exact=True).focus()
    for sort in ("sort=recipe", "sort=-recipe", "sort=recipe"):
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{sort}**")
        focus_is_at(page, "head recipe")
    chosen(page, "Board").focus()
    page.keyboard.press("ArrowDown")
    focus_is_at(page, "Board")


def test_an_echo_moves_no_image_but_a_link_does(page: Page, wide: str) -> None:
    page.goto(wide)
    seen = page.evaluate("""async () => {
      const host = document.body.appendChild(document.createElement("div")), told = [], seen = [];
      const pair = (_, at) => ({ prompt: `p${at}`, seed: 1, text: "", shots: [{}, {}] });
      const pairs = Array.from({ length: 9 }, pair);
      const setStateValue = (name, value) => told.push([name, value]);
      const says = (at, mode = "side") => {
        const data = { pairs, labels: ["a", "b"], at, mode };
        components.compare({ data, parentElement: host, setStateValue });
        const { dataset } = host.querySelector(".compare-root");
        seen.push(`${dataset.at} ${dataset.mode}`);
      };
      const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
      const later = () => new Promise((done) => setTimeout(done, 300));
      says(0);
      press("ArrowRight");
      await later();
      press("ArrowRight");
      says(1);               // the echo of the first step, while the second is on its way
      press("d");
      await later();
      press("ArrowRight");
      says(2, "side");       // an echo of the place before that of the mode
      await later();
      says(2, "difference");
      says(3, "difference");
      says(7, "slider");     // a link
      press("ArrowRight");
      says(4, "slider");     // a link, while something is on its way
      await later();
      return [seen, told];
    }""")
    assert seen == [
        [
            "0 side",
            "2 side",
            "3 difference",
            "3 difference",
            "3 difference",
            "7 slider",
            "4 slider",
        ],
        [["at", 1], ["at", 2], ["mode", "difference"], ["at", 3]],
    ]
