"""Who may ask: hosts, origins, a token beyond this machine, bounded requests; and what the page may do: a strict policy."""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "tokenspace"
BODY = 1 << 16
"""Bytes of a request's body."""
PATIENCE = 10.0
"""Seconds a body may take to come."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """Under which names the explorer may be asked, and with what.

    Attributes
    ----------
    hosts : frozenset of str
        Names accepted in the Host header, without port. A page of another site that has its own name point here (DNS rebinding) sends
        its own name, and is refused.
    addresses : bool
        Whether any IP address is accepted as a host: where the server listens on all of them.
    token : str
        What must be known beyond loopback; empty on loopback.
    """

    hosts: frozenset[str]
    addresses: bool = False
    token: str = ""

    @classmethod
    def of(cls, host: str) -> Doors:
        """Return the doors of a server that listens on a host."""
        if is_loopback(host):
            return cls(frozenset({"localhost", "127.0.0.1", "::1", host.lower()}))
        everywhere = host in {"0.0.0.0", "::", ""}  # noqa: S104 - recognised, not bound
        names = {host.lower(), "localhost", socket.gethostname().lower(), socket.getfqdn().lower()}
        return cls(frozenset(names), everywhere, secrets.token_urlsafe(24))

    def admits(self, authority: str) -> bool:
        """Return whether a Host header names this server."""
        name = host_of(authority)
        if name is None:
            return False
        if name in self.hosts:
            return True
        if not self.addresses:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(authority: str) -> str | None:
    """Return the name in "name:port" or "[::1]:port", in lower case; None where it is neither."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    strange = parts.username is not None or parts.path or parts.query or parts.fragment or any(letter.isspace() for letter in authority)
    return None if strange or not parts.hostname else parts.hostname.lower()


class Guard:
    """The middleware before everything: refuses what may not ask, bounds bodies, sets the headers of every answer.

    Parameters
    ----------
    app : ASGI application
    doors : Doors
    """

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app, self.doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        headers: dict[str, list[str]] = {}
        for key, value in scope["headers"]:
            headers.setdefault(key.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        cookie: list[str] = []

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.encode(), value.encode()) for key, value in HEADERS.items()] + [
                    (b"set-cookie", one.encode()) for one in cookie
                ]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        refusal = self._refusal(scope, headers) or self._stranger(scope, headers, cookie)
        if refusal is None and scope["method"] == "POST":
            try:
                receive = await _whole(receive)
            except (ValueError, TimeoutError) as error:
                refusal = (413, str(error)) if isinstance(error, ValueError) else (408, "the body did not come in time")
        if refusal is not None:
            await _refuse(sending, *refusal)
            return
        await self.app(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Return why a request may not be answered, whoever sends it."""
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not self.doors.admits(hosts[0]):
            return 421, f"expected one of {', '.join(sorted(self.doors.hosts))} as the host; seen {', '.join(hosts)[:80] or 'none'}"
        for origin in headers.get("origin", []):
            scheme, _, authority = origin.partition("://")
            if scheme not in {"http", "https"} or authority.lower() != hosts[0].lower():
                return 403, f"another site, {origin[:80]}, may not ask"
        if headers.get("sec-fetch-site", ["none"])[0] not in {"none", "same-origin"} and scope["path"] != "/":
            return 403, "another site may not ask"
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return 405, f"{scope['method'][:20]} is not answered"
        if scope["method"] == "POST" and headers.get("content-type", [""])[0].partition(";")[0].strip().lower() != "application/json":
            return 415, "expected a body of application/json"
        return None

    def _stranger(self, scope: Scope, headers: dict[str, list[str]], cookie: list[str]) -> tuple[int, str] | None:
        """Return why a caller beyond this machine is refused; None, and a cookie for the page's own requests, where it has the token."""
        if not self.doors.token:
            return None
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])
        if given and _same(given[0], self.doors.token):
            cookie.append(f"{COOKIE}={self.doors.token}; HttpOnly; SameSite=Strict; Path=/")
            return None
        for one in headers.get("cookie", []):
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(one)
            except CookieError:
                continue
            if COOKIE in jar and _same(jar[COOKIE].value, self.doors.token):
                return None
        return 401, "open the address that tokenspace explore printed: it ends in ?token=..."


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


async def _whole(receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Read a body of bounded size in bounded time; return what hands it on."""
    parts, size = [], 0
    with anyio.fail_after(PATIENCE):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return lambda: _ready(message)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > BODY:
                text = f"expected a body of at most {BODY:,} bytes"
                raise ValueError(text)
            if not message.get("more_body", False):
                break
    return lambda: _ready({"type": "http.request", "body": b"".join(parts), "more_body": False})


async def _ready(message: Message) -> Message:
    return message


async def _refuse(send: Send, status: int, message: str) -> None:
    document: dict[str, Any] = {"error": {"type": "Refused", "message": message, "hint": ""}}
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
