"""Tables of pandas, Polars, pyarrow and DuckDB as lists of rows with Python's own values."""

import math
from datetime import timezone

import pandas as pd


def plain(value):
    """A value of any of the programs as one of Python's own."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if hasattr(value, "tzinfo"):
        return value.astimezone(timezone.utc)
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def from_pandas(frame):
    return [{key: plain(value) for key, value in row.items()} for row in frame.to_dict("records")]


def from_polars(frame):
    return [{key: plain(value) for key, value in row.items()} for row in frame.to_dicts()]


def from_arrow(table):
    return [{key: plain(value) for key, value in row.items()} for row in table.to_pylist()]


def from_duckdb(relation):
    keys = relation.columns
    return [{key: plain(value) for key, value in zip(keys, row)} for row in relation.fetchall()]
