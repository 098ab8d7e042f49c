"""
Which keys of a batch a large table has, where no bounds of its files tell: its key columns are read whole, but column
by column, by Arrow in Python's workers. Spark makes a row of every value before it compares it (decision 0022).
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial, reduce
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lakestack_jobs.catalog import Snapshot, load

# Types whose equal values are equal for Spark and for Arrow. Fractions are not: zero and minus zero.
_KINDS = {"string", "int", "bigint", "decimal", "date", "timestamp", "timestamp_ntz"}
# Each task has the keys of the batch in its memory.
_MOST_KEYS = 1_000_000
# Of a file at a time; so many of these parts for one task; rows that it has in memory.
_PART_BYTES, _TASK_PARTS = 128 << 20, 64
_ROWS = 1 << 18
_FIELD_ID = b"PARQUET:field_id"

# A part of a file: its path, which part, and of how many.
_Part = tuple[str, int, int]

# Executors have Spark's code, and of ours what is sent to them.
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def read_present(
    spark: SparkSession, table: str, snapshot: Snapshot, rows: DataFrame, key: Sequence[str], more: Sequence[str] = ()
) -> DataFrame | None:
    """
    Those keys of the rows that the snapshot has, each once, with more columns of the table.

    Args:
        spark: The session.
        table: Name with its catalog.
        snapshot: Of the table.
        rows: With the key columns, cached.
        key: Names of the key columns.
        more: Names of more columns.

    Returns:
        None if the table can't be read so: it has deletes beside its data files, files in other formats or written by
        others without the numbers of its columns, keys of other types, or is where Arrow doesn't reach; or if the batch
        has too many keys.
    """
    columns = [*key, *more]
    there = spark.table(table).select(*(f"`{name}`" for name in columns))
    kinds = {kind.partition("(")[0] for _, kind in there.dtypes}
    if snapshot.delete_files or not kinds <= _KINDS or rows.count() > _MOST_KEYS:
        return None
    parts = _parts(
        spark.read.option("versionAsOf", snapshot.id)
        .table(f"{table}.data_files")
        .select("file_path", "file_size_in_bytes", "file_format")
        .collect()
    )
    if not parts:
        return None
    context = spark.sparkContext
    # A task's start takes as long as reading four million keys: one for each core, unless it would take minutes.
    tasks = max(min(len(parts), context.defaultParallelism), len(parts) // _TASK_PARTS)
    try:
        loaded = load(spark, table)
        read = _reader(
            rows.select(*(f"`{name}`" for name in key)).toArrow(),
            wanted=there.limit(0).toArrow().schema,
            ids={name: int(loaded.schema().findField(name).fieldId()) for name in columns},
            storage=_storage(spark, loaded),
        )
        found = context.parallelize([parts[task::tasks] for task in range(tasks)], tasks).flatMap(read).collect()
        return spark.createDataFrame(list(dict.fromkeys(found)), there.schema)
    except (Py4JJavaError, PySparkException) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        told = next((line for line in lines if "Error" in line), (lines or [repr(error)])[0])
        print(f"Spark reads the keys of {table}, as Arrow could not: {told}", flush=True)
        return None


def _parts(files: Sequence[Any]) -> list[_Part]:
    """The parts of all files, those of the largest first; none if a file is not Parquet's."""
    if any(file.file_format != "PARQUET" for file in files):
        return []
    parts: list[_Part] = []
    for file in sorted(files, key=lambda file: file.file_size_in_bytes, reverse=True):
        count = -(-file.file_size_in_bytes // _PART_BYTES)
        parts += [(file.file_path, part, count) for part in range(count)]
    return parts


def _storage(spark: SparkSession, loaded: Any) -> dict[str, str]:  # noqa: ANN401
    """What Iceberg knows of where a table's files are, with the keys that the catalog gave for them."""
    io, gateway = loaded.io(), spark.sparkContext._gateway
    properties = dict(io.properties())
    if is_instance_of(gateway, io, "org.apache.iceberg.io.SupportsStorageCredentials"):
        for credential in io.credentials():
            if loaded.location().startswith(credential.prefix()):
                properties |= dict(credential.config())
    return properties


def _reader(
    keys: Any,  # noqa: ANN401
    *,
    wanted: Any,  # noqa: ANN401
    ids: Mapping[str, int],
    storage: Mapping[str, str],
) -> Callable[[Iterable[_Part]], Iterator[tuple[Any, ...]]]:
    """
    What each task does: it finds the batch's keys in parts of files.

    Args:
        keys: The batch's, a table of Arrow's.
        wanted: Names and types of the key's columns and of all others that are wanted, a schema of Arrow's.
        ids: How the table numbers these columns.
        storage: Where files are.
    """

    def read(parts: Iterable[_Part]) -> Iterator[tuple[Any, ...]]:
        # Begun with once: a file is opened sooner than a connection to its store.
        store = cache(partial(_object_store, storage))
        for path, part, count in parts:
            for rows in _read_part(store, path, part, count):
                found = _found(rows)
                yield from zip(*(column.to_pylist() for column in found.columns), strict=True)

    def _read_part(store: Callable[[], Any], path: str, part: int, count: int) -> Iterator[Any]:
        """The wanted columns, some rows at a time."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        system, inside = _file_system(path, store)
        with ParquetFile(system.open_input_file(inside), pre_buffer=True) as file:
            # A column may have had another name when the file was written.
            names = {int((field.metadata or {}).get(_FIELD_ID, -1)): field.name for field in file.schema_arrow}
            if set(names) == {-1}:
                raise ValueError(f"{path} has no numbers of columns")
            if not all(ids[name] in names for name in keys.column_names):
                return  # The key is younger than the file: no row has it.
            groups = list(range(part, file.num_row_groups, count))
            columns = [names[number] for number in ids.values() if number in names]
            for rows in file.iter_batches(_ROWS, row_groups=groups, columns=columns, use_threads=False):
                yield pa.table(
                    {
                        name: rows.column(names[number]).cast(wanted.field(name).type)
                        if number in names
                        else pa.nulls(rows.num_rows, wanted.field(name).type)
                        for name, number in ids.items()
                    }
                )

    def _found(rows: Any) -> Any:  # noqa: ANN401
        """The rows with the batch's keys, each once."""
        import pyarrow.compute as pc

        known = (pc.is_in(rows.column(name), value_set=keys.column(name)) for name in keys.column_names)
        found = rows.filter(reduce(pc.and_, known))
        if found.num_rows and len(keys.column_names) > 1:
            # Each column was compared alone.
            found = found.join(keys, keys.column_names, join_type="left semi", use_threads=False)
        return found.group_by(rows.column_names, use_threads=False).aggregate([]).select(rows.column_names)

    return read


def _file_system(path: str, store: Callable[[], Any]) -> tuple[Any, str]:
    """Arrow's file system for a file, which is the store's unless it is on a disk, and the file's path in it."""
    from pyarrow import fs

    scheme, _, rest = path.partition(":/")
    if not rest or scheme == "file":
        return fs.LocalFileSystem(), "/" + (rest or path).lstrip("/")
    if scheme not in ("s3", "s3a"):
        raise ValueError(f"{path} is in no bucket")
    return store(), rest.lstrip("/")


def _object_store(storage: Mapping[str, str]) -> Any:  # noqa: ANN401
    """Arrow's file system for S3, as Iceberg knows the store."""
    from pyarrow import fs

    given = {
        "access_key": storage.get("s3.access-key-id"),
        "secret_key": storage.get("s3.secret-access-key"),
        "session_token": storage.get("s3.session-token"),
        "endpoint_override": storage.get("s3.endpoint"),
        "region": storage.get("client.region") or storage.get("s3.region"),
    }
    return fs.S3FileSystem(**{name: value for name, value in given.items() if value})
