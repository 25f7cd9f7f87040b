"""Blame: which training pictures helped with what is asked, and which hurt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from harness.api.options import Options, making, with_options, workspace_of
from harness.decisions import blame as blames
from harness.decisions.blame import Blame, BlamedPicture
from harness.escaping import printable
from harness.files import write_bytes
from harness.pages.stages import TrainSpec
from harness.pipeline.blame_steps import ASKED, HELD_OUT, Question, marks_of, plan_blame
from harness.pipeline.missing import to_make
from harness.pipeline.plan import RunPlan
from harness.pipeline.request import Named, requested
from harness.pipeline.results.blame import TABLE
from harness.pipeline.run import make_all
from harness.pipeline.stages.files import read_index
from harness.pipeline.store.local import Store
from harness.records import StepName

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 24
"""Pictures on a sheet."""


@dataclass(frozen=True)
class BlameReport:
    """A blame, and the folder with its table and its sheets.

    >>> found = harness.blame("tiny", benchmark="tiny-v1")  # slow
    >>> len(found.worst(0.1)), (found.folder / "worst.png").is_file()
    (4, True)
    """

    blame: Blame
    folder: Path

    @property
    def pictures(self) -> tuple[BlamedPicture, ...]:
        """Return every training picture, the worst first."""
        return self.blame.pictures

    def worst(self, share: float = 0.05) -> list[str]:
        """Return the ids of the worst share of the pictures, for `data.without`."""
        return [each.id for each in self.blame.worst(round(share * len(self.pictures)))]

    def as_json(self, shown: int = SHOWN) -> dict[str, Any]:
        """Return what `harness blame --json` prints."""
        from harness.report.blame import blame_document

        return blame_document(self.blame, self.folder, shown)

    def to_pandas(self) -> pd.DataFrame:
        """Return one line for each training picture, the worst first."""
        import pandas as pd

        return pd.DataFrame([vars(each) for each in self.pictures])

    def __str__(self) -> str:
        from harness.report.blame import print_blame
        from harness.report.terminal import printed

        return printable(
            printed(lambda console: print_blame(self.blame, self.folder, 8, console), 150)
        )


@with_options
@making
def blame(
    recipe: Named,
    *,
    on: str = HELD_OUT,
    benchmark: str | Path | None = None,
    checkpoints: int = 1,
    noises: int = 1,
    **options: Unpack[Options],
) -> BlameReport:
    """Say which training pictures of a recipe helped with what is asked, and which hurt.

    `on` is held-out, a prompt, or an image file. Held-out pictures are those that the recipe keeps
    from training, else the reference of the benchmark. `checkpoints` are asked at most, each
    under `noises` noises at every timestep.

    >>> found = harness.blame("tiny", benchmark="tiny-v1")  # slow
    >>> len(found.pictures)
    40
    """
    from harness.report.blame import sheet

    request, workspace = requested(recipe, benchmark), workspace_of(options)
    question = Question(on, checkpoints, noises)
    plan, settings = plan_blame(request.recipe, request.judgement, question), workspace.settings()
    goal = plan.step("blame")
    make_all(plan, to_make(plan, settings.store, goal), settings)
    made = _read(plan, settings.store, question)
    folder = workspace.reports / blames.FOLDER / made.recipe / question.slug
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(plan, settings.store)
    blames.write_blame(made, folder / TABLE)
    for name, pictures in ((blames.WORST, made.worst(SHOWN)), (blames.BEST, made.best(SHOWN))):
        write_bytes(folder / name, sheet(pictures, files))
    return BlameReport(made, folder)


def _read(plan: RunPlan, store: Store, question: Question) -> Blame:
    """Return what the last step of a plan found."""
    import pyarrow.parquet as pq

    rows = pq.read_table(store.folder(plan.step("blame")) / TABLE).to_pylist()
    asked = read_index(store.folder(plan.step(str(StepName("gradients", ASKED)))))
    trained = plan.step("train").spec
    assert isinstance(trained, TrainSpec)
    train = trained.train
    marks = marks_of(train, question.checkpoints)
    return Blame(
        recipe=plan.recipe,
        on=question.on,
        asked=len(asked),
        checkpoints=marks,
        pictures=tuple(BlamedPicture(**row) for row in rows),
        notes=blames.notes_of(train.steps, marks, train.checkpoint_every),
    )


def _files(plan: RunPlan, store: Store) -> dict[tuple[int, str], Path]:
    """Return the file of each picture, by its set and id."""
    return {
        (number, entry.id): store.folder(step) / entry.file
        for number, step in enumerate(_data_steps(plan))
        for entry in read_index(store.folder(step))
        if entry.file
    }


def _data_steps(plan: RunPlan) -> Sequence[Any]:
    """Return the steps that collect the sets that are trained on, in their order."""
    return [
        step
        for step in plan.steps
        if step.title.role == "data" and (not step.title.set or step.title.set.isdecimal())
    ]
