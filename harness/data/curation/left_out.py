"""The ids of `data.without`: each must be that of a row, or a typing error would go unnoticed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from harness.data.curation.engine import Limits, batches, opened
from harness.data.curation.table import MetadataTable, rows
from harness.data.sql import listed, literal
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.data.curation.engine import Engine


def require_ids(without: Sequence[str], there: Collection[str]) -> None:
    """Refuse an id to leave out that is none of those `there`, and name the closest one."""
    unknown = [name for name in without if name not in there]
    if unknown:
        close = difflib.get_close_matches(unknown[0], there, n=1, cutoff=0.0)
        raise _unknown(unknown, close[0] if close else None)


def require_ids_in(
    without: Sequence[str],
    tables: Sequence[MetadataTable],
    to_sql: Callable[[Engine, MetadataTable], str],
    limits: Limits,
) -> None:
    """Do the same where the rows are tables; `to_sql` names a table's rows to the engine."""
    if not without:
        return
    met: set[str] = set()
    closest: list[tuple[int, str]] = []
    with opened(limits) as engine:
        for table in tables:
            ids = f"({rows(table, to_sql(engine, table))})"
            wanted = f"SELECT DISTINCT id FROM {ids} WHERE id IN ({listed(without)})"
            met |= {name for batch in batches(engine, wanted) for name in batch[0].to_pylist()}
        unknown = [name for name in without if name not in met]
        for table in tables if unknown else ():
            apart = f"levenshtein(id, {literal(unknown[0])})"
            ids = f"({rows(table, to_sql(engine, table))})"
            near = f"SELECT {apart} AS apart, id FROM {ids} ORDER BY apart, row LIMIT 1"
            for batch in batches(engine, near):
                closest += zip(batch[0].to_pylist(), batch[1].to_pylist(), strict=True)
    if unknown:
        raise _unknown(unknown, min(closest)[1] if closest else None)


def _unknown(unknown: Sequence[str], close: str | None) -> UsageError:
    more = f" (nor {len(unknown) - 1} more of them)" if len(unknown) > 1 else ""
    return UsageError(
        f"no row has the id {unknown[0]!r}{more}",
        where="data.without",
        hint=f"did you mean {close!r}?" if close is not None else "take the id out",
    )
