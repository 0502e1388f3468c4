"""What lies in a store's tables, for tests that count rows."""

import sqlite3
from contextlib import closing

from loopscope.store import Store
from loopscope.store.schema import IRREPLACEABLE, RECOMPUTABLE


def row_counts(store: Store) -> dict[str, int]:
    """Rows in each table, as another program finds them."""
    with closing(sqlite3.connect(store.path)) as raw:
        tables = (*RECOMPUTABLE, *IRREPLACEABLE)
        return {table: int(raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in tables}
