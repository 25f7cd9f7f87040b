"""Rows in, kept rows with their prompts out: one list of rules, and two engines that walk it.

- `rules.py`: which rows are kept, each rule as a name, a test of a row, and the same in SQL
- `captions.py`, `cleaning.py`, `recaption.py`: what their prompts are, declared in the same way
- `by_row.py`: the engine that goes row by row and has the pictures
- `by_column.py`: the engine for millions of rows, through `table.py`, `query.py` and `engine.py`
- `boosters.py`: how many rows of other sets are mixed in, and which
- `curated_set.py`, `exports.py`, `summary.py`: a curated set on disk, its pictures, its figures
- `differences.py`: two curated sets row by row
"""
