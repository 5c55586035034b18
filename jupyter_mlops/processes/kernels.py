"""Start kernels below a keeper, which ends all their processes; on Linux, for local kernels."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from jupyter_mlops.processes import keeper, owned

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo


def keep(manager: Any, folder: Path) -> bool:
    """Make `manager` start its kernel below a keeper; return whether it will.

    Args:
        manager: a kernel manager whose kernel is not started yet.
        folder: the kernel's private folder, which the keeper removes if this process dies.
    """
    owned.end_orphans()
    if not owned.LINUX:
        return False
    named = manager.kernel_spec.metadata.get("kernel_provisioner", {}).get("provisioner_name")
    factory = KernelProvisionerFactory.instance(parent=manager.parent)
    if (named or factory.default_provisioner_name) != "local-provisioner":
        return False  # the kernel runs elsewhere; its own provisioner ends it
    manager.provisioner = _KeeperProvisioner(
        kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
    )
    manager.provisioner.folder = folder
    return True


class _KeeperProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Start a kernel as the keeper's child; signals are sent to the keeper only."""

    folder: Path

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        environment = dict(kwargs["env"])
        if shutil.which(cmd[0], path=environment.get("PATH", os.defpath)) is None:
            raise FileNotFoundError(errno.ENOENT, "The kernel's program does not exist", cmd[0])
        if "LD_PRELOAD" in environment:
            environment[keeper.PRELOAD] = environment.pop("LD_PRELOAD")
        environment[keeper.IS_KEEPER] = "1"
        kwargs["env"] = environment
        # -I and -S: no code of the user is imported, and the keeper starts in a few milliseconds.
        keeper_command = [
            sys.executable,
            "-I",
            "-S",
            keeper.__file__,
            str(os.getpid()),
            str(self.folder),
        ]
        return await super().launch_kernel([*keeper_command, *cmd], **kwargs)

    async def send_signal(self, signum: int) -> None:
        # To the keeper alone, and never SIGKILL: the keeper must be able to end the other processes.
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM if signum == signal.SIGKILL else signum)
