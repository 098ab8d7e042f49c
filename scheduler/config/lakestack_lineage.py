"""
OpenLineage events as objects of a bucket.

Airflow's OpenLineage provider makes the transport that $AIRFLOW__OPENLINEAGE__TRANSPORT names
(https://openlineage.io/docs/client/python/configuration#custom-transport-type).
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import botocore.session
from botocore.config import Config as ClientConfig
from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport

# A store that does not answer may not hold up a task for long.
_CONNECT_SECONDS, _READ_SECONDS = 2, 4


@attrs.define
class BucketConfig(Config):
    """
    A bucket, and how it is reached.

    Args:
        bucket: Its name.
        region: Where it is.
        path_style: Whether its name is in the path, not in the host's name.
        endpoint: URL of the store (default: AWS's own).
        keys_file: JSON with a `user` and its `key`; default: the identity that the platform gives.
    """

    bucket: str
    region: str
    path_style: bool = False
    endpoint: str | None = None
    keys_file: str | None = None

    @classmethod
    def from_dict(cls, params: dict[str, Any]) -> "BucketConfig":
        """What is configured beside the transport's type."""
        return cls(**{name: value for name, value in params.items() if name != "type"})


class BucketTransport(Transport):
    """
    Adds objects of newline JSON: `<year>/<month>/<day>/<time>-<uuid>.jsonl`, in UTC. They list by the day and in the
    order of time, and no two have one name.
    """

    kind = "bucket"
    config_class = BucketConfig

    def __init__(self, config: BucketConfig) -> None:
        self._config = config

    def emit(self, event: Any) -> None:  # noqa: ANN401
        """Adds an object with one event."""
        self.add([Serde.to_json(event)])

    def add(self, events: Iterable[str]) -> None:
        """Adds an object with some events, each the text of a JSON object."""
        body = "".join(f"{event}\n" for event in events).encode()
        name = f"{datetime.now(UTC):%Y/%m/%d/%H%M%S.%f}-{uuid4()}.jsonl"
        client = self._client()
        client.put_object(Bucket=self._config.bucket, Key=name, Body=body, ContentType="application/x-ndjson")

    def _client(self) -> Any:  # noqa: ANN401
        keys: dict[str, str] = {}
        if self._config.keys_file is not None:
            pair = json.loads(Path(self._config.keys_file).read_text(encoding="utf-8"))
            keys = {"aws_access_key_id": pair["user"], "aws_secret_access_key": pair["key"]}
        return botocore.session.Session().create_client(
            "s3",
            region_name=self._config.region,
            endpoint_url=self._config.endpoint,
            config=ClientConfig(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path" if self._config.path_style else "virtual"},
            ),
            **keys,
        )
