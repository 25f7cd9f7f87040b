"""The table that the stage `blame` leaves: what each training picture did."""

from __future__ import annotations

import pyarrow as pa

TABLE = "blame.parquet"
SCHEMA = pa.schema(
    {
        "set": pa.int64(),
        "id": pa.string(),
        "text": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "loss": pa.float64(),
    }
)
"""A row a picture of each set, the worst first. `value` is its influence in units of a typical
picture's: above 0 it helped. `loss` is its own at the last checkpoint."""
