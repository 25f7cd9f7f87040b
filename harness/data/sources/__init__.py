"""Where rows and pictures come from.

- `folder.py`, `hub.py`, `parquet.py`, `pocket.py`, `webdataset.py`: one data source each; the words
  that name them on a page are in `harness/data/specs.py`
- `folder_metadata.py`, `parquet_files.py`, `tar_shards.py`, `file_patterns.py`: the files they read
- `rows.py`, `cells.py`, `tables.py`: what all rows have, and rows as columns
- `provenance.py`: version, revision and licence of a set
"""
