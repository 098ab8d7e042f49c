"""
Finds the keys of a batch in a table by Arrow, as a job does in a very large one: every tenth key of the table's and as
many of others. Prints on how many processors, how many keys there are and how many were found. The environment has
TABLE, named with its catalog, and KEY; what it runs on is the command's business.
"""

import os

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakestack_jobs.catalog import current_snapshot
from lakestack_jobs.key_columns import read_present

table, key = os.environ["TABLE"], os.environ["KEY"]
with SparkSession.builder.appName("find keys").getOrCreate() as spark:
    there = spark.table(table).select(key).where(F.pmod(F.xxhash64(key), F.lit(10)) == 0)
    rows = there.union(there.select(F.concat(F.col(key), F.lit("x")))).persist()
    snapshot = current_snapshot(spark, table)
    assert snapshot is not None, f"{table} is empty"
    found = read_present(spark, table, snapshot, rows, [key])
    assert found is not None, "Arrow did not read the table"
    right = found.join(there, key, "left_semi").count()
    print("master", spark.sparkContext.master, "keys", there.count(), "found", found.count(), "right", right)
