"""A page of another site cannot use a service on the reader's machine (DNS rebinding, foreign Origin)."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_mlops import services
from jupyter_mlops.errors import Conflict, UsageError
from jupyter_mlops.magics import parser
from jupyter_mlops.project import Project
from jupyter_mlops.services.runtime.host_check import HostCheck, canonical
from jupyter_mlops.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.trials import Trials

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

BODY = b'{"rows":[{"x":1.0,"z":0.0}]}'
ROUTES = ["/predict", "/schema", "/metrics", "/healthz", "/readyz", "/livez", "/", "/docs.json",
          "/static_content/index.html", "/schema.json", "/nothing"]  # fmt: skip
#: With `{}` for the service's own port.
KNOWN_HOSTS = [
    "localhost", "localhost:{}", "LOCALHOST:{}", "localhost.", "localhost.:{}", "127.0.0.1",
    "127.0.0.1:{}", "127.8.9.10:{}", "127.255.255.254", "[::1]", "[::1]:{}", "[0:0:0:0:0:0:0:1]:{}",
    "[::ffff:127.0.0.1]:{}", "ml.example.org", "ML.EXAMPLE.org:443", "ml.example.org.:{}",
    "localhost:8080",  # a forwarded port
]  # fmt: skip
FOREIGN_HOSTS = [
    "evil.example", "evil.example:{}", "localhost.evil.example", "evil.example.localhost.",
    "127.0.0.1.evil.example:{}", "127.0.0.1.nip.example", "127.evil.example", "127.0.0.256:{}",
    "127.0.0.01", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "0.0.0.0:{}", "[::]:{}",
    "10.0.0.1", "192.168.0.7:{}", "169.254.169.254", "[::2]:{}", "[fe80::1]", "[::ffff:10.0.0.1]",
    "localhost@evil.example", "evil.example@localhost", "localhost:{}@evil.example", "localhost/",
    "localhost evil.example", "localhost,evil.example", "localhost:", "localhost:x", "localhost:-1",
    "localhost:123456", "localhost..", ".localhost", ".", "", " ", "[::1", "::1", "::1:{}", "[]",
    "[localhost]", "http://localhost", "*", "localhost#", "localhost?", "localhost\\evil",
    "lоcalhost", "localhost%00", "localhost\t.evil.example", "a.ml.example.org", "ml.example.org.evil",
    "mlxexample.org", "x" * 300, "localhost" + "." * 200,
]  # fmt: skip
SAME_ORIGINS = [
    ("localhost:{}", "http://localhost:{}"), ("127.0.0.1:{}", "http://127.0.0.1:{}"),
    ("LOCALHOST:{}", "http://localhost:{}"), ("ml.example.org", "https://ml.example.org"),
    ("ml.example.org", "https://ml.example.org:443"), ("localhost:{}", "https://ml.example.org"),
]  # fmt: skip
FOREIGN_ORIGINS = [
    "https://evil.example", "http://evil.example:{}", "null", "", "file://", "http://localhost:1",
    "http://localhost", "http://127.0.0.1:{}", "http://[::1]:{}", "http://10.0.0.1:{}",
    "chrome-extension://abcdefghijklmnop", "http://localhost:{}.evil.example", "localhost:{}",
    "http://localhost:{}/", "http://localhost:{}@evil.example", "http://evil.example#localhost:{}",
    "https://a.ml.example.org", "http://localhost.:{}", "ws://localhost:{}", "data:", "*", "http://",
]  # fmt: skip


def ask(port: int, head: str, body: bytes = b"") -> tuple[int, str]:
    """Send these very bytes; return the status and the headers of the answer, or 0 for none."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as asked:
        asked.sendall(head.encode("utf-8") + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = asked.recv(65_536)
            if not part:
                return 0, ""
            answer += part
    text = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return int(text.split(" ")[1]), text.lower()


def request(port: int, route: str, headers: list[str], *, waits: bool = False) -> tuple[int, str]:
    """Ask a route; with `waits` the body is announced but never sent, so reading it would hang."""
    post = route == "/predict"
    lines = [
        f"{'POST' if post else 'GET'} {route} HTTP/1.1",
        *headers,
        "Content-Type: application/json",
    ]
    body = BODY if post else b""
    lines.append(f"Content-Length: {len(body) + 100_000 * waits}")
    return ask(port, "\r\n".join([*lines, "", ""]).replace("{}", str(port)), b"" if waits else body)


def port_of(service: services.Service) -> int:
    return int(service.url.rpartition(":")[2])


def test_every_known_name_is_answered_on_every_route(
    line: services.Service, trials: Trials
) -> None:
    port, tried = port_of(line), 0
    for host in KNOWN_HOSTS:
        for route in ROUTES:
            status, head = request(port, route, [f"Host: {host}"])
            wanted = {"/nothing": 404}.get(route)
            assert status == wanted if wanted else status in {200, 404}, (host, route, head)
            assert "access-control" not in head
            tried += 1
        assert request(port, "/predict", [f"Host: {host}"])[0] == 200
    trials("a Host that is known, all routes", tried, "all answered")


def test_a_foreign_host_is_refused_on_every_route_before_its_body_is_read(
    line: services.Service, trials: Trials
) -> None:
    port, tried = port_of(line), 0
    before = metric(port)
    for host in FOREIGN_HOSTS:
        for route in ROUTES:
            status, head = request(port, route, [f"Host: {host}"], waits=True)
            assert status in {400, 421}, (host, route, head)
            tried += 1
    for headers in ([], ["Host: localhost", "Host: localhost"], ["Host: localhost", "Host: evil"],
                    ["Host: evil", "Host: localhost"], ["host: localhost", "HOST: localhost"]):  # fmt: skip
        for route in ROUTES:
            status, head = request(port, route, headers, waits=True)
            assert status == 421, (headers, route, head)
            assert "connection: close" in head
            tried += 1
    assert metric(port) == before
    trials("a foreign, missing or second Host", tried, "all refused, nothing read")


def metric(port: int) -> float:
    import httpx

    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    lines = [
        item
        for item in text.splitlines()
        if item.startswith(
            ("mlops_requests_total", "mlops_refused_total", "mlops_logged_rows_total")
        )
    ]
    assert lines
    return sum(float(item.split()[-1]) for item in lines)


def test_a_foreign_origin_is_refused_on_every_route(line: services.Service, trials: Trials) -> None:
    port, tried = port_of(line), 0
    for origin in FOREIGN_ORIGINS:
        for route in ROUTES:
            headers = ["Host: localhost:{}", f"Origin: {origin}"]
            status, head = request(port, route, headers, waits=True)
            assert status == 403, (origin, route, head)
            assert "access-control" not in head
            tried += 1
    for pair in (["http://localhost:{}", "null"], ["null", "http://localhost:{}"]):
        headers = ["Host: localhost:{}", *(f"Origin: {origin}" for origin in pair)]
        assert request(port, "/predict", headers)[0] == 403
        tried += 1
    preflight = ask(
        port,
        f"OPTIONS /predict HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://evil.example\r\n"
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n",
    )
    assert preflight[0] == 403
    assert "access-control" not in preflight[1]
    trials("a foreign Origin, all routes", tried + 1, "all refused, nothing read")


def test_a_page_of_the_service_itself_may_ask(line: services.Service) -> None:
    for host, origin in SAME_ORIGINS:
        headers = [f"Host: {host}", f"Origin: {origin}"]
        assert request(port_of(line), "/predict", headers)[0] == 200, (host, origin)


def test_the_address_at_which_a_connection_arrived_is_known(trials: Trials) -> None:
    """A container's probes and scrapers ask by its address; nobody had to name that."""
    addresses = ["10.1.2.3", "192.168.0.7", "fd00::7", "::ffff:10.1.2.3"]
    for address in addresses:
        literal = f"[{address}]" if ":" in address else address
        assert answered(f"{literal}:3000", server=address) == 200
        assert answered("10.9.9.9:3000", server=address) == 421
        assert answered("ml-7f9c.example.org", server=address) == 421
    trials("Host against the connection's own address", 3 * len(addresses), "as it should be")


def answered(host: str, *, server: str, names: str = "") -> int:
    """Return the status for a Host, without a network."""
    said: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "headers": [(b"host", host.encode())], "server": (server, 3000)}
    asyncio.run(HostCheck(app, names)(scope, None, send))
    return int(said[0]["status"])


