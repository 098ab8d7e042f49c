"""Events as they were told by Trino 476 and MinIO, shortened by what is left out of a row anyway."""

from typing import Any

QUERY: dict[str, Any] = {
    "metadata": {
        "queryId": "20261129_092938_00006_p5sxj",
        "query": "create table memory.default.t as select * from tpch.tiny.region",
        "queryState": "FINISHED",
        "tables": [
            {
                "catalog": "tpch",
                "schema": "tiny",
                "table": "region",
                "authorization": "bob",
                "columns": [{"column": "regionkey"}, {"column": "name"}],
                "directlyReferenced": True,
            }
        ],
        "plan": "Trino version: 476",
    },
    "statistics": {
        "wallTime": 4.553,
        "physicalInputBytes": 0,
        "physicalInputRows": 5,
        "outputRows": 1,
        "writtenRows": 5,
        "operatorSummaries": ["{}"],
    },
    "context": {"user": "bob", "remoteClientAddress": "172.27.0.1", "userAgent": "curl/7.88.1"},
    "ioMetadata": {"inputs": [], "output": {"catalogName": "memory", "schema": "default", "table": "t"}},
    "createTime": "2026-11-29T09:29:42.939Z",
    "endTime": "2026-11-29T09:29:47.492Z",
}

REFUSED: dict[str, Any] = {
    **QUERY,
    "metadata": {
        "queryId": "20261129_092935_00005_p5sxj",
        "query": "select * from tpch.tiny.orders",
        "queryState": "FAILED",
        "tables": [],
    },
    "statistics": {
        "wallTime": 0.0,
        "physicalInputBytes": 0,
        "physicalInputRows": 0,
        "outputRows": 0,
        "writtenRows": 0,
    },
    "ioMetadata": {"inputs": []},
    "failureInfo": {
        "errorCode": {"code": 4, "name": "PERMISSION_DENIED", "type": "USER_ERROR"},
        "failureMessage": "Access Denied: Cannot select from table tpch.tiny.orders",
    },
    "endTime": "2026-11-29T09:29:38.126Z",
}

REQUEST: dict[str, Any] = {
    "version": "1",
    "time": "2026-11-29T09:32:08.209131062Z",
    "api": {
        "name": "GetObject",
        "bucket": "source",
        "object": "Media/2018/04/01/a.json",
        "status": "OK",
        "statusCode": 200,
        "rx": 0,
        "tx": 1234,
    },
    "remotehost": "172.27.0.1",
    "requestID": "18EC7A3708EAD794",
    "userAgent": "aws-sdk-java/2",
    "accessKey": "spark",
}

ACTION: dict[str, Any] = {
    "id": 17,
    "time": "2026-11-29T10:00:00.000001+00:00",
    "user_name": "admin",
    "action": "trigger_dag_run",
    "dag_id": "etl_spark_media_daily",
    "details": '{"conf": {}}',
}
