"""An ASGI app around all others that checks Host and Origin, against requests from foreign web pages.

A page on the internet can reach a service on the reader's own machine: its host name resolves to 127.0.0.1 (DNS
rebinding), and the browser treats the service as a part of that page. Such a request has the page's host name in
`Host`, so only known names are answered. A page that does not use DNS rebinding is named in `Origin`. Every route is
checked.
"""

from __future__ import annotations

import ipaddress
import os
import re
from functools import lru_cache
from typing import Any

#: The environment variable with more names, separated by commas: `ml.example.org,10.0.0.7`.
VARIABLE = "MLOPS_SERVICE_ALLOW_HOSTS"

_MISDIRECTED, _FORBIDDEN = 421, 403
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9_-][a-z0-9._-]{0,253})(?::\d{1,5})?")
_ORIGIN = re.compile(r"https?://(?P<host>[^/?#@\s]+)")
_PORT = re.compile(r":\d+$")
_DEFAULT_PORT = re.compile(r":(?:80|443)$")
_REFUSALS = {
    _MISDIRECTED: b'{"error":"This service does not answer to that host name. '
    b'Allow it: %mlops service start NAME --allow-host HOST"}',
    _FORBIDDEN: b'{"error":"This service does not answer pages of another site. Ask it from a program"}',
}


class HostCheck:
    """Pass a request on to `app` if its Host and Origin are allowed, else refuse it without reading its body.

    Allowed hosts are the loopback names, the local address of the connection, and `names`. An allowed
    origin is the requested host with its port, or one of `names` without a port.
    """

    def __init__(self, app: Any, names: str | None = None) -> None:
        listed = os.environ.get(VARIABLE, "") if names is None else names
        self._app = app
        self._names = frozenset(canonical(name) for name in listed.split(",") if name.strip())
        # Usually few hosts repeat; the limit bounds the memory if a client sends many.
        self._refusal = lru_cache(maxsize=512)(self._refusal_status)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse one request, or pass it on."""
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        host: bytes | None = None
        origin: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value if host is None else b""
            elif name == b"origin":
                origin = value if origin is None else b""
        status = self._refusal(host, origin, (scope.get("server") or ("",))[0])
        if not status:
            await self._app(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(send, status)

    def _refusal_status(self, host: bytes | None, origin: bytes | None, local: str) -> int:
        """Return the status for refusing this request, or 0 if it is allowed."""
        name = _name(_text(host))
        if name is None:
            return _MISDIRECTED
        if not (_is_loopback(name) or name in self._names or name == _address(local)):
            return _MISDIRECTED
        if origin is None:
            return 0
        match = _ORIGIN.fullmatch(_text(origin))
        if match is None:
            return _FORBIDDEN
        page = _DEFAULT_PORT.sub("", match["host"])
        same = page == _DEFAULT_PORT.sub("", _text(host))
        # A proxy may send another Host than the page's. With another port, it is another site.
        allowed = not _PORT.search(page) and _name(page) in self._names
        return 0 if same or allowed else _FORBIDDEN


async def _refuse(send: Any, status: int) -> None:
    content = _REFUSALS[status]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        # The body was not read, so the connection cannot be used again.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def canonical(name: str) -> str:
    """Return a host name in canonical form: lower case, no final dot, one form for an address.

    Raises:
        ValueError: it is not a host name: it is empty, or has a scheme, a port or a path.
    """
    name = name.strip().lower()
    address = _address(name.strip("[]"))
    if address:
        return address
    try:
        name = name.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(name) from None
    match = _HOST.fullmatch(name)
    if match is None or match["name"] != name:
        raise ValueError(name)
    return name.removesuffix(".")


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    return _address(host) != ""


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1").lower()


def _name(host: str) -> str | None:
    """Return the name in `NAME[:PORT]` in canonical form, or None if it is not a host."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    name = match["name"].removesuffix(".")
    if name.startswith("["):
        return _address(name[1:-1]) or None
    return _address(name) or name


def _address(text: str) -> str:
    """Return an IP address in canonical form (IPv4-mapped IPv6 as IPv4), or an empty text."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _is_loopback(name: str) -> bool:
    return name in {"localhost", "::1"} or (
        name.startswith("127.") and _address(name) != "" and ":" not in name
    )
