"""Who may ask a service from a browser: an ASGI app around all others that checks Host and Origin.

A page on the internet can reach a service on the reader's own machine. It lets its own name point to
127.0.0.1 (DNS rebinding), and then the browser takes the service for a part of that page. Such a
request names the page's host in `Host`, so only known names are answered. A page that asks without
this trick names itself in `Origin`. Nothing here needs a route of its own, so every route is checked.
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
    """Passes a request on to `app` if its Host and its Origin are allowed, else refuses it unread.

    Allowed hosts are the loopback names, the address at which the connection arrived, and `names`;
    an allowed origin is the asked host itself with its port, or one of `names` without a port.
    """

    def __init__(self, app: Any, names: str | None = None) -> None:
        given = os.environ.get(VARIABLE, "") if names is None else names
        self._app = app
        self._names = frozenset(canonical(name) for name in given.split(",") if name.strip())
        # The same few hosts come again and again; a stranger's many cannot fill the memory.
        self._refusal = lru_cache(maxsize=512)(self._judge)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or hand it on."""
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

    def _judge(self, host: bytes | None, origin: bytes | None, arrived: str) -> int:
        """Return the status that refuses this request, or 0."""
        asked = _name(_text(host))
        if asked is None:
            return _MISDIRECTED
        if not (_is_loopback(asked) or asked in self._names or asked == _address(arrived)):
            return _MISDIRECTED
        if origin is None:
            return 0
        match = _ORIGIN.fullmatch(_text(origin))
        if match is None:
            return _FORBIDDEN
        page = _DEFAULT_PORT.sub("", match["host"])
        same = page == _DEFAULT_PORT.sub("", _text(host))
        # Behind a proxy that asks under another name; another port there is another site.
        named = not _PORT.search(page) and _name(page) in self._names
        return 0 if same or named else _FORBIDDEN


async def _refuse(send: Any, status: int) -> None:
    content = _REFUSALS[status]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        # The body was not read, so the connection cannot go on.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def canonical(name: str) -> str:
    """Return a host name as it is compared: lower case, no dot at its end, addresses in one form.

    Raises:
        ValueError: it is no host name: it has a scheme, a port, a path, or nothing at all.
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
    """Return the name in `NAME[:PORT]`, as it is compared, or None if that is no host."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    name = match["name"].removesuffix(".")
    if name.startswith("["):
        return _address(name[1:-1]) or None
    return _address(name) or name


def _address(text: str) -> str:
    """Return an IP address in its one form (IPv4 also where it stands inside IPv6), or nothing."""
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
