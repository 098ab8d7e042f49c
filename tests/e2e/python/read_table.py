"""
Reads a table with PyIceberg, knowing nothing but the address of the catalog and a token for it: keys are lent by it.

    python read_table.py http://catalog:19120/iceberg/ warehouse newtral.media token-file

Prints the columns, the summary of the current snapshot, and each row: a JSON array a line.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from pyiceberg.catalog import load_catalog


def plain(value: object) -> str:
    """What JSON has no sign for: times, as Trino writes them."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    raise TypeError(f"{type(value)} was not expected")


def main(uri: str, warehouse: str, name: str, token_file: str) -> None:
    """Prints a table."""
    token = Path(token_file).read_text(encoding="utf-8")
    table = load_catalog("lakestack", type="rest", uri=uri, warehouse=warehouse, token=token).load_table(name)
    print("columns:", json.dumps([field.name for field in table.schema().fields]))
    snapshot = table.current_snapshot()
    summary = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    print("summary:", json.dumps(summary))
    for row in table.scan().to_arrow().to_pylist():
        print("row:", json.dumps(list(row.values()), default=plain, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
