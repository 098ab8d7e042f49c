"""Sources in each format, with their days in folders of other names."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from conftest import april_1
from lakestack_jobs.ingest import ingest
from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Source, parse_source

ORDERS = "iceberg.newtral.orders"
QUARANTINE = "iceberg.newtral.orders_quarantine"
COLUMNS = {
    "id": "bigint",
    "shop": "string",
    "price": "decimal(8,2)",
    "placed": "timestamp_ntz",
    "day": "date",
    "paid": "boolean",
}

Declare = Callable[..., Source]


@pytest.fixture
def orders(declared: dict[str, dict[str, Any]], media: Source, tmp_path: Path) -> Declare:
    """A source of orders whose days are folders like dt=2018-04-01, with the given settings and that day's files."""

    def declare(files: dict[str, bytes], columns: dict[str, str] = COLUMNS, **settings: object) -> Source:
        folder = tmp_path / "orders" / "dt=2018-04-01"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        source = parse_source(
            {
                **declared["media"],
                "name": "orders",
                "table": "newtral.orders",
                "key": ["id", "shop"],
                "dates": "dt=%Y-%m-%d",
                "maxRejectedPercent": 100,
                "columns": [{"name": name, "sparkType": kind} for name, kind in columns.items()],
                **settings,
            }
        )
        return Source(**{**vars(source), "location": f"file://{tmp_path}/orders/"})

    return declare


def rows(spark: SparkSession) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in spark.sql(
            f"SELECT id, shop, string(price), string(placed), string(day), paid FROM {ORDERS} ORDER BY 1, 2"
        ).collect()
    ]


def quarantined(spark: SparkSession) -> list[Row]:
    return spark.table(QUARANTINE).orderBy("source_file_name", "position").collect()


first = (1, "a", "1.50", "2018-04-01 12:30:00.123456", "2018-04-01", True)

ARRAY = b"""[
  {"id": 1, "shop": "a", "price": 1.50, "placed": "2018-04-01T12:30:00.123456", "day": "2018-04-01", "paid": true},
  {"id": 2, "shop": "a"},
  {"id": 2, "shop": "b", "price": 99999999999}
]"""


def test_an_array_of_objects_is_read_element_by_element(spark: SparkSession, orders: Declare) -> None:
    source = orders(
        {
            "a.json": ARRAY,
            "b.json.gz": gzip.compress(b'\xef\xbb\xbf [{"id":3,"shop":"c"}] \n'),
            "empty.json": b"[]",
            "nothing.json": b"",
        },
        format="json-array",
    )
    result = ingest(spark, source, april_1, "r")
    assert (result.files, result.read, result.inserted, result.rejected) == (4, 4, 3, 1)
    assert [row[:2] for row in rows(spark)] == [(1, "a"), (2, "a"), (3, "c")]
    assert rows(spark)[0] == first
    [bad] = quarantined(spark)
    assert (bad.position, bad.reason) == (3, "column price is not decimal(8,2)")
    assert bad.raw_text == '{"id":2,"price":99999999999,"shop":"b"}'


@pytest.mark.parametrize(
    "text", [b'[{"id":1,"shop":"a"}', b'{"id":1,"shop":"a"}', b'[{"id":1}] x', b'["\xff"]', b"null"]
)
def test_a_file_that_is_no_array_is_kept_aside_as_one(spark: SparkSession, orders: Declare, text: bytes) -> None:
    source = orders({"bad.json": text, "good.json": b'[{"id":9,"shop":"z"}]'}, format="json-array")
    result = ingest(spark, source, april_1, "r")
    assert (result.inserted, result.rejected) == (1, 1)
    [bad] = quarantined(spark)
    assert (bad.reason, bad.position) == ("the file is not one complete JSON array", 1)


def test_an_element_that_is_no_object_is_kept_aside_alone(spark: SparkSession, orders: Declare) -> None:
    source = orders({"a.json": b'[null, 7, {"id":1,"shop":"a"}, [{}]]'}, format="json-array")
    result = ingest(spark, source, april_1, "r")
    assert (result.inserted, result.rejected) == (1, 3)
    assert [(row.position, row.reason) for row in quarantined(spark)] == [
        (position, "not one complete JSON object") for position in (1, 2, 4)
    ]


