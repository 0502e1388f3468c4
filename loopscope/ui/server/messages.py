"""What the browser says and asks beside Streamlit's own traffic: the pulse, marks and notes, how it looks at a project.

Conventions: answers are JSON and never kept by a cache; an error is `{"error": one sentence}`. What is posted is taken
from the app's own page alone: `Origin` must be the host that was asked, the content type JSON, which no page of another
origin can send without being asked first. Sizes are bounded before anything is read into memory.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loopscope.errors import DataError, LoopscopeError, StoreError
from loopscope.store import Store
from loopscope.store.records import MARK_NAMES
from loopscope.ui.server.hosts import is_own_origin
from loopscope.ui.server.published import Take, media_registry

LONGEST_NOTE = 2000  # characters
_OUTBOX_BYTES, _VIEW_BYTES = 256_000, 16_000
_MOST_ENTRIES = 1000
_HIGHEST_SERIAL = 2**53  # beyond it a browser's numbers have gaps
_NOT_KEPT = {"Cache-Control": "no-store"}


def routes(prefix: str) -> list[Route]:
    """The routes below `prefix`, which begins with a slash."""
    return [
        Route(f"{prefix}/pulse/{{token}}", _pulse, methods=["GET"]),
        Route(f"{prefix}/outbox/{{token}}", _outbox, methods=["POST"]),
        Route(f"{prefix}/view/{{token}}", _view, methods=["POST"]),
    ]


def kept_in(store: Store) -> Take:
    """What `publish_outbox` needs for marks and notes to be kept in this database."""

    def take(kind: str, loop_id: str, value: str | None) -> None:
        if kind == "mark":
            store.set_mark(loop_id, value)
        else:
            store.set_note(loop_id, value or "")

    return take


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def _pulse(request: Request) -> Response:
    make = media_registry().pulse(request.path_params["token"])
    if make is None:
        return failed(404, "Not found")
    try:
        return answered(dict(make()))
    except LoopscopeError as error:
        return failed(500, str(error))


async def _outbox(request: Request) -> Response:
    published = media_registry().outbox(request.path_params["token"])
    try:
        entries = _entries(await posted(request, known=published is not None, most=_OUTBOX_BYTES))
    except Refused as refused:
        return failed(refused.status, str(refused))
    assert published is not None  # else it was refused
    take, loops = published
    return await run_in_threadpool(_taken, entries, take, loops.__contains__)


async def _view(request: Request) -> Response:
    keep = media_registry().view(request.path_params["token"])
    try:
        view = await posted(request, known=keep is not None, most=_VIEW_BYTES)
        if not isinstance(view, dict):
            raise Refused(400, "A view is a JSON object.")
        assert keep is not None  # else it was refused
        await run_in_threadpool(keep, view)
    except Refused as refused:
        return failed(refused.status, str(refused))
    except LoopscopeError as error:
        return failed(507 if isinstance(error, StoreError) else 500, str(error))
    return Response(status_code=204, headers=_NOT_KEPT)


async def posted(request: Request, *, known: bool, most: int) -> Any:
    """The JSON that a page of ours sent; `known`: whether the session is. Raises Refused."""
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "")
    if not is_own_origin(origin, host):
        raise Refused(403, "Only the app's own page may post here.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "Post JSON, with the content type application/json.")
    if not known:
        raise Refused(404, "Not found")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Refused(413, f"A body has at most {most:,} bytes; send less at a time.")
    except ClientDisconnect:
        raise Refused(400, "The body did not arrive whole.") from None
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _entries(said: Any) -> list[dict[str, Any]]:
    """The posted entries, each with a serial number; what else they hold is checked one by one. Raises Refused."""
    if not isinstance(said, list) or not all(isinstance(entry, dict) for entry in said):
        raise Refused(400, "Marks and notes are a JSON list of objects.")
    if len(said) > _MOST_ENTRIES:
        raise Refused(400, f"{len(said):,} marks and notes are too many at a time; send at most {_MOST_ENTRIES:,}.")
    for entry in said:
        serial = entry.get("serial")
        if type(serial) is not int or not 0 <= serial <= _HIGHEST_SERIAL:
            raise Refused(400, "Every mark and note needs a serial number, a whole number from 0 to 2^53.")
    return said


def _taken(entries: list[dict[str, Any]], take: Take, holds: Callable[[str], bool]) -> Response:
    """Stores the entries one after another and says which were; ends at the first that cannot be stored now."""
    acknowledged: list[int] = []
    refused: list[dict[str, Any]] = []
    answer = {"acknowledged": acknowledged, "refused": refused}
    for entry in entries:
        serial, kind, loop_id, value = (entry.get(name) for name in ("serial", "kind", "loop_id", "value"))
        reason = _unfit(kind, loop_id, value)
        if reason:
            refused.append({"serial": serial, "reason": reason})
        elif not holds(str(loop_id)):
            refused.append(
                {"serial": serial, "reason": "Its loop is not in the folder that is open.", "elsewhere": True}
            )
        else:
            try:
                take(str(kind), str(loop_id), value)
            except DataError as error:
                refused.append({"serial": serial, "reason": str(error)})
            except LoopscopeError as error:
                status = 507 if isinstance(error, StoreError) else 500
                return answered({**answer, "error": str(error)}, status)
            else:
                acknowledged.append(int(str(serial)))
    return answered(answer)


def _unfit(kind: Any, loop_id: Any, value: Any) -> str:
    """Why an entry cannot be stored whatever the session, empty where it can."""
    if not isinstance(loop_id, str):
        return "A loop is named by its loop_id, a text."
    if kind == "mark":
        named = value is None or (isinstance(value, str) and value in MARK_NAMES)
        return "" if named else f"A mark is one of {', '.join(MARK_NAMES)} or null."
    if kind != "note":
        return "Only marks and notes are taken."
    if not isinstance(value, str) or not _is_unicode(value):
        return "A note is a text in valid Unicode."
    if len(value) > LONGEST_NOTE:
        return f"A note of {len(value):,} characters is too long; {LONGEST_NOTE:,} are kept."
    return ""


def _is_unicode(text: str) -> bool:
    """Whether it can be stored: JSON may carry halves of a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def answered(content: dict[str, Any], status: int = 200) -> Response:
    """An answer in JSON."""
    return JSONResponse(content, status, headers=_NOT_KEPT)


def failed(status: int, sentence: str) -> Response:
    """An error: what, the value, the remedy."""
    return answered({"error": sentence}, status)
