"""Write every page of the reference again."""

from __future__ import annotations

from harness.files import write_text
from tools.reference import FOLDER, PAGES

for name, page in PAGES.items():
    write_text(FOLDER / name, page())
