"""Which objects of a source belong to an interval of days."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lakestack_jobs.job_error import JobError
from lakestack_jobs.sources import Source


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

    def __len__(self) -> int:
        return (self.end - self.start).days

    def since(self, days: int) -> "Interval":
        """The interval with some days before it."""
        return Interval(self.start - timedelta(days=days), self.end)

    def days(self) -> Iterator[date]:
        """Each day of the interval."""
        for offset in range(len(self)):
            yield self.start + timedelta(days=offset)


@dataclass(frozen=True)
class Object:
    """
    An object that holds rows; `size` is in bytes, `modified` in milliseconds since 1970, `etag` what the object store
    says of its content, if it does.
    """

    path: str
    size: int
    modified: int
    etag: str | None = None

    @property
    def folder(self) -> str:
        """The path before its name, without "/" at its end."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def mark(self) -> str:
        """Another one when the content is another: by the store's word, else by the time of writing."""
        return f"{self.size}-{self.modified if self.etag is None else self.etag}"

    @property
    def is_compressed(self) -> bool:
        """Whether it is gzipped."""
        return self.path.endswith(".gz")


# How the names of the objects of each format end; each but Parquet may be gzipped.
_ENDINGS = {
    "json-lines": ("json", "jsonl", "ndjson"),
    "json-array": ("json",),
    "csv": ("csv",),
    "parquet": ("parquet",),
}


@dataclass(frozen=True)
class Layout:
    """Where the objects of a source are: `location` ends in "/", `dates` is in the words of strftime."""

    location: str
    dates: str
    format: str

    def folder(self, day: date) -> str:
        """The folder of a day, without "/" at its end."""
        return f"{self.location}{day.strftime(self.dates)}"

    @property
    def endings(self) -> list[str]:
        """How the names of objects end that hold rows."""
        plain = [f".{ending}" for ending in _ENDINGS[self.format]]
        return plain if self.format == "parquet" else [*plain, *(f"{ending}.gz" for ending in plain)]

    @property
    def glob(self) -> str:
        """The same, as the pattern that Spark's readers take."""
        return f"*{{{','.join(self.endings)}}}"

    def holds_rows(self, name: str) -> bool:
        """By its name; those with _ or . in front are nobody's data, as in all of Hadoop's file formats."""
        return name[0] not in "._" and any(name.endswith(ending) for ending in self.endings)


def layout_of(source: Source) -> Layout:
    """Where a source's objects are."""
    return Layout(source.location, source.dates, source.format)


@dataclass(frozen=True)
class Batch:
    """
    The objects of an interval; `days` are the folders that have any, each with its day, `own` counts the objects that
    are not of late days. Of the folders that are `whole` it has all objects.
    """

    layout: Layout
    days: Mapping[str, date]
    objects: list[Object]
    own: int
    whole: frozenset[str]

    @property
    def paths(self) -> list[str]:
        """What a reader is to read: folders, for Spark looks for each path by itself, and single objects of others."""
        single = [entry.path for entry in self.objects if entry.folder not in self.whole]
        return [*(folder for folder in self.days if folder in self.whole), *single]

    @property
    def text_bytes(self) -> int:
        """About how many bytes of text they hold: text shrinks to a sixth or less when it is compressed."""
        packed = self.layout.format == "parquet"
        return sum(entry.size * (6 if packed or entry.is_compressed else 1) for entry in self.objects)

    @property
    def span(self) -> Interval | None:
        """From the first day that it has objects of to the last; None if it has none."""
        if not self.days:
            return None
        return Interval(min(self.days.values()), max(self.days.values()) + timedelta(days=1))

    def only(self, objects: Iterable[Object]) -> "Batch":
        """The batch of some of its objects."""
        some = list(objects)
        counts, before = (Counter(entry.folder for entry in those) for those in (some, self.objects))
        days = {folder: day for folder, day in self.days.items() if folder in counts}
        whole = frozenset(folder for folder in self.whole if counts[folder] == before[folder])
        return replace(self, objects=some, days=days, whole=whole)


def list_batch(spark: SparkSession, layout: Layout, interval: Interval, late_days: int = 0) -> Batch:
    """
    Lists the objects of an interval, day by day.

    Args:
        spark: The session.
        layout: Where to look.
        interval: The days of the run.
        late_days: How many days before are looked at again, for objects that came late.

    Returns:
        The batch; it has no objects if there are none in the interval, which is the caller's to judge.

    Raises:
        JobError: the bucket or the whole prefix does not exist, or may not be read.
    """
    days: dict[str, date] = {}
    objects: list[Object] = []
    own = 0
    for day in interval.since(late_days).days():
        found = [entry for entry in _list(spark, layout.folder(day)) if layout.holds_rows(entry.name)]
        if found:
            days[found[0].folder] = day
            objects.extend(found)
            own += len(found) if day >= interval.start else 0
    if not objects and not _exists(spark, layout.location):
        raise JobError(
            f"The prefix {layout.location} does not exist: no object's name begins with it. Correct the prefix in "
            "sources.yaml, or put data there."
        )
    return Batch(layout, days, objects, own, whole=frozenset(days))


def empty_message(layout: Layout, interval: Interval) -> str:
    """Names the prefixes that were looked at."""
    days = list(interval.days())
    first, last = (f"{layout.folder(day)}/" for day in (days[0], days[-1]))
    endings = f"{', '.join(layout.endings[:-1])} or {layout.endings[-1]}" if layout.endings[1:] else layout.endings[0]
    if len(days) == 1:
        return f"The prefix {first} is empty: it has no object that ends in {endings}."
    return (
        f"The prefixes {first} to {last} ({len(days)} days) are all empty: they have no object that ends in {endings}."
    )


def _list(spark: SparkSession, folder: str) -> list[Object]:
    """The objects directly below a folder; none if there is no such folder."""
    path, file_system = _open(spark, folder)
    try:
        found = [status for status in file_system.listStatus(path) if status.isFile()]
        context: Any = spark.sparkContext
        has_etags = bool(found) and is_instance_of(context._gateway, found[0], "org.apache.hadoop.fs.EtagSource")
        return [
            Object(
                status.getPath().toString(),
                status.getLen(),
                status.getModificationTime(),
                status.getEtag() if has_etags else None,
            )
            for status in found
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
