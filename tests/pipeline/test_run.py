"""A whole run, as a user starts it: what it makes, reuses, survives and reports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from running import FIXTURES, Command, House

from harness import train

pytestmark = pytest.mark.slow
STAGES = {"data", "texts", "latents", "train", "sample", "reference", "score"}


def made_by(store: Path) -> dict[str, dict[str, str]]:
    """Return the files of every finished artifact with their digests, by key."""
    manifests = [json.loads(file.read_text()) for file in store.glob("*/??/*/manifest.json")]
    return {each["key"]: each["files"] for each in manifests}


def test_a_run_writes_one_result_with_every_image_accounted_for(house: House) -> None:
    results = {each["recipe"]: each for each in house.first.json["results"]}
    document = json.loads(Path(results["tiny"]["path"]).read_text())
    assert results["tiny"]["signature"] == results["pocket-base"]["signature"]
    assert set(results["tiny"]["made"]) > STAGES
    assert document["images"]["expected"] == document["images"]["scored"] == 36
    assert [score["metric"] for score in document["scores"]] == [
        "kid",
        "fid@n=36",
        "clip-score",
        "aesthetic",
    ]
    for score in document["scores"]:
        assert score["low"] <= score["value"] <= score["high"]
        assert score["n"] == 36


def test_a_result_names_the_version_of_every_set_behind_it(house: House, command: Command) -> None:
    result = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())
    planned = command("plan", "tiny", "--benchmark", "tiny-v1", "--store", house.store, "--json")
    assert result["provenance"]["data"] == planned.json["data"]
    assert {"data", "reference"} <= set(planned.json["data"])
    ran = command("diff-data", "tiny", result["keys"]["data"][:9], "--json", "--store", house.store)
    assert ran.json["same"] == ran.json["a"]["pictures"] > 0
    assert ran.json["a"]["sources"] == planned.json["data"]["data"]


def test_scores_of_single_images_stand_beside_the_result(house: House) -> None:
    table = pq.read_table(house.reports / "tiny-v1" / "tiny.samples.parquet")
    assert table.column_names == ["prompt_id", "seed", "metric", "value"]
    assert table.num_rows == 2 * 36
    mean = table.to_pandas().query("metric == 'aesthetic'")["value"].mean()
    document = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())
    assert document["scores"][3]["value"] == pytest.approx(mean, abs=1e-12)


def test_a_second_run_makes_nothing(house: House, command: Command) -> None:
    again = command(
        "run",
        "tiny",
        "--benchmark",
        "tiny-v1",
        "--store",
        house.store,
        "--reports",
        house.reports,
        "--json",
    )
    assert again.json["results"][0]["made"] == []
    assert set(again.json["results"][0]["reused"]) > STAGES


def test_a_finished_run_needs_none_of_what_led_to_it(
    house: House, command: Command, tmp_path: Path
) -> None:
    score = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())["keys"]["score"]
    kept = tmp_path / "store" / "score" / score[:2] / score
    kept.parent.mkdir(parents=True)
    kept.symlink_to(house.store / "score" / score[:2] / score)
    again = command(
        "run",
        "tiny",
        "--benchmark",
        "tiny-v1",
        "--store",
        tmp_path / "store",
        "--reports",
        tmp_path / "reports",
        "--json",
    )
    assert again.json["results"][0]["made"] == []


Moment = Callable[[Path, str], bool]


def stopped_at(moment: Moment, sign: signal.Signals, store: Path, reports: Path) -> tuple[int, str]:
    """Start the tiny run and send a signal when `moment` comes; return how it ended."""
    log = store.parent / "stopped.log"
    words = ("run", "tiny", "--benchmark", "tiny-v1", "--store", store, "--reports", reports)
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *map(str, words)],
            cwd=FIXTURES,
            stdout=stream,
            stderr=stream,
        )
        try:
            deadline = time.monotonic() + 240
            while not moment(store, log.read_text()):
                assert process.poll() is None, f"it ended before the signal:\n{log.read_text()}"
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.005)
            process.send_signal(sign)
            process.wait(240)
        finally:
            process.kill()
            process.wait()
    return process.returncode, log.read_text()


def training(store: Path, log: str) -> bool:
    return any(store.glob("work/*/scratch-state.safetensors"))


def sampling(store: Path, log: str) -> bool:
    return "· train done" in log and len(list(store.glob("work/*/images/*.png"))) >= 5


def looking(store: Path, log: str) -> bool:
    return "· features/" in log


def test_a_run_that_is_killed_twice_and_interrupted_once_goes_on_to_the_same_bytes(
    house: House, command: Command, tmp_path: Path
) -> None:
    """In the middle of three stages; `performance/chaos.py` stops runs anywhere."""
    store, reports = tmp_path / "store", tmp_path / "reports"
    for moment in (training, sampling):
        code, _ = stopped_at(moment, signal.SIGKILL, store, reports)
        assert code == -signal.SIGKILL
    code, said = stopped_at(looking, signal.SIGINT, store, reports)
    assert code == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert "· train …" not in said, "what the second start finished is not begun again"
    assert not list(reports.glob("**/*.json"))
    before = made_by(store)
    ran = command("run", "tiny", "--benchmark", "tiny-v1", "--store", store, "--reports", reports)
    assert ran.code == 0, ran.err
    whole, resumed = made_by(house.store), made_by(store)
    assert set(before) <= set(resumed) <= set(whole)
    assert {key: whole[key] for key in resumed} == resumed
    assert not list((store / "work").glob("*"))


def test_verify_finds_one_changed_byte(house: House, command: Command, tmp_path: Path) -> None:
    result = house.reports / "tiny-v1" / "tiny.json"
    assert command("verify", result, "--store", house.store).code == 0
    sample = json.loads(result.read_text())["keys"]["sample"]
    image = house.store / "sample" / sample[:2] / sample / "images" / "a_1.png"
    original = image.read_bytes()
    image.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    try:
        spoiled = command("verify", result, "--store", house.store, "--json")
    finally:
        image.write_bytes(original)
    assert spoiled.code == 1
    assert spoiled.json["ok"] is False
    assert any("a_1.png has changed" in problem for problem in spoiled.json["problems"])


def only(recipe: str, house: House, folder: Path) -> Path:
    """Copy what a recipe's result names: other tests may have trained other seeds since."""
    result = json.loads((house.reports / "tiny-v1" / f"{recipe}.json").read_text())
    for key in result["keys"].values():
        artifact = next(house.store.glob(f"*/??/{key}"))
        shutil.copytree(artifact, folder / artifact.relative_to(house.store))
    return folder


