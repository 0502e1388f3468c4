"""Stand-ins on this machine for where archives and loops may lie elsewhere: S3, Google Cloud Storage, memory."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import fsspec
import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

KINDS = ("memory", "s3", "gs")


@contextmanager
def bucket_of(kind: str) -> Iterator[str]:
    """The address of an empty bucket, for this process and those that it starts; of memory for this process alone."""
    root = "memory:///" if kind == "memory" else f"{kind}://"
    address = f"{root}{uuid.uuid4()}"  # what is kept, all servers of a process may share
    with ExitStack() as stack:
        if kind != "memory":
            stack.enter_context(STAND_INS[kind]())
            fsspec.get_filesystem_class(kind).clear_instance_cache()  # they know where another one was
            fsspec.filesystem(kind).mkdir(address)
        yield address


@contextmanager
def s3_stand_in() -> Iterator[None]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ACCESS_KEY_ID", "a")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            yield
    finally:
        server.stop()


@contextmanager
def gcs_stand_in() -> Iterator[None]:
    with create_server("127.0.0.1", 0, in_memory=True) as server, pytest.MonkeyPatch.context() as patch:
        google_keeps_away(patch, f"http://127.0.0.1:{server._api._httpd.server_port}")
        yield


def google_keeps_away(patch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Nobody's keys are looked for, and the endpoint is asked."""
    patch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    patch.setenv("NO_GCE_CHECK", "true")
    patch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    patch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


STAND_INS = {"s3": s3_stand_in, "gs": gcs_stand_in}
