"""Pictures and words: where they come from, which are kept, and what text they are given.

To add something:

- a data source: its page in `specs.py`, its code in `sources/`, a line under the entry points;
- a rule of curation: an entry in `curation/rules.py`;
- a piece of a caption: an entry in `curation/captions.py`; words to take out: in `cleaning.py`;
- a kind of picture that is kept or dropped when it is read: `decoding.py`.

Rows: `sources/` reads them. `facts.py` and `tags.py` say how a cell is read, in Python and in SQL
alike. `curation/` chooses rows and writes their prompts, by one list of rules and two engines:
`by_row.py` with pictures, `by_column.py` over millions of rows without them.

Pictures: `opening.py` is the only place that opens their files. `decoding.py` and `colours.py`
turn a file into plain RGB, `hashes.py` and `near_duplicates.py` find repeats, `picture_counts.py`
counts what became of all, `buckets.py` chooses the shape to train at, and `prefetch.py` reads some
way ahead.

Images that were made elsewhere: `supplied.py` finds the prompt that each answers, by a list or by
`generation_metadata.py`; `prompt_weights.py` reads the weights in a prompt.
"""
