"""
Registers with Spark's master as a program of its own, and says under which ID. The environment has MASTER, its URL, and
SECRET, with which the program shows that it belongs there; without one it tries as it is.
"""

import os

from pyspark.sql import SparkSession

settings = SparkSession.builder.master(os.environ["MASTER"]).config("spark.cores.max", 1)
if secret := os.environ.get("SECRET"):
    settings = (
        settings.config("spark.authenticate", "true")
        .config("spark.authenticate.secret", secret)
        .config("spark.network.crypto.enabled", "true")
        .config("spark.network.crypto.cipher", "AES/GCM/NoPadding")
    )
with settings.getOrCreate() as session:
    print("registered as", session.sparkContext.applicationId)
