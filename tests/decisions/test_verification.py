"""What `verify` finds: forged results, tables and pictures, and artifacts that are not there."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image
from running import Command, House

from harness.decisions.verification import Verification, _means, verify, verify_all
from harness.fingerprint import digest, digest_file
from harness.pipeline.results.file import ResultFile
from harness.pipeline.results.tables import Kind
from harness.pipeline.store.local import MANIFEST, Store

pytestmark = pytest.mark.slow
PUBLISHED = Path(__file__).parents[2] / "reports"


@pytest.fixture
def result(house: House, tmp_path: Path) -> Path:
    """A copy of the result of `tiny` with all that belongs to it."""
    target = tmp_path / "reports/tiny-v1/tiny.json"
    ResultFile(house.reports / "tiny-v1/tiny.json").copy_to(target)
    return target


@pytest.fixture
def store(house: House, result: Path, tmp_path: Path) -> Store:
    """A copy of what the result names."""
    for key in ResultFile(result).result.keys.values():
        artifact = next(house.store.glob(f"*/??/{key}"))
        shutil.copytree(artifact, tmp_path / "store" / artifact.relative_to(house.store))
    return Store(tmp_path / "store")


def edit(result: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(result.read_text())
    change(document)
    result.write_text(json.dumps(document))


def table(result: Path, kind: Kind) -> Path:
    return ResultFile(result).table_path(kind)


def raise_values(file: Path) -> None:
    rows = pq.read_table(file)
    at = rows.column_names.index("value")
    pq.write_table(rows.set_column(at, "value", pc.add(rows.column(at), 0.25)), file)


def score_of(document: dict[str, Any], metric: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in document["scores"] if s["metric"].startswith(metric))
    return found


def flatter(document: dict[str, Any]) -> None:
    """Set a better value, and move all that hangs on it along."""
    kid = score_of(document, "kid")
    off = kid["value"] - 0.001
    for name in ("value", "low", "high"):
        kid[name] -= off
    for name in ("delta", "low", "high") if kid["base"] else ():
        kid["base"][name] -= off


def redraw(result: Path, write: Callable[[zipfile.ZipFile, str, bytes], None]) -> None:
    """Write an album again, file by file."""
    file = ResultFile(result).album_path
    with zipfile.ZipFile(file) as album:
        content = {name: album.read(name) for name in album.namelist()}
    with zipfile.ZipFile(file, "w") as album:
        for name, data in content.items():
            write(album, name, data)


def another_picture(album: zipfile.ZipFile, name: str, data: bytes) -> None:
    if name.endswith(".webp"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(buffer, "WEBP")
        data = buffer.getvalue()
    album.writestr(name, data)


def another_prompt(album: zipfile.ZipFile, name: str, data: bytes) -> None:
    album.writestr(name, data.replace(b'"seed": 1', b'"seed": 2') if "index" in name else data)


def one_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def more(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


FORGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no keys": (lambda r: edit(r, lambda d: d["keys"].clear()), "names no artifact of score"),
    "no score": (
        lambda r: edit(r, lambda d: [d["keys"].pop(name) for name in ("score", "sample")]),
        "names no artifact of sample",
    ),
    "no features": (
        lambda r: edit(
            r, lambda d: [d["keys"].pop(n) for n in list(d["keys"]) if n.startswith("features")]
        ),
        "names no artifact of features/",
    ),
    "no training": (lambda r: edit(r, lambda d: d["keys"].pop("train")), "no artifact of train"),
    "a value": (
        lambda r: edit(r, lambda d: score_of(d, "kid").update(value=0.001)),
        "differs from the scores in the store: kid",
    ),
    "a value and all that hangs on it": (
        lambda r: edit(r, flatter),
        "differs from the scores in the store: kid",
    ),
    "a score left out": (
        lambda r: edit(r, lambda d: d["scores"].pop()),
        "differs from the scores in the store",
    ),
    "a note left out": (
        lambda r: edit(r, lambda d: d["scores"][0].update(higher_is_better=True)),
        "differs from the scores in the store",
    ),
    "a count": (lambda r: edit(r, lambda d: d["images"].update(failed=3)), "counts other images"),
    "a number expected": (
        lambda r: edit(r, lambda d: d["images"].update(expected=9)),
        "counts 9 images, and its protocol 36",
    ),
    "a protocol": (
        lambda r: edit(r, lambda d: d["protocol"].update(seeds=[7])),
        "the signature is not that of its protocol",
    ),
    "another artifact under a name": (
        lambda r: edit(r, lambda d: d["keys"].update(train=d["keys"]["sample"])),
        "train is the artifact of another stage, sample",
    ),
    "a byte more in a table": (lambda r: more(table(r, "samples")), "differs from the table"),
    "other values in a table": (
        lambda r: raise_values(table(r, "prompts")),
        "prompts.parquet differs from the table",
    ),
    "a table that is cut": (
        lambda r: table(r, "samples").write_bytes(b"PAR1"),
        "samples.parquet: cannot be read",
    ),
    "a missing table": (lambda r: table(r, "likeness").unlink(), "likeness.parquet is missing"),
    "other pictures": (lambda r: redraw(r, another_picture), "otherwise than the store"),
    "other prompts": (lambda r: redraw(r, another_prompt), "lists other images than the store"),
    "a byte in an album": (
        lambda r: one_byte(ResultFile(r).album_path),
        "tiny.album.zip",
    ),
    "a picture more": (
        lambda r: zipfile.ZipFile(ResultFile(r).album_path, "a").writestr("x.webp", b"x"),
        "holds a file that its index does not name: x.webp",
    ),
}


def test_an_honest_result_holds(house: House, result: Path) -> None:
    assert verify(result, Store(house.store)).lines() == []


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_found(name: str, house: House, result: Path) -> None:
    forge, words = FORGED[name]
    forge(result)
    found = verify(result, Store(house.store))
    assert words in "\n".join(found.problems)


ELSEWHERE = (
    "a protocol",
    "no keys",
    "no score",
    "no features",
    "a value",
    "a number expected",
    "a table that is cut",
    "a byte in an album",
    "a picture more",
)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_some_forgery_is_found_where_the_artifacts_are_elsewhere(
    name: str, result: Path, tmp_path: Path
) -> None:
    FORGED[name][0](result)
    assert verify(result, Store(tmp_path / "none")).problems


def test_a_value_without_its_base_is_found_where_the_artifacts_are_elsewhere(
    tmp_path: Path,
) -> None:
    result = tmp_path / "reports/pocket-v1/pocket-ninja-short.json"
    ResultFile(PUBLISHED / "pocket-v1/pocket-ninja-short.json").copy_to(result)
    edit(result, lambda document: score_of(document, "kid").update(value=0.001, low=0, high=0.1))
    assert verify(result, Store(tmp_path)).problems == (
        "kid is not its base's value and the difference to it",
    )


def rewritten(artifact: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document of an artifact, and its manifest with it, as a forger would."""
    edit(artifact / name, change)
    manifest = json.loads((artifact / MANIFEST).read_text())
    manifest["files"][name] = digest_file(artifact / name)
    del manifest["digest"]
    (artifact / MANIFEST).write_text(json.dumps({**manifest, "digest": digest(manifest)}))


