"""Which compressed objects can't be decompressed to their end."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lakestack_jobs.objects import Object

# What Hadoop's decompressors throw at a stream that is broken. An error of the network is of another class, and must
# not make a good object look damaged.
_DAMAGE = (
    "java.io.EOFException",
    "java.io.IOException",
    "java.util.zip.ZipException",
    "java.util.zip.DataFormatException",
)


def find_damage(spark: SparkSession, objects: Iterable[Object]) -> dict[str, str]:
    """
    Decompresses each gzipped object in the driver, keeping nothing. Only for a batch whose reading has failed.

    Returns:
        Path and cause of each damaged object.

    Raises:
        Py4JJavaError: an object could not be read for another reason.
    """
    compressed = [entry.path for entry in objects if entry.is_compressed]
    with ThreadPoolExecutor(4) as threads:
        causes = threads.map(lambda path: _damage_of(spark, path), compressed)
        return {path: cause for path, cause in zip(compressed, causes, strict=True) if cause is not None}


def _damage_of(spark: SparkSession, name: str) -> str | None:
    context: Any = spark.sparkContext
    java, configuration = context._jvm, context._jsc.hadoopConfiguration()
    path = java.org.apache.hadoop.fs.Path(name)
    codec = java.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(path)
    try:
        stream = codec.createInputStream(path.getFileSystem(configuration).open(path))
        java.org.apache.hadoop.io.IOUtils.copyBytes(stream, java.java.io.OutputStream.nullOutputStream(), 1 << 16, True)
    except Py4JJavaError as error:
        if error.java_exception.getClass().getName() not in _DAMAGE:
            raise
        return str(error.java_exception.getMessage() or error.java_exception.getClass().getSimpleName())
    return None
