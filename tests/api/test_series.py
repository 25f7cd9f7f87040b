"""The samples of a training become a trend: a point a step, with advice, taken up as they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import Command

import harness
from harness.api.series import SeriesReport, watch
from harness.errors import UsageError
from harness.pages.pictures import picture_page, write_page


def picture(file: Path, number: int, blur: int = 1) -> None:
    """Draw a picture of stripes; a larger `blur` makes them coarser."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 255, (64 // blur, 64 // blur, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize((64, 64), Image.Resampling.NEAREST).save(file)


def step(folder: Path, at: int, blur: int, count: int = 4) -> None:
    for number in range(count):
        picture(folder / f"1700000{at:06d}__{at:09d}_{number}.png", 100 * at + number, blur)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    for number in range(8):
        picture(folder / f"{number}.png", number, 8)
    return folder


@pytest.fixture(scope="module")
def judge(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of those real pictures, with one metric and no sanity card."""
    page = picture_page(real, None, 64, "stripes")
    file = tmp_path_factory.mktemp("page") / "stripes.yaml"
    write_page({**page, "metrics": page["metrics"][:1], "licences": False}, file)
    return file


@pytest.mark.slow
def test_steps_become_points_that_are_judged_alike_and_new_ones_are_taken_up(
    judge: Path, tmp_path: Path
) -> None:
    samples = tmp_path / "samples"
    for at, blur in ((250, 1), (500, 4)):
        step(samples, at, blur)
    picture(samples / "cover.png", 1)
    step(samples, 750, 8, count=2)

    def look() -> SeriesReport:
        return harness.score_series(
            samples,
            benchmark=judge,
            store=tmp_path / "store",
            reports=tmp_path / "reports",
            quiet=True,
        )

    def finish(_: float) -> None:
        step(samples, 750, 8)

    reports = watch(look, pause=finish)
    first, second = next(reports), next(reports)
    assert first.places == [250, 500]
    assert first.series.waiting == ("step 750 has 2 of 4 samples",)
    assert [name for name, _ in first.series.odd] == ["cover.png"]
    assert second.places == [250, 500, 750]
    assert second.series.waiting == ()
    assert second.sweep is not None
    results = [point.result for point in second.sweep.points]
    assert len({result.signature for result in results}) == 1
    assert all(result.images.scored == 4 for result in results)
    assert second.sweep.advice.reason
    files = sorted((tmp_path / "reports").rglob("step-*.json"))
    assert [file.stem for file in files] == ["step-250", "step-500", "step-750"]
    assert "cover.png" in str(second)


def test_a_folder_without_steps_is_told_with_the_reason(real: Path, tmp_path: Path) -> None:
    picture(tmp_path / "cover.png", 1)
    with pytest.raises(UsageError, match=r"no step of a training .* cover.png says neither"):
        harness.score_series(tmp_path, reference=real)
    with pytest.raises(UsageError, match="beside real pictures or by a benchmark"):
        harness.score_series(tmp_path)


def test_the_command_takes_a_folder_of_a_training(
    command: Command, real: Path, tmp_path: Path
) -> None:
    ran = command("score", "--series", tmp_path, "--reference", real)
    assert (ran.code, "no step of a training" in ran.err) == (2, True)