def test_scores_that_do_not_follow_from_the_features_are_found(result: Path, store: Store) -> None:
    """Forged in the store and in the result alike, with every digest put right."""
    edit(result, flatter)
    score = store.find(ResultFile(result).result.keys["score"])
    assert score is not None
    rewritten(score, "scores.json", flatter)
    assert verify(result, store).problems == ("score does not follow from its features: kid",)


def test_an_input_that_was_made_again_otherwise_is_named(result: Path, store: Store) -> None:
    train = store.find(ResultFile(result).result.keys["train"])
    assert train is not None
    (train / "log.jsonl").write_text('{"loss": 1}\n')
    rewritten(train, "log.jsonl", lambda document: document.update(loss=2))
    problem = "sample was made of another train than the one in the store: run again"
    assert problem in verify(result, store).problems


def test_a_missing_artifact_is_named(result: Path, store: Store) -> None:
    keys = ResultFile(result).result.keys
    for name in ("latents", "score"):
        shutil.rmtree(next(store.root.glob(f"*/??/{keys[name]}")))
    found = verify(result, store)
    assert found.problems == tuple(
        f"{name} ({keys[name][:12]}) is not in {store.root}" for name in ("latents", "score")
    )
    assert found.unchecked == ("its scores were not compared: their artifact is not there",)


