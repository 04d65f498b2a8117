"""The explorer's server: a socket on this machine, a browser that opens, Ctrl-C that ends it."""

from __future__ import annotations

import errno
import socket
import threading
import time
import webbrowser
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tokenspace.errors import OutputError
from tokenspace.explorer import lists
from tokenspace.explorer.app import application
from tokenspace.explorer.safety import Doors

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tokenspace.explorer.opened import Opened

PORT = 8642
TRIED = 20
"""Ports after the first that are tried where nobody asked for a certain one."""

CONNECTIONS = 1024
"""Open at a time; the next is told to come back."""

PAINTED = 1.5
"""Seconds until the page should stand: two cores have enough to do until then."""

SLOW = 15.0
"""Seconds a caller may take to send the head of its first request."""


class Patient(H11Protocol):
    """HTTP/1.1 that hangs up on callers who connect and say nothing, or say it a letter at a time."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to count."""
        super().connection_made(transport)
        self._silence = self.loop.call_later(SLOW, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._silence.cancel()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        if self.cycle is None:
            self.transport.close()


def serve(
    tables: Sequence[Opened],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    open_browser: bool = False,
    model: str | Path | None = None,
    told: Callable[[str], object] = print,
) -> None:
    """Serve the explorer until Ctrl-C.

    Parameters
    ----------
    tables : sequence of Opened
    host : str, default "127.0.0.1"
        Where to listen. On anything but loopback the address that is told ends in a token, and nobody is let in without it.
    port : int, optional
        0 for any that is free. Left out, 8642 or one of the next that is free.
    open_browser : bool
        Whether the user's browser is opened on the page.
    model : path, optional
        The Transformer of the attention view.
    told : callable
        Called with the page's address once the server listens.

    Raises
    ------
    OutputError
        If it cannot listen there.
    KeyboardInterrupt
        When stopped with Ctrl-C, after open answers are sent.
    """
    doors = Doors.of(host)
    listening = listen(host, port)
    app = application(tables, doors=doors, model=model)
    address = address_of(host, listening.getsockname()[1], doors)
    config = uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        backlog=256,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=1 << 17,
    )
    threading.Thread(target=_warm, args=(tables[0],), daemon=True).start()  # not before: it would hold the imports up
    told(address)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


def _warm(opened: Opened) -> None:
    """Work out the first list while the browser starts and, when it should be painted, what makes the next ones quick."""
    lists.opening(opened)
    time.sleep(PAINTED)
    opened.code()


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket bound to a host and port, or to the next free one where no port was asked for.

    Raises
    ------
    OutputError
        If there is no such host, or the port is taken.
    """
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host or None, port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        message = f"cannot listen on {host!r}: {error.strerror or error}"
        raise OutputError(message, hint="--host 127.0.0.1 is this machine") from None
    for candidate in [port] if port is not None else range(PORT, PORT + TRIED):
        # asyncio sends small answers at once (TCP_NODELAY) only where a socket says that it is TCP; else each may wait 40 ms for an ACK
        found = socket.socket(family, kind, proto)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((where[0], candidate, *where[2:]))
            found.listen(256)
        except OSError as error:
            found.close()
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            problem = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
            message = f"port {candidate} of {host} {problem}"
            raise OutputError(message, hint="--port 0 takes any that is free") from None
        return found
    message = f"ports {PORT} to {PORT + TRIED - 1} of {host} are all taken"
    raise OutputError(message, hint="--port 0 takes any that is free")


def address_of(host: str, port: int, doors: Doors) -> str:
    """Return the address to open in a browser."""
    name = socket.gethostname() if doors.addresses else host
    name = f"[{name}]" if ":" in name else name  # IPv6
    extra = f"?token={doors.token}" if doors.token else ""
    return f"http://{name}:{port}/{extra}"
