"""SeaweedFS: S3 storage that checks the V4 signatures that boto3 makes."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.counterparts.install import environment
from tests.counterparts.running import free_ports, running, wait_until

_KEY, _SECRET, _BUCKET = "AKIACOUNTERPART", "not-so-secret", "flowflex"
_LIFETIME = 7200
_SERVICES = ("master", "volume", "filer", "s3")


class SeaweedFS:
    """A running SeaweedFS; `storage` is the port of its S3 service."""

    def __init__(self, storage: int) -> None:
        self.storage = storage
        self._own = _client(f"http://127.0.0.1:{storage}")

    @classmethod
    @contextmanager
    def started(cls, program: Path, directory: Path, home: Path) -> Generator["SeaweedFS"]:
        """Run it while the block runs."""
        credentials = [{"accessKey": _KEY, "secretKey": _SECRET}]
        identities = [{"name": "flowflex", "credentials": credentials, "actions": ["Admin", "Read", "Write"]}]
        (home / "s3.json").write_text(json.dumps({"identities": identities}))
        ports = free_ports(2 * len(_SERVICES))
        services = dict(zip(_SERVICES, zip(ports[::2], ports[1::2], strict=True), strict=True))
        listening = [f"-{name}.port={port}" for name, (port, _) in services.items()]
        listening += [f"-{name}.port.grpc={port}" for name, (_, port) in services.items()]
        command: list[str | Path] = [program, "-logtostderr=true", "server", "-filer", "-s3", "-s3.port.iceberg=0"]
        command += [f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *listening]
        command += [f"-s3.config={home}/s3.json", "-master.volumeSizeLimitMB=64"]
        # boto3 lies beside the program, behind all that is installed.
        sys.path.append(str(directory / "pypi"))
        try:
            with running(command, [services["s3"][0]], home / "seaweedfs.log", environment(directory)):
                storage = cls(services["s3"][0])
                wait_until(storage._has_bucket, "SeaweedFS has made a bucket")
                yield storage
        finally:
            sys.path.remove(str(directory / "pypi"))
            # Some of its sockets can be nowhere else, and it leaves them there.
            for port in ports:
                for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink()

    def url(self, origin: str, asset: str, mime: str, *, age: float = 0) -> str:
        """Return the URL to put an asset to, presigned by boto3 as if that had been `age` seconds ago."""
        now: Any = import_module("botocore.compat").get_current_datetime
        with patch("botocore.auth.get_current_datetime", lambda: now() - timedelta(seconds=age)):
            target = {"Bucket": _BUCKET, "Key": asset, "ContentType": mime}
            url: str = _client(origin).generate_presigned_url("put_object", Params=target, ExpiresIn=_LIFETIME)
            return url

    def read(self, asset: str) -> bytes | None:
        """Return what is stored of an asset."""
        try:
            content: bytes = self._own.get_object(Bucket=_BUCKET, Key=asset)["Body"].read()
        except self._own.exceptions.NoSuchKey:
            return None
        return content

    def empty(self) -> None:
        """Forget what is stored."""
        for stored in self._own.list_objects_v2(Bucket=_BUCKET).get("Contents", []):
            self._own.delete_object(Bucket=_BUCKET, Key=stored["Key"])

    def _has_bucket(self) -> bool:
        try:
            self._own.create_bucket(Bucket=_BUCKET)
        except self._own.exceptions.ClientError:  # its parts come up one after another
            return False
        return True


def _client(origin: str) -> Any:
    config = import_module("botocore.config").Config(
        signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
    )
    return import_module("boto3").client(
        "s3",
        endpoint_url=origin,
        aws_access_key_id=_KEY,
        aws_secret_access_key=_SECRET,
        region_name="us-east-1",
        config=config,
    )
