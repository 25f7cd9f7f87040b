"""Two folders in, numbers out: no page, no prompts, no network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from running import Command
from safetensors.torch import load_file
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

import harness
from harness.api.folders import warn_of_real_pictures
from harness.cli.folders import told_apart
from harness.data.image_folders import numbered
from harness.errors import UsageError
from harness.pages.stages import SuppliedSpec
from harness.pocket.world import row

N = 24
QUIET = {"verbose": False, "save_cpu_ram": True}


def draw(folder: Path, kind: str, first: int, count: int = N, side: int = 48) -> Path:
    folder.mkdir()
    for number in range(count):
        picture: Image.Image = row(kind, first + number).image()
        picture.resize((side, side)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folders")
    draw(root / "real", "ninja", 100, side=64)
    draw(root / "good", "ninja", 500)
    draw(root / "other", "faces", 500, count=N - 3)
    return root


@pytest.fixture(scope="module")
def workspace(folders: Path) -> harness.Workspace:
    return harness.Workspace(folders / "store", folders / "reports", quiet=True)


@pytest.fixture(scope="module")
def good(folders: Path, workspace: harness.Workspace) -> harness.Run:
    return harness.score_folder(folders / "good", folders / "real", workspace=workspace)


@pytest.mark.slow
def test_every_metric_of_two_folders_has_an_interval_and_a_licence(good: harness.Run) -> None:
    assert (good.result.recipe, good.result.benchmark) == ("good", "against-real")
    assert good.result.images.scored == N
    for score in good.result.scores:
        assert score.value is not None
        assert score.low is not None
        assert score.high is not None
        assert score.low <= score.value <= score.high
        assert score.licence


@pytest.mark.slow
def test_the_numbers_are_those_of_torch_fidelity_on_the_same_features(
    good: harness.Run, workspace: harness.Workspace
) -> None:
    own, real = (rows(good, side, workspace) for side in ("features", "reference"))
    statistics = [fid_features_to_statistics(each) for each in (own, real)]
    fid = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    kid = kid_features_to_metric(own, real, kid_subsets=1, kid_subset_size=N, **QUIET)
    shares = prc_features_to_metric(own, real, prc_neighborhood=5, **QUIET)
    assert good.score("fid").value == pytest.approx(fid, rel=1e-3)
    assert good.score("kid").value == pytest.approx(kid["kernel_inception_distance_mean"], abs=1e-6)
    assert good.score("precision").value == pytest.approx(shares["precision"])
    assert good.score("recall").value == pytest.approx(shares["recall"])


def rows(run: harness.Run, side: str, workspace: harness.Workspace) -> torch.Tensor:
    """Return the features in Lite0 that a run kept of one side."""
    (step,) = [
        name
        for name in run.result.keys
        if name.startswith(f"{side}/lite0-") and "style" not in name
    ]
    folder = run.folder(step, workspace)
    assert folder is not None
    return load_file(folder / "features.safetensors")["images"]


@pytest.mark.slow
def test_several_folders_are_judged_on_as_many_images_each_and_compared(
    folders: Path, command: Command, tmp_path: Path
) -> None:
    page = tmp_path / "mine.yaml"
    places = ("--store", folders / "store", "--reports", tmp_path / "reports")
    asked = [f"--images={folders / name}" for name in ("good", "other")]
    beside = ("--reference", folders / "real", "--page", page)
    ran = command("score", *asked, *beside, *places, "--json")
    said = json.loads(ran.out)
    assert f"{N - 3} of {N} images are judged" in ran.err
    assert [each["recipe"] for each in said["results"]] == ["good", "other"]
    assert len({each["signature"] for each in said["results"]}) == 1
    assert said["comparisons"][0]["verdict"] == "better"
    again = command(
        "score", "--images", folders / "other", "--benchmark", page, "--name", "again", *places
    )
    assert again.code == 0
    assert "reused" in again.out


@pytest.mark.slow
def test_another_folder_of_one_name_takes_no_results_place(
    good: harness.Run, folders: Path, workspace: harness.Workspace
) -> None:
    (folders / "later").mkdir()
    other = draw(folders / "later/good", "faces", 700, count=3)
    before = good.path.read_bytes()
    with pytest.raises(UsageError, match=r"good\.json: is the result of other pictures, those of"):
        harness.score_folder(other, folders / "real", workspace=workspace)
    assert good.path.read_bytes() == before


def test_folders_of_one_name_are_called_by_those_above_too() -> None:
    asked = [Path("/runs/a/samples"), Path("/runs/b/samples"), Path("/c/out")]
    assert told_apart(asked) == ["a-samples", "b-samples", None]
    deeper = [Path("/x/a/samples"), Path("/y/a/samples"), Path("/samples")]
    assert told_apart([*deeper]) == ["x-a-samples", "y-a-samples", None]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a"], "1 folders are named without an option"),
        (["a", "b", "c"], "3 folders are named"),
        (["a", "b", "--images", "c"], "2 folders are named"),
        (["a", "b", "--benchmark", "tiny-v1"], "--reference and --benchmark do not go together"),
        (["--reference", "b"], "--reference needs --images"),
        (["--images", "a", "--originals", "b"], "go with --reference"),
        (["--images", "a", "--images", "b"], "several folders of images need --reference"),
        (["--images", "a", "--images", "x/../a", "--reference", "b"], "two folders are called"),
        (["a", "nowhere"], "there is no folder nowhere"),
        (["a", "b", "--watch"], "--watch goes with --series"),
        (["a", "b", "--series", "c"], "--series and --images do not go together"),
        (["--series", "c", "--page", "p.yaml"], "--series and --page do not go together"),
        (["--series", "c", "--megapixels", "40"], "--series and --megapixels do not go together"),
        (["--series", "c", "--reference", "r", "-b", "tiny-v1"], "--reference and --benchmark do"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(
    words: list[str], complaint: str, command: Command
) -> None:
    ran = command("score", *words)
    assert ran.code == 2
    assert complaint in ran.err


def test_a_folder_without_pictures_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with pytest.raises(UsageError, match="has no pictures that can be read"):
        harness.score_folder(
            tmp_path,
            tmp_path / "real",
            workspace=harness.Workspace(tmp_path / "store", tmp_path / "reports"),
        )
    assert not (tmp_path / "reports").exists()


def test_images_that_are_real_pictures_too_are_told(
    folders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    supplied = SuppliedSpec(folder="real", entries=numbered(folders / "real"))
    warn_of_real_pictures(supplied, folders / "real")
    assert f"{N} of {N} images are files of the reference too" in caplog.text
    caplog.clear()
    warn_of_real_pictures(
        SuppliedSpec(folder="good", entries=numbered(folders / "good")), folders / "real"
    )
    assert caplog.text == ""


def test_folders_may_be_named_as_text() -> None:
    assert harness.Workspace("store", "reports").store == Path("store")  # type: ignore[arg-type]