def test_numbers_in_an_array_keep_their_digits(spark: SparkSession, orders: Declare) -> None:
    columns = {"id": "bigint", "shop": "string", "exact": "decimal(30,10)"}
    text = b'[{"id":9007199254740993,"shop":"a","exact":12345678901234567890.0123456789}]'
    ingest(spark, orders({"a.json": text}, columns, format="json-array"), april_1, "r")
    [row] = spark.sql(f"SELECT id, string(exact) FROM {ORDERS}").collect()
    assert tuple(row) == (9007199254740993, "12345678901234567890.0123456789")


CSV = b"""id,Shop,price,placed,day,paid\r
1,a,1.50,2018-04-01 12:30:00.123456,2018-04-01,true\r
2,"two
lines, ""quoted""\",,,,\r
"""


def test_csv_is_read_by_its_header_with_quotes_and_line_breaks(spark: SparkSession, orders: Declare) -> None:
    source = orders(
        {"a.csv": CSV, "b.csv.gz": gzip.compress(b"paid,shop,id\nfalse,c,3\n"), "c.csv": b"", "d.csv": b"id,shop\n"},
        format="csv",
    )
    result = ingest(spark, source, april_1, "r")
    assert (result.files, result.read, result.inserted, result.rejected) == (4, 3, 3, 0)
    assert rows(spark) == [
        first,
        (2, 'two\nlines, "quoted"', None, None, None, None),
        (3, "c", None, None, None, False),
    ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("x,a,,,,", "column id is not bigint"),
        ("4.5,a,,,,", "column id is not bigint"),
        ("1,a,1.505,,,", "column price is not decimal(8,2)"),
        ("1,a,1234567.00,,,", "column price is not decimal(8,2)"),
        ("1,a,,yesterday,,", "column placed is not timestamp_ntz"),
        ("1,a,,2018-04-01T12:00:00Z,,", "column placed is not timestamp_ntz"),
        ("1,a,,,2018-04-01 12:00,", "column day is not date"),
        ("1,a,,,2018-02-30,maybe", "column day is not date; column paid is not boolean"),
        (",a,,,,", "key column id is missing, null or empty"),
        ("1, ,,,,", "key column shop is missing, null or empty"),
        ("1,a", "not as many fields as the header has"),
        ("1,a,,,,,7", "not as many fields as the header has"),
        ("1,\xff,,,,", "not valid UTF-8"),
    ],
)
def test_a_csv_record_that_would_lose_data_is_kept_aside(
    spark: SparkSession, orders: Declare, record: str, reason: str
) -> None:
    text = b"id,shop,price,placed,day,paid\n9,z,,,,\n" + record.encode("latin-1") + b"\n8,z,,,,\n"
    result = ingest(spark, orders({"a.csv": text}, format="csv"), april_1, "r")
    assert (result.inserted, result.rejected) == (2, 1)
    [bad] = quarantined(spark)
    assert (bad.position, bad.reason) == (2, reason)


@pytest.mark.parametrize(
    ("header", "cause"),
    [("id,price", "its header lacks shop"), ("id,shop,Shop", "its header has shop twice")],
)
def test_a_csv_file_with_an_unusable_header_is_recorded_as_damaged(
    spark: SparkSession, orders: Declare, header: str, cause: str
) -> None:
    source = orders({"a.csv": f"{header}\n1,2,3\n".encode(), "b.csv": b"id,shop\n9,z\n"}, format="csv")
    result = ingest(spark, source, april_1, "r")
    assert (result.inserted, result.damaged_files, result.quarantined) == (1, 1, 1)
    assert quarantined(spark)[0].reason == f"the file is damaged from here on: {cause}"


