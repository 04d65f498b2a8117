"""The explorer as one ASGI application: the page's files, held in memory, and the interface of `api`, in three queues."""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tokenspace.errors import ArgumentError, MissingExtraError, RowIdError, TokenspaceError, UnknownTokenError
from tokenspace.explorer import api
from tokenspace.explorer.answers import called, json_of
from tokenspace.explorer.attending import Attentive
from tokenspace.explorer.columns import Column
from tokenspace.explorer.maps import Workshop
from tokenspace.explorer.opened import Opened, Tables
from tokenspace.explorer.page import page_files
from tokenspace.explorer.safety import Doors, Guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request

    from tokenspace.explorer.api import Endpoint, Parameter

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
WAITING = 512
"""Requests that may stand in one queue; the next is told to come back. Each holds a few kB."""

STATUS = ((UnknownTokenError, 404), (RowIdError, 404), (MissingExtraError, 501), (TokenspaceError, 400), (MemoryError, 503))


class Lanes:
    """Three queues, one call at a time in each: who comes first is served first, and long work stands in nobody's way.

    A search uses all threads that it may; two at once would take twice as long each. So 200 callers wait for their turn, and hold a
    queue's place and no more.
    """

    def __init__(self) -> None:
        self._limits: dict[str, anyio.CapacityLimiter] = {}

    async def run(self, lane: str, call: Any, gone: Any) -> Any:
        """Run a call in its lane unless its caller has gone meanwhile; OverflowError where too many wait."""
        limit = self._limits.setdefault(lane, anyio.CapacityLimiter(1))
        if limit.statistics().tasks_waiting >= WAITING:
            message = f"{WAITING} requests are waiting"
            raise OverflowError(message)
        async with limit:
            return None if await gone() else await anyio.to_thread.run_sync(call)


def application(
    tables: Sequence[Opened],
    *,
    doors: Doors | None = None,
    model: str | Path | None = None,
    boot: dict[str, Any] | None = None,
) -> Guard:
    """Return the explorer as an ASGI application.

    Parameters
    ----------
    tables : sequence of Opened
        What it shows; the first is what the page opens with. Nothing else can be reached.
    doors : Doors, optional
        Who may ask; left out, this machine only.
    model : path, optional
        The Transformer of the attention view.
    boot : dict, optional
        What the page is told beside the tables.

    Returns
    -------
    Guard
        `Starlette` behind the checks of `tokenspace.explorer.safety`.
    """
    world = api.World(Tables(tables), Attentive(model), Workshop(), dict(boot or {}))
    lanes = Lanes()
    description = json_of(api.openapi())
    routes = [
        Route(f"{api.ROOT}/openapi.json", lambda _request: Response(description, media_type="application/json")),
        *_files(),
    ]
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in api.ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    routes += [Route(api.ROOT + path, partial(_answer, world, lanes, by), methods=list(by)) for path, by in paths.items()]
    return Guard(Starlette(routes=routes, exception_handlers={404: _nothing, 405: _nothing, 500: _broken}), doors or Doors.of("127.0.0.1"))


async def _answer(world: api.World, lanes: Lanes, by: dict[str, Endpoint], request: Request) -> Response:
    """Read the parameters, wait for the lane, answer; every error of ours becomes a document that says what to do."""
    endpoint = by.get(request.method) or by["GET"]
    try:
        given = _query(request, endpoint.parameters) if endpoint.method == "GET" else await _body(request)
        answer = await lanes.run(endpoint.lane, partial(_answered, endpoint, world, given), request.is_disconnected)
    except OverflowError as error:
        return _failed(503, "Busy", f"too much at once: {error}", "ask again in a second", {"retry-after": "1"})
    except (TokenspaceError, MemoryError) as error:
        return _told(error)
    return answer if isinstance(answer, Response) else _sent(answer, request)


def _sent(answer: Any, request: Request) -> Response:
    """Return an answer as it is sent: a column as bytes, a picture as it is, a document as JSON."""
    if isinstance(answer, Column):
        tag = f'"{hashlib.sha256(answer.data).hexdigest()[:24]}"'
        headers = {"etag": tag, "cache-control": "private, no-cache", "x-column": json_of(answer.header).decode("ascii")}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(answer.data, media_type="application/octet-stream", headers=headers)
    body, kind = answer if isinstance(answer, tuple) else (json_of(answer), "application/json")
    return Response(body, media_type=kind, headers={"cache-control": "no-store"})


def _answered(endpoint: Endpoint, world: api.World, given: dict[str, Any]) -> Any:
    """Call in the lane's thread; an error's hint is worked out there as well, since nearest spellings take a while."""
    try:
        return called(endpoint, world, given)
    except TokenspaceError as error:
        return _told(error, live=given.get("live") == "true")


def _query(request: Request, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the query string's parameters; a surrogate that stands for an undecodable byte comes back as that byte."""
    query = request.query_params
    return {one.name: query.getlist(one.name) if one.many else query[one.name] for one in parameters if one.name in query}


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        message = f"expected a JSON object as the body: {error}"
        raise ArgumentError(message) from None
    if not isinstance(body, dict):
        message = f"expected a JSON object as the body; seen {type(body).__name__}"
        raise ArgumentError(message)
    return body


def _no_number(name: str) -> float:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _told(error: TokenspaceError | MemoryError, *, live: bool = False) -> Response:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if isinstance(error, MemoryError):
        return _failed(status, "MemoryError", "out of memory", "ask for less at a time")
    return _failed(200 if live else status, type(error).__name__, error.message, "" if live else error.hint)


def _failed(status: int, kind: str, message: str, hint: str = "", headers: dict[str, str] | None = None) -> Response:
    body = json_of({"error": {"type": kind, "message": message, "hint": hint}})
    return Response(body, status_code=status, media_type="application/json", headers={"cache-control": "no-store", **(headers or {})})


async def _nothing(_request: Request, error: Exception) -> Response:
    status = int(getattr(error, "status_code", 404))
    return _failed(status, "NotFound" if status == 404 else "Refused", "there is nothing at this address", f"see {api.ROOT}/openapi.json")  # noqa: PLR2004


async def _broken(_request: Request, error: Exception) -> Response:
    return _failed(500, type(error).__name__, "the explorer failed; the terminal has the details")


def _files() -> list[Route]:
    """Return a route for each file of the page. They are read once, here: no address is ever made into a path."""
    routes = []
    for name, data in page_files().items():
        suffix = name[name.rindex(".") :]
        if suffix in TYPES:
            address = "/" if name == "index.html" else f"/static/{name}"
            routes.append(Route(address, partial(_file, data, gzip.compress(data, 6, mtime=0), TYPES[suffix])))
    return routes


async def _file(data: bytes, packed: bytes, kind: str, request: Request) -> Response:
    smaller = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{hashlib.sha256(data).hexdigest()[:24]}"'
    fresh = "max-age=3600" if kind == TYPES[".svg"] else "no-cache"  # the browser asks for the icon again whenever the title changes
    headers = {"etag": tag, "cache-control": fresh, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if smaller:
        headers["content-encoding"] = "gzip"
    return Response(packed if smaller else data, media_type=kind, headers=headers)
