"""How the objects of each format become rows: one reader a batch."""

import copy
import csv
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, Protocol

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.csv_rows import csv_lines, parse_csv
from lakestack_jobs.objects import Batch
from lakestack_jobs.rows import parse
from lakestack_jobs.sources import Source

NOT_AN_ARRAY = "the file is not one complete JSON array"
# Of what Spark can hold as one value of JSON.
TOO_LARGE = "the file is too large for one JSON array (128 MiB): deliver it in several, or as JSON Lines"


class Reader(Protocol):
    """Reads a batch, whole or some of its files."""

    source: Source
    damage: Mapping[str, str]
    """Path and cause of the files of which nothing can be read."""

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        """
        Reads files; all of the batch by default.

        Args:
            files: Paths.
            despite_damage: Ends a file at the place where it can't be decompressed, in place of an error.

        Returns:
            `line` (string: the row's text), `unreadable` (string: why there is no text, else null),
            `source_file_name` (string), and what else `parse` needs. In the order of the file, if one task reads it.
        """

    def parse(self, rows: DataFrame) -> DataFrame:
        """
        Adds `record` (struct of the source's columns), `fault` (string: why it is no row, else null) and `undeclared`
        (array of strings: the fields that no column takes, null if there are none).
        """


def open_batch(spark: SparkSession, source: Source, batch: Batch) -> Reader:
    """The reader for a source's format."""
    readers: dict[str, Callable[..., Reader]] = {
        "json-lines": _Lines,
        "json-array": _Arrays,
        "csv": _Csv,
        "parquet": _Parquet,
    }
    return readers[source.format](spark, source, batch)


def reader_like(reader: Reader, source: Source) -> Reader:
    """A reader of the same batch that expects other columns."""
    other = copy.copy(reader)
    other.source = source
    return other


def literal(path: str) -> str:
    """A path in which no sign means a pattern: Spark takes paths for patterns."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", path)


def file_name() -> Column:
    """The path of the object. Spark gives it as it stands in a URL, where + is itself."""
    path = F.col("_metadata.file_path")
    decoded = F.url_decode(F.replace(path, F.lit("+"), F.lit("%2B")))
    # Which is done for each row, and nearly no path has anything to decode.
    return F.when(path.contains("%"), decoded).otherwise(path).alias("source_file_name")


class _Lines:
    """JSON Lines: Spark's text source keeps the bytes of each line untouched."""

    def __init__(self, spark: SparkSession, source: Source, batch: Batch) -> None:
        self._spark, self.source, self._batch = spark, source, batch
        self.damage: Mapping[str, str] = {}

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        return self._text(files, despite_damage=despite_damage, whole=False).select(
            F.col("value").alias("line"), F.lit(None).cast("string").alias("unreadable"), file_name()
        )

    def _text(self, files: Sequence[str] | None, *, despite_damage: bool, whole: bool) -> DataFrame:
        reader = self._spark.read.option("pathGlobFilter", self._batch.layout.glob)
        paths = [literal(path) for path in (self._batch.paths if files is None else files)]
        return reader.option("ignoreCorruptFiles", despite_damage).text(paths, wholetext=whole)

    def parse(self, rows: DataFrame) -> DataFrame:
        return parse(rows, self.source)


class _Arrays(_Lines):
    """Each file one array of objects. Read whole: a file must fit into an executor several times over."""

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        text = self._text(files, despite_damage=despite_damage, whole=True).select("value", file_name())
        value = F.ltrim(F.col("value"), F.lit(" \t\r\n\ufeff"))
        # A variant keeps each number as it was written; text that follows the array shows inside brackets.
        alone = F.json_array_length(F.concat(F.lit("["), value, F.lit("]"))).eqNullSafe(1) & value.startswith("[")
        good = F.is_valid_utf8("value") & alone
        elements = F.try_variant_get(F.try_parse_json(F.when(good, value)), "$", "array<variant>")
        whole = F.when(F.col("elements").isNull(), F.when(good, TOO_LARGE).otherwise(NOT_AN_ARRAY))
        return (
            text.where(value != "")
            .select("source_file_name", "value", elements.alias("elements"))
            .where(F.col("elements").isNull() | (F.size("elements") > 0))
            .select(
                "source_file_name", "value", whole.alias("unreadable"), F.explode_outer("elements").alias("element")
            )
            .select(
                F.when(F.col("unreadable").isNotNull(), F.left("value", F.lit(1000)))
                .otherwise(F.to_json("element"))
                .alias("line"),
                "unreadable",
                "source_file_name",
            )
        )


