"""Reads a table with the two ways that Python has, and prints what they saw.

Arguments: host, user, authority's certificate (PEM file), table. The password comes from the environment.
"""

import os
import sys

import sqlalchemy
from trino.auth import BasicAuthentication
from trino.dbapi import connect

host, user, authority, table = sys.argv[1:]
password = os.environ["TRINO_PASSWORD"]

connection = connect(
    host=host,
    port=8443,
    http_scheme="https",
    verify=authority,
    auth=BasicAuthentication(user, password),
    catalog="iceberg",
    schema="newtral",
)
cursor = connection.cursor()
cursor.execute(f"SELECT count(*) FROM {table}")
print("dbapi rows:", cursor.fetchone()[0])

engine = sqlalchemy.create_engine(
    sqlalchemy.URL.create("trino", user, password, host, 8443, "iceberg/newtral"),
    connect_args={"http_scheme": "https", "verify": authority},
)
with engine.connect() as alchemy:
    print("sqlalchemy rows:", alchemy.execute(sqlalchemy.text(f"SELECT count(*) FROM {table}")).scalar())
inspector = sqlalchemy.inspect(engine)
print("sqlalchemy tables:", " ".join(sorted(inspector.get_table_names("newtral"))))
print("sqlalchemy columns:", " ".join(column["name"] for column in inspector.get_columns(table, "newtral")))