def test_gc_keeps_what_results_name_and_removes_the_rest(
    house: House, command: Command, tmp_path: Path
) -> None:
    store, reports = only("pocket-base", house, tmp_path / "store"), tmp_path / "reports"
    arguments = ("--benchmark", "tiny-v1", "--store", store, "--reports", reports)
    assert command("run", "pocket-base", *arguments).code == 0
    leftover = store / "work" / ("0" * 64)
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("half")
    assert command("gc", "--store", store, "--reports", reports, "--json").json["folders"] == [
        str(leftover)
    ]
    assert command("run", "pocket-base", *arguments, "--json").json["results"][0]["made"] == []
    (reports / "tiny-v1" / "pocket-base.json").unlink()
    assert len(command("gc", "--store", store, "--reports", reports, "--json").json["folders"]) > 5
    assert not list(store.glob("*/??/*/manifest.json"))


def test_a_damaged_input_is_told_and_made_again_before_a_step_reads_it(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A bit flips in the latents, at the same size and time; what was made of them is gone."""
    store = only("tiny", house, tmp_path / "store")
    keys = json.loads((house.reports / "tiny-v1" / "tiny.json").read_text())["keys"]
    shard = next((store / "latents" / keys["latents"][:2] / keys["latents"]).glob("*.safetensors"))
    facts, data = shard.stat(), bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0x40
    shard.write_bytes(data)
    os.utime(shard, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    shutil.rmtree(next(store.glob(f"train/??/{keys['train']}")))
    with chdir(FIXTURES):
        train("tiny", store=store)
    assert "latents of tiny is damaged and is made again" in caplog.text
    assert made_by(store) == {key: made_by(house.store)[key] for key in keys.values()}
    assert (store / "damaged" / keys["latents"] / shard.name).read_bytes() == bytes(data)


def test_replicates_train_one_seed_each_and_share_what_they_can(
    house: House, command: Command, tmp_path: Path
) -> None:
    store, reports = only("tiny", house, tmp_path / "store"), tmp_path / "reports"
    ran = command(
        *("run", "tiny", "--replicates", "2", "--benchmark", "tiny-v1"),
        *("--store", store, "--reports", reports, "--json"),
    )
    whole, first, second = ran.json["results"]
    assert [each["recipe"] for each in (whole, first, second)] == [
        "tiny",
        "tiny.seed0",
        "tiny.seed1",
    ]
    assert first["made"] == []
    assert {"train", "sample", "score"} <= set(second["made"])
    assert {"texts", "latents"} <= set(second["reused"])
    result, *runs = (json.loads(Path(each["path"]).read_text()) for each in ran.json["results"])
    assert [each["training_seeds"] for each in (result, *runs)] == [[0, 1], [0], [1]]
    assert result["interval"] == "recipe"
    for score, one, two in zip(result["scores"], *(each["scores"] for each in runs), strict=True):
        assert score["runs"] == [one["value"], two["value"]]
        assert score["value"] == pytest.approx((one["value"] + two["value"]) / 2)
        assert score["high"] - score["low"] > 0
    rows = command("leaderboard", "--reports", reports, "--json").json["rows"]
    assert [(row["recipe"], row["training_seeds"]) for row in rows] == [("tiny", 2)]
    assert command("verify", "--all", "--reports", reports, "--store", store).code == 0
