"""Every route of the running server, asked as each kind of stranger."""

from __future__ import annotations

import asyncio
import json

import pytest

from jupyter_mlops import trust

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


def routes(web_app):
    """Return (method, route, known) for each route of ours that the running server has."""
    found = []
    for rule in _rules(web_app.default_router):
        pattern = rule.matcher.regex.pattern if hasattr(rule.matcher, "regex") else ""
        if "mlops/api/" not in pattern:
            continue
        route = "mlops/api/" + pattern.rpartition("mlops/api/")[2].rstrip("$")
        route = route.replace("([^/]+)", "anything").replace("(start|stop)", "start")
        assert "(" not in route, route
        handler = rule.target
        defined = {
            method
            for method in METHODS
            if any(method.lower() in vars(kind) for kind in handler.__mro__[:-5])
        }
        found += [(method, route, method in defined) for method in METHODS]
    assert len(found) >= 10 * len(METHODS)
    return found


def _rules(router):
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from _rules(rule.target)
        else:
            yield rule


@pytest.fixture
def log_in(send, request_of, jp_auth_header):
    """Give a function that returns the cookie of a browser that has logged in."""
    return lambda: _cookie(send, request_of, jp_auth_header)


async def _cookie(send, request_of, jp_auth_header):
    token = jp_auth_header["Authorization"].removeprefix("token ")
    raw = request_of("GET", f"api/contents?token={token}", {"Authorization": None})
    _, head, _ = await send(raw)
    lines = [line for line in head.split("\r\n") if line.lower().startswith("set-cookie:")]
    kept = [line.partition(":")[2].strip().partition(";")[0] for line in lines]
    assert any(item.startswith("username-") for item in kept), head
    return "; ".join(item for item in kept if not item.startswith("_xsrf"))


KINDS = ["no token", "wrong token", "cookie without XSRF", "foreign Origin", "foreign Host"]


def strange(kind, cookie, jp_auth_header):
    """Return the headers of one kind of stranger."""
    return {
        "no token": {"Authorization": None},
        "wrong token": {"Authorization": "token 0123456789abcdef"},
        "cookie without XSRF": {"Authorization": None, "Cookie": cookie},
        "foreign Origin": {
            "Authorization": None, "Cookie": cookie, "Origin": "https://evil.example",
        },
        "foreign Host": {**jp_auth_header, "Host": "evil.example"},
    }[kind]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stranger_is_refused_on_every_route(
    kind, log_in, folders, jp_web_app, jp_auth_header, send, request_of, trials
):
    tried, cookie = 0, await log_in()
    for method, route, _known in routes(jp_web_app):
        headers = strange(kind, cookie, jp_auth_header)
        for path in ("ours", "theirs"):
            status, head, body = await send(request_of(method, f"{route}?path={path}", headers))
            row = (kind, method, route, path, status)
            if kind == "cookie without XSRF" and method not in CHANGES:
                # The user's own browser: it may look, and looking changes nothing.
                assert status in {200, 403, 404, 405}, row
            elif method == "OPTIONS" and kind != "foreign Host":
                # Jupyter's answer to a browser that asks first: no data, and no permission.
                assert (status, body) in {(200, b""), (204, b""), (404, body)}, row
                assert "access-control-allow-origin" not in head.lower(), row
            else:
                assert status in {401, 403, 404, 405}, row
                assert b'"runs"' not in body, row
                assert b"experiment" not in body, row
            tried += 1
    assert not trust.is_trusted(folders / "theirs")
    assert not (folders / "theirs" / ".mlops").exists()
    trials(f"REST routes: {kind}", tried, "all refused")


async def test_a_browser_of_another_site_cannot_trust_a_project(
    log_in, folders, send, request_of, trials
):
    """The one request that would undo all of this."""
    bodies = [b"", b"{}", b"_xsrf=x", b"path=theirs"]
    kinds = [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ]
    origins = [None, "null", "https://evil.example", "http://localhost.evil.example"]
    tried, cookie = 0, await log_in()
    for body in bodies:
        for kind in kinds:
            for origin in origins:
                headers = {
                    "Authorization": None, "Cookie": cookie, "Content-Type": kind, "Origin": origin,
                }  # fmt: skip
                raw = request_of("POST", "mlops/api/trust?path=theirs", headers, body)
                status, _, _ = await send(raw)
                assert status in {400, 403, 404}, (body, kind, origin, status)
                tried += 1
    assert not trust.is_trusted(folders / "theirs")
    trials("POST trust from another site, with the user's cookie", tried, "all refused")


async def test_a_project_that_is_not_trusted_is_only_looked_at(
    folders, jp_web_app, jp_serverapp, send, request_of, trials
):
    extension = jp_serverapp.extension_manager.extension_apps["jupyter_mlops"]
    (app,) = extension
    tried = 0
    for method, route, known in routes(jp_web_app):
        if route == "mlops/api/trust" or not known:
            continue
        status, _, body = await send(request_of(method, f"{route}?path=theirs"))
        looks = method == "GET" and "anything" not in route
        assert status == (200 if looks else 403), (method, route, body)
        if status == 403:
            assert json.loads(body)["error"] == "NotTrusted", (method, route, body)
            assert "%mlops trust" in json.loads(body)["do"]
        tried += 1
    await asyncio.sleep(1)
    assert app.followed.schedulers._children == {}
    assert app.followed.syncing._projects.keys() <= {folders / "ours"}
    assert not (folders / "theirs" / ".mlops").exists()
    trials("REST routes: project that is not trusted", tried, "lists from files, the rest refused")


async def test_trust_by_the_panel_and_back(folders, jp_serverapp, send, request_of):
    (app,) = jp_serverapp.extension_manager.extension_apps["jupyter_mlops"]
    _, _, body = await send(request_of("GET", "mlops/api/status?path=theirs"))
    assert json.loads(body)["trusted"] is False
    assert json.loads(body)["schedules"] is True
    status, _, body = await send(request_of("POST", "mlops/api/trust?path=theirs"))
    assert (status, json.loads(body)["trusted"]) == (200, True)
    assert trust.is_trusted(folders / "theirs")
    async with asyncio.timeout(60):
        while folders / "theirs" not in app.followed.schedulers._children:
            await asyncio.sleep(0.1)
    child = app.followed.schedulers._children[folders / "theirs"]
    status, _, body = await send(request_of("DELETE", "mlops/api/trust?path=theirs"))
    assert (status, json.loads(body)["trusted"]) == (200, False)
    async with asyncio.timeout(60):
        while child.poll() is None:
            await asyncio.sleep(0.1)
