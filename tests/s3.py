"""A stand-in for S3 on this machine, for tests of archives and loops that lie elsewhere."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def s3_stand_in() -> Iterator[str]:
    """The address of an empty bucket, for this process and those that it starts."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "a")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            fsspec.get_filesystem_class("s3").clear_instance_cache()  # they know where another one was
            yield f"s3://{uuid.uuid4()}"  # what is kept, all servers of a process share
    finally:
        server.stop()