def test_a_cut_gzip_of_csv_gives_the_records_before_the_cut(spark: SparkSession, orders: Declare) -> None:
    whole = gzip.compress(b"id,shop\n" + b"".join(b"%d,%064x\n" % (n, n * 7919**9) for n in range(5000)))
    result = ingest(spark, orders({"a.csv.gz": whole[: len(whole) // 2]}, format="csv"), april_1, "r")
    assert result.damaged_files == 1
    assert 0 < result.inserted < 5000


def parquet(spark: SparkSession, folder: Path, query: str) -> bytes:
    """The bytes of a Parquet file with a query's rows."""
    spark.sql(query).coalesce(1).write.mode("overwrite").parquet(f"file://{folder}/written")
    [file] = (folder / "written").glob("*.parquet")
    return file.read_bytes()


def test_parquet_files_of_different_schemas_are_read(spark: SparkSession, orders: Declare, tmp_path: Path) -> None:
    exact = """SELECT 1L AS id, 'a' AS Shop, 1.50BD AS price, TIMESTAMP_NTZ'2018-04-01 12:30:00.123456' AS placed,
               DATE'2018-04-01' AS day, true AS paid"""
    other = """SELECT * FROM VALUES (2, 'b', 2.25D), (3, 'b', 99999999D) AS t(id, shop, price)"""
    source = orders(
        {
            "a.parquet": parquet(spark, tmp_path, exact),
            "b.parquet": parquet(spark, tmp_path, other),
            "c.parquet": b"PAR1 no, not really",
        },
        format="parquet",
    )
    result = ingest(spark, source, april_1, "r")
    assert (result.read, result.inserted, result.rejected, result.damaged_files) == (3, 2, 1, 1)
    assert rows(spark) == [first, (2, "b", "2.25", None, None, None)]
    assert [row.reason for row in quarantined(spark)] == [
        "column price is not decimal(8,2)",
        "the file is damaged from here on: it is not a Parquet file",
    ]


def test_parquet_keeps_nested_values_and_microseconds(spark: SparkSession, orders: Declare, tmp_path: Path) -> None:
    columns = {"id": "bigint", "shop": "string", "seen": "timestamp", "lines": "array<struct<`sku`:string,`n`:int>>"}
    query = """SELECT 1L AS id, 'a' AS shop, TIMESTAMP'2018-04-01 12:30:00.123456Z' AS seen,
               array(named_struct('sku', 'x', 'n', 2)) AS lines"""
    ingest(spark, orders({"a.parquet": parquet(spark, tmp_path, query)}, columns, format="parquet"), april_1, "r")
    [row] = spark.sql(f"SELECT string(seen), lines[0].sku, lines[0].n FROM {ORDERS}").collect()
    assert tuple(row) == ("2018-04-01 12:30:00.123456", "x", 2)


def test_an_empty_day_names_its_folder_and_the_format_s_endings(spark: SparkSession, orders: Declare) -> None:
    with pytest.raises(JobError, match=r"/orders/dt=2018-04-01/ is empty: it has no object that ends in \.parquet\.$"):
        ingest(spark, orders({"a.csv": b"id\n1\n"}, format="parquet"), april_1, "r")


def test_a_table_is_partitioned_as_declared_and_no_other_way(spark: SparkSession, orders: Declare) -> None:
    by_day = [{"field": "day(placed)", "sparkField": "days(`placed`)"}, {"field": "shop", "sparkField": "`shop`"}]
    bucket = [{"field": "bucket(id, 4)", "sparkField": "bucket(4, `id`)"}]
    files = {"a.json": b'{"id":1,"shop":"a","placed":"2018-04-01T01:00:00"}\n{"id":2,"shop":"b"}\n'}
    ingest(spark, orders(files, partitioning=by_day), april_1, "r")
    assert spark.table(f"{ORDERS}.partitions").count() == 2
    assert ingest(spark, orders(files, partitioning=by_day), april_1, "r2").already_present == 2
    with pytest.raises(JobError, match=r"is partitioned by day\(placed\), shop, its source declares bucket\(id, 4\)\."):
        ingest(spark, orders(files, partitioning=bucket), april_1, "r3")
    spark.sql(f"DROP TABLE {ORDERS} PURGE")
    ingest(spark, orders(files, partitioning=bucket), april_1, "r")
    assert ingest(spark, orders(files, partitioning=bucket), april_1, "r2").already_present == 2
