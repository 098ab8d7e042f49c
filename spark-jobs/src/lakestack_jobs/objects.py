"""Which objects of a source belong to an interval of days."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lakestack_jobs.job_error import JobError


@dataclass(frozen=True)
class Interval:
    """Days from `start` to `end`, without `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise JobError(
                f"The interval from {self.start} to {self.end} has no day: the end is not part of it, so it must "
                "come after the start."
            )

    def __str__(self) -> str:
        return f"{self.start}..{self.end}"

    def days(self) -> Iterator[date]:
        """Each day of the interval."""
        for offset in range((self.end - self.start).days):
            yield self.start + timedelta(days=offset)


@dataclass(frozen=True)
class Object:
    """An object that holds rows; `size` is in bytes, `modified` in milliseconds since 1970."""

    path: str
    size: int
    modified: int

    @property
    def is_compressed(self) -> bool:
        """Whether it is gzipped."""
        return self.path.endswith(".gz")


# As a name, and as the pattern that Spark's readers take. Names with _ or . in front are nobody's data, as in all of
# Hadoop's file formats.
_holds_rows = re.compile(r"[^._].*\.json(\.gz)?")
GLOB = "*.{json,json.gz}"


@dataclass(frozen=True)
class Batch:
    """The objects of an interval; `folders` are the days that have any."""

    folders: list[str]
    objects: list[Object]

    @property
    def text_bytes(self) -> int:
        """About how many bytes of text they hold: JSON shrinks to a sixth or less when it is compressed."""
        return sum(entry.size * (6 if entry.is_compressed else 1) for entry in self.objects)


def list_batch(spark: SparkSession, location: str, interval: Interval) -> Batch:
    """
    Lists the objects of an interval, day by day.

    Returns:
        The batch; it has no objects if there are none in the interval, which is the caller's to judge.

    Raises:
        JobError: the bucket or the whole prefix does not exist, or may not be read.
    """
    folders: list[str] = []
    objects: list[Object] = []
    for day in interval.days():
        folder = f"{location}{day:%Y/%m/%d}"
        found = [entry for entry in _list(spark, folder) if _holds_rows.fullmatch(_name(entry.path))]
        if found:
            folders.append(folder)
            objects.extend(found)
    if not objects and not _exists(spark, location):
        raise JobError(
            f"The prefix {location} does not exist: no object's name begins with it. Correct the prefix in "
            "sources.yaml, or put data there."
        )
    return Batch(folders, objects)


def empty_message(location: str, interval: Interval) -> str:
    """Names the prefixes that were looked at."""
    days = list(interval.days())
    first, last = (f"{location}{day:%Y/%m/%d}/" for day in (days[0], days[-1]))
    if len(days) == 1:
        return f"The prefix {first} is empty: it has no object that ends in .json or .json.gz."
    return (
        f"The prefixes {first} to {last} ({len(days)} days) are all empty: they have no object that ends in .json "
        "or .json.gz."
    )


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _list(spark: SparkSession, folder: str) -> list[Object]:
    """The objects directly below a folder; none if there is no such folder."""
    path, file_system = _open(spark, folder)
    try:
        return [
            Object(status.getPath().toString(), status.getLen(), status.getModificationTime())
            for status in file_system.listStatus(path)
            if status.isFile()
        ]
    except Py4JJavaError as error:
        if _class_name(error) == "java.io.FileNotFoundException":
            return []
        raise _explained(error, folder) from error


def _exists(spark: SparkSession, folder: str) -> bool:
    path, file_system = _open(spark, folder)
    try:
        return bool(file_system.exists(path))
    except Py4JJavaError as error:
        raise _explained(error, folder) from error


def _open(spark: SparkSession, folder: str) -> tuple[Any, Any]:
    """The Hadoop path and its file system: what Spark itself reads with, and so with the same credentials."""
    context: Any = spark.sparkContext
    path = context._jvm.org.apache.hadoop.fs.Path(folder)
    try:
        return path, path.getFileSystem(context._jsc.hadoopConfiguration())
    except Py4JJavaError as error:
        raise _explained(error, folder) from error


def _class_name(error: Py4JJavaError) -> str:
    return str(error.java_exception.getClass().getName())


def _explained(error: Py4JJavaError, folder: str) -> Exception:
    """A listing that failed, in words; an error of the network stays what it is, for that is worth another try."""
    explained: Exception = error
    bucket = folder.split("/")[2]
    match _class_name(error).rsplit(".", 1)[-1]:
        case "UnknownStoreException":
            explained = JobError(
                f"The bucket {bucket} does not exist (looking for {folder}). Correct bucket or endpoint in "
                "sources.yaml, or create the bucket."
            )
        case "AccessDeniedException":
            explained = JobError(
                f"The bucket {bucket} may not be read with the credentials of this source (looking for {folder}). "
                "Correct credentials in sources.yaml, or allow them to list and read the bucket."
            )
        case "ConnectException" | "UnknownHostException" | "SocketTimeoutException" as reason:
            explained = ConnectionError(f"the object store does not answer: {reason}, looking for {folder}")
    return explained
