"""A page's rules as one SQL query: which rows of a table are kept, and what their prompts are."""

from __future__ import annotations

from collections.abc import Iterable

from harness.data.curation import table as tables
from harness.data.curation.captions import EMPTY, PIECES, varies
from harness.data.curation.recaption import recaptioned_sql
from harness.data.curation.rules import CurationSettings, asked
from harness.data.curation.table import MetadataTable
from harness.data.sql import quoted
from harness.pages.data import Caption


def query(table: MetadataTable, page: CurationSettings, source: str, all_rows: bool = True) -> str:
    """Return every row in order with the number of the rule it breaks, 0 where it breaks none.

    Of a row that breaks one, only the number is there; without `all_rows` not even that. Prompts
    that vary are left to captions.py.
    """
    if_kept = _if_kept if all_rows else str
    pieces = {} if varies(page.caption) else _pieces(table, page.caption)
    columns = {
        "id": "id",
        "text": "text",
        "prompt": "NULL::VARCHAR" if varies(page.caption) else _prompt(pieces),
        "tags": "tags",
        **{tables.column_of(name): table.fact(name)[0] for name in table.names.facts},
    }
    shown = "".join(f", {if_kept(sql)} AS {quoted(name)}" for name, sql in columns.items())
    worded = "".join(f", {if_kept(sql)} AS {name}" for name, sql in pieces.items())
    judged = f"SELECT *, {if_kept(table.tags())} AS tags FROM ({_ruled(table, page, source)})"
    judged += "" if all_rows else " WHERE rule = 0"
    order = " ORDER BY row" if page.recaption else ""  # a join keeps none
    return (
        f"WITH judged AS ({judged}), "
        f"recaptioned AS ({recaptioned_sql('judged', page.recaption)}), "
        f"worded AS (SELECT *{worded} FROM recaptioned) "
        f"SELECT row, rule{shown} FROM worded{order}"
    )


def rules(table: MetadataTable, page: CurationSettings, source: str) -> str:
    """Return number and broken rule of every row in order."""
    return f"SELECT row, rule FROM ({_ruled(table, page, source)})"


def hashes(table: MetadataTable, page: CurationSettings, source: str) -> str:
    """Return number and perceptual hash of each row that breaks no rule."""
    ruled = _ruled(table, page, source)
    return f"SELECT row, {table.picture_hash('phash')} AS phash FROM ({ruled}) WHERE rule = 0"


def _ruled(table: MetadataTable, page: CurationSettings, source: str) -> str:
    """Return the rows with the number of the first rule they break."""
    cases = "".join(
        f" WHEN NOT coalesce({rule.sql(table, setting)}, false) THEN {number}"
        for number, (rule, setting) in enumerate(asked(page), 1)
    )
    rule = f"CASE{cases} ELSE 0 END" if cases else "0"
    return f"SELECT *, ({rule})::UTINYINT AS rule FROM ({tables.rows(table, source)})"


def _pieces(table: MetadataTable, page: Caption) -> dict[str, str]:
    """Return the pieces of a prompt that a page asks for, by the columns they are written to."""
    pieces = {quoted(f"piece {piece.name}"): piece.sql(table, page) for piece in PIECES}
    return {name: sql for name, sql in pieces.items() if sql != EMPTY}


def _prompt(pieces: Iterable[str]) -> str:
    parts = ", ".join(f"nullif({piece}, '')" for piece in pieces)
    return f"concat_ws(', ', {parts})" if parts else EMPTY


def _if_kept(sql: str) -> str:
    return f"CASE WHEN rule = 0 THEN {sql} END"
