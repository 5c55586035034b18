"""No route answers someone who may not ask."""

from __future__ import annotations

import inspect
import re

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from jupyter_mlops.server.handlers import ROUTES

REQUESTS = [
    (method.upper(), route.replace("([^/]+)", "anything").replace("(start|stop)", "start"))
    for route, handler in ROUTES
    for method in ("get", "post", "put", "patch", "delete")
    if method in vars(handler)
]


class NobodyMay(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return False


class MayNotTouchMlops(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return resource != "mlops"


@pytest.fixture(params=[True, False], ids=["allow_unauthenticated", "refuse_unauthenticated"])
def jp_server_config(jp_server_config, request):
    server = {**jp_server_config["ServerApp"], "allow_unauthenticated_access": request.param}
    return {**jp_server_config, "ServerApp": server}


async def refused(jp_fetch, method, route, **options):
    body = "{}" if method in {"POST", "PUT", "PATCH"} else None
    with pytest.raises(HTTPClientError) as error:
        await jp_fetch(*route.split("/"), method=method, body=body, **options)
    return error.value.code


@pytest.mark.parametrize(("method", "route"), REQUESTS)
async def test_a_stranger_is_refused(jp_fetch, project_folder, method, route):
    headers = {"Authorization": "token not-the-token"}
    assert await refused(jp_fetch, method, route, headers=headers) == 403


@pytest.mark.parametrize("authorizer", [NobodyMay, MayNotTouchMlops])
@pytest.mark.parametrize(("method", "route"), REQUESTS)
async def test_a_user_without_the_right_is_refused(
    jp_fetch, jp_serverapp, project_folder, method, route, authorizer
):
    jp_serverapp.authorizer = jp_serverapp.web_app.settings["authorizer"] = authorizer()
    assert await refused(jp_fetch, method, route) == 403


def test_every_verb_is_authenticated_before_it_is_authorised():
    for route, handler in ROUTES:
        assert handler.auth_resource == "mlops"
        source = inspect.getsource(handler)
        for verb in re.findall(
            r"((?:    @\S+\n)*)    async def (?:get|post|put|patch|delete)\b", source
        ):
            assert verb == "    @web.authenticated\n    @authorized\n", route