def test_a_name_is_allowed_however_it_is_written() -> None:
    for name in (
        "ml.example.org",
        "ML.Example.org.",
        "10.0.0.7",
        "[fd00::7]",
        "fd00:0::7",
        "bücher.example",
    ):
        asked = {"fd00:0::7": "[fd00::7]", "bücher.example": "xn--bcher-kva.example"}.get(
            name, name
        )
        assert answered(f"{asked}:80", server="10.0.0.1", names=name) == 200


@pytest.mark.parametrize(
    "name",
    ["http://ml.example.org", "ml.example.org:80", "a/b", "", "a b", "*", "user@host", "a" * 300],
)
def test_what_is_no_host_name_is_refused_in_one_line(name: str, line_project: Project) -> None:
    with pytest.raises(ValueError):
        canonical(name)
    with pytest.raises(UsageError, match="is not a host name"):
        services.start("line", allow_host=[name], project=line_project)


def test_a_service_that_runs_does_not_silently_lack_a_name(
    line: services.Service, line_project: Project
) -> None:
    again = services.start("line", allow_host=["ml.example.org"], project=line_project)
    assert again.pid == line.pid
    with pytest.raises(Conflict, match=r"does not answer to the host name other\.example"):
        services.start("line", allow_host=["other.example"], project=line_project)


def test_the_setting_and_the_option_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlops.toml"
    path.write_text('[service]\nallow_hosts = ["ml.example.org", "10.0.0.7"]\n')
    assert read_settings(path).service.allow_hosts == ("ml.example.org", "10.0.0.7")
    monkeypatch.setenv("MLOPS_SERVICE_ALLOW_HOSTS", "a.example, b.example")
    assert read_settings(path).service.allow_hosts == ("a.example", "b.example")
    call = parser.parse(["service", "start", "line", "--allow-host", "a", "--allow-host", "b"])
    assert call.arguments["allow_host"] == ["a", "b"]
