"""Find a result's small pictures: in the store, else in the album beside its file."""

from __future__ import annotations

import base64
from pathlib import Path

from harness.api.boards import folder_of
from harness.api.options import Workspace
from harness.pipeline.results import album
from harness.pipeline.results.file import ResultFile
from harness.pipeline.stages.files import read_index
from harness.records import Result
from harness.report.pairs import FindPicture
from harness.report.pictures import picture_of, readable_thumbnail


def finder(result: Result, file: Path, workspace: Workspace) -> FindPicture:
    """Return what finds the picture of a prompt and seed, as a data URI."""
    folder = folder_of(result, "sample", workspace)
    there = {(entry.id, entry.seed): entry for entry in read_index(folder)} if folder else {}
    book = ResultFile(file).album_path
    shots = {(shot.id, shot.seed): shot for shot in album.read(book) if shot.side == "sample"}

    def find(prompt_id: str, seed: int) -> str | None:
        entry, shot = there.get((prompt_id, seed)), shots.get((prompt_id, seed))
        picture = picture_of(folder, entry) if folder and entry else None
        if picture is not None:
            return readable_thumbnail(picture)
        data = album.picture(book, shot.picture) if shot and shot.picture else None
        return None if data is None else _uri(data)

    return find


def _uri(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"