def test_damaged_features_are_named_and_not_computed_with(result: Path, store: Store) -> None:
    keys = ResultFile(result).result.keys
    name = next(name for name in keys if name.startswith("features/"))
    one_byte(next(store.root.glob(f"features/??/{keys[name]}")) / "features.safetensors")
    found = verify(result, store)
    assert "features.safetensors has changed since it was made" in found.problems[0]
    assert found.unchecked == (f"score was not computed again: {name} is not there",)


def test_what_a_result_cannot_stand_on_is_set_aside_for_the_next_run(
    command: Command, result: Path, store: Store
) -> None:
    keys = ResultFile(result).result.keys
    one_byte(next(store.root.glob(f"sample/??/{keys['sample']}/images/*.png")))
    place = ("--store", store.root)
    ran = command("verify", result, "--mend", *place)
    assert ran.code == 1
    features = [name for name in keys if name.startswith("features/")]
    assert f"set aside: sample, {', '.join(features)}, score; the next run" in ran.err
    assert (store.damaged / keys["sample"] / "images").is_dir()
    plan = command("plan", "tiny", "--benchmark", "tiny-v1", "--json", *place).json
    to_make = {step["key"] for step in plan["steps"] if not step["done"]}
    assert to_make == {keys[name] for name in ("sample", *features, "score")}


def test_without_artifacts_it_says_what_could_not_be_checked(
    command: Command, result: Path, tmp_path: Path
) -> None:
    ran = command("verify", result, "--store", tmp_path / "none")
    assert ran.code == 4
    count = len(set(ResultFile(result).result.keys.values()))
    assert f"none of its {count} artifacts is in {tmp_path / 'none'}" in ran.err


def test_all_results_are_told_a_line_each_and_the_worst_decides(
    command: Command, house: House, result: Path
) -> None:
    reports = result.parents[1]
    place = ("--all", "--reports", reports, "--store", house.store)
    ran = command("verify", *place)
    assert (ran.code, ran.err) == (0, "")
    assert f"{result} is valid: " in ran.out
    (result.parent / "broken.json").write_text("{")
    edit(result, lambda document: document["keys"].clear())
    ResultFile(house.reports / "tiny-v1/pocket-base.json").copy_to(
        result.with_name("pocket-base.json")
    )
    ran = command("verify", *place, "--json")
    assert ran.code == 1
    assert [(Path(each["file"]).stem, each["ok"]) for each in ran.json["results"]] == [
        ("broken", False),
        ("pocket-base", True),
        ("tiny", False),
    ]


def test_either_a_result_or_all(command: Command, result: Path) -> None:
    assert command("verify").code == 2
    assert command("verify", result, "--all").code == 2


def test_the_shipped_results_agree_with_themselves(tmp_path: Path) -> None:
    found: list[Verification] = list(verify_all(PUBLISHED, Store(tmp_path)))
    assert len(found) > 10
    assert [each.problems for each in found] == [()] * len(found)
    assert all("artifacts is in" in each.unchecked[0] for each in found)


def test_images_too_few_for_an_interval_are_no_contradiction(result: Path) -> None:
    def make_unavailable(document: dict[str, Any]) -> None:
        score = score_of(document, "clip-score")
        score.update(value=None, low=None, high=None, base=None, reason="needs 2 prompts")

    edit(result, make_unavailable)
    assert not list(_means(ResultFile(result)))
    edit(result, lambda document: document["scores"].remove(score_of(document, "clip-score")))
    (said,) = _means(ResultFile(result))
    assert said.startswith("clip-score is not the mean")