class _Csv:
    """CSV with a header, in any order of columns; files of the same header are read together."""

    def __init__(self, spark: SparkSession, source: Source, batch: Batch) -> None:
        self._spark, self.source = spark, source
        paths = [entry.path for entry in batch.objects]
        with ThreadPoolExecutor(8) as threads:
            headers = dict(zip(paths, threads.map(lambda path: header_of(spark, path), paths), strict=True))
        self._headers = {path: header for path, header in headers.items() if header}
        needed = [*source.key, *([source.version] if source.version else [])]
        self.damage: Mapping[str, str] = {
            path: cause for path, header in self._headers.items() if (cause := header_fault(header, needed))
        }

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        groups: dict[tuple[str, ...], list[str]] = {}
        for path in self._headers if files is None else files:
            if path not in self.damage and path in self._headers:
                groups.setdefault(self._headers[path], []).append(path)
        frames = [
            csv_lines(self._spark, header, [literal(path) for path in paths], despite_damage=despite_damage).select(
                "line", "unreadable", "cells", file_name()
            )
            for header, paths in sorted(groups.items())
        ]
        return _together(frames) if frames else _no_rows(self._spark, "cells map<string,string>")

    def parse(self, rows: DataFrame) -> DataFrame:
        return parse_csv(rows, self.source)


class _Parquet:
    """Parquet, by way of JSON: what fits a column is the same for both, and so is what is kept aside."""

    # Else the microseconds would be cut off.
    _OPTIONS: Mapping[str, str] = {
        "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
        "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    }

    def __init__(self, spark: SparkSession, source: Source, batch: Batch) -> None:
        self._spark, self.source = spark, source
        paths = [entry.path for entry in batch.objects]
        with ThreadPoolExecutor(4) as threads:
            schemas = dict(zip(paths, threads.map(self._schema, paths), strict=True))
        self._schemas = {path: schema for path, schema in schemas.items() if schema is not None}
        self.damage: Mapping[str, str] = {
            path: "it is not a Parquet file" for path, schema in schemas.items() if schema is None
        }

    def _schema(self, path: str) -> str | None:
        try:
            return self._spark.read.parquet(literal(path)).schema.json()
        except (Py4JJavaError, PySparkException) as error:
            if "is not a Parquet file" in str(error) or "CANNOT_READ_FILE_FOOTER" in str(error):
                return None
            raise

    def read(self, files: Sequence[str] | None = None, *, despite_damage: bool = False) -> DataFrame:
        groups: dict[str, list[str]] = {}
        for path in self._schemas if files is None else files:
            if path in self._schemas:
                groups.setdefault(self._schemas[path], []).append(path)
        frames = [self._as_json([literal(path) for path in paths]) for _, paths in sorted(groups.items())]
        return _together(frames) if frames else _no_rows(self._spark)

    def _as_json(self, paths: list[str]) -> DataFrame:
        rows = self._spark.read.parquet(*paths)
        columns = [F.col(f"`{name}`").alias(column_name(name)) for name in rows.columns]
        line = F.to_json(F.struct(*columns), dict(self._OPTIONS))
        return rows.select(line.alias("line"), F.lit(None).cast("string").alias("unreadable"), file_name())

    def parse(self, rows: DataFrame) -> DataFrame:
        return parse(rows, self.source)


def column_name(text: str) -> str:
    """What a column is called in a table: "Order ID" is order_id."""
    return re.sub(r"\W+", "_", text.strip().lower(), flags=re.ASCII).strip("_")


def header_of(spark: SparkSession, name: str) -> tuple[str, ...]:
    """The names in the first line of a file; none if the file is empty."""
    context: Any = spark.sparkContext
    java, configuration = context._jvm, context._jsc.hadoopConfiguration()
    path = java.org.apache.hadoop.fs.Path(name)
    codec = java.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(path)
    stream = path.getFileSystem(configuration).open(path)
    try:
        text = java.java.io.InputStreamReader(stream if codec is None else codec.createInputStream(stream), "UTF-8")
        line = java.java.io.BufferedReader(text).readLine()
    except Py4JJavaError as error:
        if not error.java_exception.getClass().getName().startswith(("java.io.EOF", "java.io.IOEx", "java.util.zip")):
            raise
        return ("",)
    finally:
        stream.close()
    if line is None:
        return ()
    return tuple(column_name(name) for name in next(csv.reader([line.removeprefix("\ufeff")]), []))


def header_fault(header: Sequence[str], needed: Sequence[str]) -> str | None:
    """What is wrong with a header, in words; None if nothing is."""
    twice = {name for name in header if header.count(name) > 1}
    if header == ("",):
        return "its first line can't be read"
    if twice:
        return f"its header has {', '.join(sorted(twice))} twice"
    if missing := [name for name in needed if name not in header]:
        return f"its header lacks {', '.join(missing)}"
    return None


def _together(frames: Sequence[DataFrame]) -> DataFrame:
    return reduce(DataFrame.unionByName, frames)


def _no_rows(spark: SparkSession, *more: str) -> DataFrame:
    columns = ["line string", "unreadable string", "source_file_name string", *more]
    return spark.createDataFrame([], ", ".join(columns))
