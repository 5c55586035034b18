"""A kernel below a keeper is an ordinary kernel: interrupted, told its environment, restarted."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import KernelManager

from jupyter_mlops import temporary
from jupyter_mlops.processes import keeper, kernels, owned
from jupyter_mlops.processes.identity import process_start

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not owned.LINUX, reason="keepers are for Linux")


@contextmanager
def kernel(**variables: str) -> Iterator[Any]:
    with temporary.folder() as folder:
        manager = KernelManager(
            kernel_name="python3", transport="ipc", connection_file=str(folder / "k.json")
        )
        assert kernels.keep(manager, folder)
        manager.start_kernel(env=owned.marked({**os.environ, **variables}, "a-test"))
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=600)
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


def value(client: Any, expression: str) -> str:
    while True:
        content = client.execute_interactive(
            "", user_expressions={"x": expression}, timeout=60, silent=True
        )["content"]
        if "user_expressions" in content:
            text: str = content["user_expressions"]["x"]["data"]["text/plain"]
            return text
        assert content["status"] == "aborted", content  # what was asked just after an interrupt


def test_it_is_interrupted_restarted_and_ended() -> None:
    with kernel() as (manager, client):
        asked = client.execute("import time; print('sleeps', flush=True); time.sleep(600)")
        # An interrupt before the cell runs can make ipykernel drop the request.
        while client.get_iopub_msg(timeout=600)["content"].get("text") != "sleeps\n":
            pass
        reply = None
        deadline = time.monotonic() + 600
        while reply is None:
            assert time.monotonic() < deadline, "it was not interrupted"
            manager.interrupt_kernel()
            with suppress(queue.Empty):
                got = client.get_shell_msg(timeout=1)
                reply = got if got["parent_header"]["msg_id"] == asked else None
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        before = int(value(client, "__import__('os').getpid()"))
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=600)
        after = int(value(client, "__import__('os').getpid()"))
        assert before != after
        assert process_start(before) is None
    assert process_start(after) is None


def test_its_environment_is_what_was_asked_for() -> None:
    with kernel(LD_PRELOAD="", A_VARIABLE="x", MLOPS_OUTLIVES="1") as (_, client):
        found = value(
            client,
            "sorted(k for k in __import__('os').environ if k.startswith(('MLOPS_', 'LD_P', 'A_V')))",
        )
        assert found == "['A_VARIABLE', 'LD_PRELOAD', 'MLOPS_EXECUTION']"
        assert (
            value(
                client,
                "__import__('os').getppid() == int(__import__('os').environ['JPY_PARENT_PID'])",
            )
            == "True"
        )
        for number in ("SIGPIPE", "SIGTERM"):
            handler = f"__import__('signal').getsignal(__import__('signal').{number})"
            assert value(client, handler) in {"<Handlers.SIG_IGN: 1>", "<Handlers.SIG_DFL: 0>"}


def test_a_kernel_whose_program_is_gone_is_an_error_at_once() -> None:
    with temporary.folder() as folder:
        manager = KernelManager(kernel_name="python3", connection_file=str(folder / "k.json"))
        manager.kernel_spec.argv[0] = "/nowhere/python"
        kernels.keep(manager, folder)
        with pytest.raises(FileNotFoundError, match="program does not exist"):
            manager.start_kernel()
        manager.cleanup_resources()


def test_a_kernel_of_another_provisioner_is_left_to_it() -> None:
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "somewhere-else"}
    with temporary.folder() as folder:
        assert not kernels.keep(manager, folder)
    assert manager.provisioner is None


#: Its first thread ends before the others, as in a kernel that is being killed.
_ZOMBIE = """
import ctypes, subprocess, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL).pid, flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_the_children_of_a_zombie_with_threads_are_found() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ZOMBIE], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            until = time.monotonic() + 600
            while (found := keeper.status(process.pid)) is not None and found[3] != "Z":
                assert time.monotonic() < until
                time.sleep(0.01)
            assert child in {pid for pid, _ in keeper.below(os.getpid())}
        finally:
            os.kill(child, signal.SIGKILL)
            process.kill()
