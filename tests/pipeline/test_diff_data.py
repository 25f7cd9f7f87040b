"""Two versions of a set side by side: what came, what went, and what is another picture or word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from running import Command

from harness.data.specs import Folder
from harness.errors import HarnessError, StoreError, UsageError
from harness.interfaces import StageContext
from harness.keys import make_step, version_of
from harness.pages import recipe as recipes
from harness.pages.stages import DataSpec
from harness.pipeline.curate import CurationRequest, curate
from harness.pipeline.diff_data import between, find_version, told
from harness.pipeline.stages.data import collect
from harness.pipeline.store.local import Store
from harness.pipeline.training_steps import collected
from harness.pocket.world import row
from harness.records import Artifact


@pytest.fixture
def before(tmp_path: Path) -> Path:
    root = tmp_path / "before"
    root.mkdir()
    for name, number in (("a", 0), ("b", 1), ("c", 2), ("d", 3)):
        row("ninja", number).image().save(root / f"{name}.png")
        (root / f"{name}.txt").write_text(f"words of {name}")
    (root / "README.md").write_text("---\nlicense: mit\n---\n")
    return root


@pytest.fixture
def after(before: Path, tmp_path: Path) -> Path:
    """a is gone, b shows another picture, c has other words, d is another file, e is new."""
    root = tmp_path / "after"
    shutil.copytree(before, root)
    (root / "a.png").unlink()
    row("ninja", 9).image().save(root / "b.png")
    (root / "c.txt").write_text("other words")
    Image.open(root / "d.png").save(root / "d.png", compress_level=0)
    row("ninja", 5).image().save(root / "e.png")
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    return root


def artifact(folder: Path, store: Store) -> Artifact:
    spec = DataSpec(source=Folder(use="folder", path=str(folder)))
    step = make_step("data", "data", 2, spec)
    return store.get_or_make(step, lambda out: collect(spec, StageContext(out, {})))


def test_two_folders_differ_by_id_picture_and_words(before: Path, after: Path, tmp_path: Path):
    found = between(str(before), str(after), Store(tmp_path / "store"))
    assert found.added == ("e.png",)
    assert found.removed == ("a.png",)
    assert found.changed == {"b.png": ("picture",), "c.png": ("words",)}
    assert found.same == 1, "d is another file and the same picture"
    text = told(found)
    assert "1 added: e.png" in text
    assert "2 changed: 1 pictures, 1 words: b.png (picture), c.png (words)" in text
    assert "licence mit" in text
    assert "licence cc0-1.0" in text


def test_artifacts_are_found_by_the_first_digits_of_their_keys(
    before: Path, after: Path, tmp_path: Path
):
    store = Store(tmp_path / "store")
    one, other = artifact(before, store), artifact(after, store)
    found = between(one.key[:10], other.key, store).document()
    assert found["added"] == {"count": 1, "first": ["e.png"]}
    assert found["removed"] == {"count": 1, "first": ["a.png"]}
    assert found["changed"]["first"] == [
        {"id": "b.png", "what": ["picture"]},
        {"id": "c.png", "what": ["words"]},
    ]
    assert (found["a"]["key"], found["b"]["pictures"]) == (one.key, 4)
    source = Folder(use="folder", path=str(before))
    assert found["a"]["sources"] == [
        {"use": "folder", "name": "before", "version": version_of(source), "licence": "mit"}
    ]
    assert found["a"]["sources"][0]["version"] != found["b"]["sources"][0]["version"]


def test_a_set_that_was_collected_is_the_folder_it_was_collected_from(before: Path, tmp_path: Path):
    store = Store(tmp_path / "store")
    found = between(str(before), artifact(before, store).key, store)
    assert found.same == 4
    assert (found.added, found.removed, found.changed) == ((), (), {})
    assert found.a.sources == found.b.sources, "one content is one version, wherever it is read"


def test_what_was_left_out_of_a_set_is_none_of_its_rows(before: Path, tmp_path: Path):
    store = Store(tmp_path / "store")
    whole = artifact(before, store)
    (before / "b.png").write_bytes((before / "b.png").read_bytes()[:90])
    assert between(whole.key, artifact(before, store).key, store).removed == ("b.png",)


def test_a_recipe_stands_for_its_data_once_that_is_collected(tmp_path: Path):
    store, recipe = Store(tmp_path / "store"), recipes.load("pocket-ninja")
    with pytest.raises(StoreError, match="the data of pocket-ninja is not collected"):
        find_version("pocket-ninja", store)
    step = collected(recipe)
    assert step is not None
    assert isinstance(step.spec, DataSpec)
    small = step.spec.model_copy(
        update={"source": step.spec.source.model_copy(update={"count": 12})}
    )
    store.get_or_make(step, lambda out: collect(small, StageContext(out, {})))
    assert len(find_version("pocket-ninja", store).rows) > 8
    with pytest.raises(UsageError, match="pocket-base learns from no data"):
        find_version("pocket-base", store)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("abcdef12", "no artifact of collected data begin with abcdef12"),
        ("no-such-recipe", "there is no recipe called 'no-such-recipe'"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, says: str, tmp_path: Path):
    with pytest.raises(HarnessError, match=says):
        find_version(name, Store(tmp_path))


def test_an_id_that_comes_twice_is_two_rows(tmp_path: Path):
    (tmp_path / "images").mkdir()
    lines = []
    for number in range(2):
        row("ninja", number).image().save(tmp_path / f"images/{number}.png")
        lines.append({"id": "x", "seed": 0, "text": "", "file": f"images/{number}.png"})
    (tmp_path / "index.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert list(find_version(str(tmp_path), Store(tmp_path / "store")).rows) == ["x", "x#2"]


def test_weights_and_facts_that_differ_are_told(before: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(before, other)
    for folder, score in ((before, 1), (other, 2)):
        lines = [{"file_name": "a.png", "score": score}, {"file_name": "b.png", "weight": score}]
        (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = between(str(before), str(other), Store(tmp_path / "store"))
    assert found.changed == {"a.png": ("facts",), "b.png": ("facts",)}


@pytest.fixture
def curated(tmp_path: Path) -> Callable[..., str]:
    """Curate the posts that are given, and return the folder of the set."""

    def make(name: str, rows: list[dict[str, object]], **data: object) -> str:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
        source = {
            "use": "parquet",
            "files": str(tmp_path / f"{name}.parquet"),
            "id": "id",
            "text": "caption",
            "tags": "tags",
            "facts": {"score": "score"},
        }
        page = tmp_path / f"{name}.yaml"
        page.write_text(json.dumps({"name": name, "data": {"source": source, **data}}))
        out = tmp_path / "sets" / name
        curate(CurationRequest(str(page), out), lambda made: "")
        return str(out)

    return make


def post(name: str, caption: str = "a girl", score: int = 5, tags: str = "1girl solo"):
    return {"id": name, "caption": caption, "score": score, "tags": tags}


def test_curated_sets_differ_by_id_words_and_facts(curated: Callable[..., str], tmp_path: Path):
    a = curated("a", [post(name) for name in ("gone", "same", "told", "judged", "both")])
    b = curated(
        "b",
        [
            post("new"),
            post("both", "it's a boy", 6),
            post("judged", score=9),
            post("told", tags="1boy"),
            post("same"),
        ],
    )
    found = between(a, b, Store(tmp_path / "store"))
    assert found.added == ("new",)
    assert found.removed == ("gone",)
    assert found.changed == {"told": ("words",), "judged": ("facts",), "both": ("words", "facts")}
    assert found.same == 1
    text = told(found)
    assert "sets/a: 5 rows" in text
    assert "3 changed: 2 words, 2 facts: told (words)" in text
    assert between(a, a, Store(tmp_path / "store")).same == 5


def test_rows_of_one_id_are_numbered(curated: Callable[..., str], tmp_path: Path):
    once = curated("once", [post("x"), post("y")])
    again = curated("again", [post("x"), post("y"), post("x", "another")])
    found = between(once, again, Store(tmp_path / "store"))
    assert found.added == ("x#2",)
    assert found.same == 2


def test_a_curated_set_is_not_compared_with_pictures(
    curated: Callable[..., str], before: Path, tmp_path: Path
):
    with pytest.raises(UsageError, match="before is no curated set, and the other is one"):
        between(curated("a", [post("x")]), str(before), Store(tmp_path / "store"))


def test_the_command_prints_a_document_and_exits_with_zero(
    command: Command, before: Path, after: Path, tmp_path: Path
):
    ran = command("diff-data", before, after, "--json", "--store", tmp_path / "store")
    assert ran.code == 0
    assert ran.json["same"] == 1
    assert set(ran.json) == {"a", "b", "same", "added", "removed", "changed"}
    plain = command("diff-data", before, after, "--store", tmp_path / "store")
    assert plain.code == 0
    assert plain.out.startswith(f"a  {before}: 4 pictures\n   folder before @ ")
