"""A real Jupyter Server with the extension, a trusted project and one that is not; spoken to by raw bytes."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403

from jupyter_mlops import trust


@pytest.fixture  # type: ignore[no-redef] # in the place of the plugin's
def jp_server_config():
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


@pytest.fixture
def folders(jp_root_dir, jp_environ):
    """Return the folder of a trusted project, and of a stranger's, which has a job."""
    for name in ("ours", "theirs"):
        folder = jp_root_dir / name
        (folder / "jobs").mkdir(parents=True)
        (folder / "mlops.toml").write_text(f'[project]\nname = "{name}"\n')
    (jp_root_dir / "theirs" / "jobs" / "x.yaml").write_text("notebook: x.ipynb\n")
    trust.grant(jp_root_dir / "ours", "trust")
    return jp_root_dir


@pytest.fixture
def send(jp_serverapp, jp_http_port, http_server):
    """Give a function that sends raw bytes on a connection of its own and returns (status, head, body)."""

    async def exchange(raw: bytes, patience: float = 60):
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        answer = b""
        try:
            async with asyncio.timeout(patience):
                writer.write(raw)
                await writer.drain()
                while part := await reader.read(1 << 16):
                    answer += part
        except (ConnectionError, TimeoutError):
            pass  # what was answered until then counts
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.\d (\d{3})", head)
        return int(found[1]) if found else 0, head.decode("latin-1"), body

    return exchange


@pytest.fixture
def request_of(jp_http_port, jp_base_url, jp_auth_header):
    """Give a function that writes one request; headers given as None are left out."""

    def write(method: str, route: str, headers=(), body: bytes = b"") -> bytes:
        given = {
            "Host": f"127.0.0.1:{jp_http_port}",
            **jp_auth_header,
            "Connection": "close",
            "Content-Length": str(len(body)),
        } | dict(headers)
        lines = [f"{method} {jp_base_url}{route} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in given.items() if value is not None]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body

    return write


def message_of(body: bytes) -> dict[str, Any]:
    """Return the answer's JSON, empty for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
