"""The process of a started service: one Bento, one socket that the parent opened, nothing else.

`bentoml serve` also opens an unauthenticated control port and outlives a killed parent; this does
neither. The names from `_bentoml_impl` are private; tests/integration/services holds their
contract.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_mlops.services import seal

if TYPE_CHECKING:
    from collections.abc import Sequence

_GRACE_SECONDS = 3.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the Bento in `folder` on the socket `fd`, until told to end or the parent is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("fd", type=int)
    parser.add_argument("--parent", type=int, default=0)
    options = parser.parse_args(arguments)
    # The parent says go once it has noted this process; if it dies before, so do we.
    if os.read(0, 1) != b"g":
        return
    if options.parent:
        threading.Thread(target=_watch_pipe, daemon=True).start()
        threading.Thread(target=_watch_parent, args=(options.parent,), daemon=True).start()
    _serve(options.folder, options.fd)


def _serve(folder: str, descriptor: int) -> None:
    import logging

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Before anything of the Bento is imported, and in the process that imports it.
    seal.verify(Path(folder))
    import uvicorn

    from jupyter_mlops.services import connections

    config = uvicorn.Config(
        load_app(folder),
        http=connections.protocol(),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(_GRACE_SECONDS),
        backlog=2048,
    )
    server = connections.Server(config)
    server.run(sockets=[socket.socket(fileno=descriptor)])
    if not server.started:
        sys.exit(3)


def load_app(folder: str) -> Any:
    """Return the Bento's ASGI app, as BentoML's own worker makes it, behind the check of hosts."""
    # Bytecode beside its source would be a file that nobody sealed.
    sys.dont_write_bytecode = True
    from _bentoml_impl.loader import load
    from bentoml._internal.context import server_context

    from jupyter_mlops.services.runtime.host_check import HostCheck

    service = load(folder, standalone_load=True)
    server_context.service_type = "entry_service"
    server_context.service_name = service.name
    server_context.worker_index = 1
    if service.bento is not None:
        server_context.bento_name = service.bento.tag.name
        server_context.bento_version = service.bento.tag.version or ""
    # Here around all, BentoML's own routes too; its class has the same for `bentoml serve`.
    service.middlewares[:] = [
        item for item in service.middlewares if item[0].__name__ != HostCheck.__name__
    ]
    return HostCheck(service.to_asgi(is_main=True))


def _watch_pipe() -> None:
    """End when the parent's end of the pipe closes, however the parent ended."""
    while os.read(0, 1):
        pass
    _end()


def _watch_parent(parent: int) -> None:
    """End when the parent is gone, also if a fork of it still holds the pipe open."""
    while os.getppid() == parent:
        time.sleep(0.5)
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
