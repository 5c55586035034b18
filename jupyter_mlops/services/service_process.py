"""The process of a running service: it serves one Bento on one socket, which the parent opened.

`bentoml serve` also opens an unauthenticated control port, and continues to run after its parent is killed; this
process does neither. The names from `_bentoml_impl` are private; tests/integration/services checks that they work.
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
    """Serve the Bento in `folder` on the socket `fd`, until SIGTERM or the end of the parent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("fd", type=int)
    parser.add_argument("--parent", type=int, default=0)
    options = parser.parse_args(arguments)
    # The parent sends `g` after it has recorded this process; if it dies before, this process ends too.
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
    # Verified in this process, before anything of the Bento is imported.
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
    """Return the Bento's ASGI app, as BentoML's worker creates it, with the host check around it."""
    # Bytecode files in the Bento would not be in its seal.
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
    # The check below covers BentoML's own routes too; the Bento's own middleware is for `bentoml serve`.
    service.middlewares[:] = [
        item for item in service.middlewares if item[0].__name__ != HostCheck.__name__
    ]
    return HostCheck(service.to_asgi(is_main=True))


def _watch_pipe() -> None:
    """End this process when the parent's end of the pipe closes."""
    while os.read(0, 1):
        pass
    _end()


def _watch_parent(parent: int) -> None:
    """End this process when the parent has ended, even if a fork of it still has the pipe open."""
    while os.getppid() == parent:
        time.sleep(0.5)
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
