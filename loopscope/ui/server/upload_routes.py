"""A folder from another computer, file by file, straight to the disk: no more of it is in memory than one piece a file.

    POST   /ls/upload/{token}                    {"files": [[name, bytes], …]} → {"upload": its name}
    PUT    /ls/upload/{token}/{upload}/{number}  the bytes of file `number`; once more does no harm
    DELETE /ls/upload/{token}/{upload}           what arrived is removed, unless it is whole

Conventions are those of `messages`: the app's own page alone, errors are `{"error": one sentence}`. A file is there
whole or not at all, at the place that `received` gave it.
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from loopscope.errors import DataError
from loopscope.files import written_whole
from loopscope.ui.server.hosts import is_own_origin
from loopscope.ui.server.messages import Refused, answered, failed, posted
from loopscope.ui.server.published import media_registry
from loopscope.ui.server.received import Upload, Uploads

_LIST_BYTES = 8_000_000  # 10,000 names with their folders
PIECE_BYTES = 2**20


def routes(prefix: str) -> list[Route]:
    """The routes below `prefix`, which begins with a slash."""
    return [
        Route(f"{prefix}/upload/{{token}}", _begin, methods=["POST"]),
        Route(f"{prefix}/upload/{{token}}/{{upload}}/{{number:int}}", _take, methods=["PUT"]),
        Route(f"{prefix}/upload/{{token}}/{{upload}}", _cancel, methods=["DELETE"]),
    ]


async def _begin(request: Request) -> Response:
    uploads = _uploads(request)
    try:
        said = await posted(request, known=uploads is not None, most=_LIST_BYTES)
        assert uploads is not None  # else it was refused
        return answered({"upload": await run_in_threadpool(uploads.begin, _files(said))})
    except Refused as refused:
        return failed(refused.status, str(refused))
    except DataError as error:
        return failed(413, str(error))
    except OSError as error:
        return failed(507, _not_kept(error))


async def _take(request: Request) -> Response:
    try:
        upload, number = _own_upload(request), int(request.path_params["number"])
        if not 0 <= number < len(upload.sizes):
            raise Refused(404, "Not found")
        await _write(request, upload, number)
    except Refused as refused:
        return failed(refused.status, str(refused))
    except ClientDisconnect:
        return failed(400, "The file did not arrive whole.")
    except OSError as error:
        return failed(507, _not_kept(error))
    uploads = _uploads(request)
    if uploads is not None:
        await run_in_threadpool(uploads.note, upload, number)
    return Response(status_code=204)


async def _cancel(request: Request) -> Response:
    try:
        _own_upload(request)
    except Refused as refused:
        return failed(refused.status, str(refused))
    uploads = _uploads(request)
    assert uploads is not None  # it held the upload
    await run_in_threadpool(uploads.cancel, request.path_params["upload"])
    return Response(status_code=204)


async def _write(request: Request, upload: Upload, number: int) -> None:
    """One file from the request to its place. Raises Refused where it is longer or shorter than was said."""
    left = upload.sizes[number]
    with (
        written_whole(upload.base / upload.places[number], durable=False) as part,  # the user has the original
        part.open("wb", buffering=PIECE_BYTES) as out,
    ):
        async for piece in request.stream():
            left -= len(piece)
            if left < 0:
                raise Refused(413, "The file is longer than was said; choose the folder again.")
            await run_in_threadpool(out.write, piece)
        if left > 0:
            raise Refused(400, "The file did not arrive whole.")


def _uploads(request: Request) -> Uploads | None:
    return media_registry().uploads(request.path_params["token"])


def _own_upload(request: Request) -> Upload:
    """The upload that the app's own page speaks of. Raises Refused."""
    if not is_own_origin(request.headers.get("origin", ""), request.headers.get("host", "")):
        raise Refused(403, "Only the app's own page may post here.")
    uploads = _uploads(request)
    upload = None if uploads is None else uploads.get(request.path_params["upload"])
    if upload is None:
        raise Refused(404, "Not found")
    return upload


def _files(said: Any) -> list[tuple[str, int]]:
    """The list of names and sizes that was posted. Raises Refused."""
    files = said.get("files") if isinstance(said, dict) else None
    if not isinstance(files, list) or not all(_is_file(entry) for entry in files):
        raise Refused(400, "The files of a folder are a JSON list of pairs, each a name and a number of bytes.")
    return [(name, size) for name, size in files]


def _is_file(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], str)
        and type(entry[1]) is int
        and entry[1] >= 0
    )


def _not_kept(error: OSError) -> str:
    return f"The upload could not be kept ({error.strerror or error}); free some space and go on."
