"""Kernels that leave nothing behind: each runs below a keeper, on Linux and where the kernel is a local process."""

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
    """Let the kernel that `manager` will start run below a keeper; return whether it will.

    Args:
        manager: a kernel manager, with its kernel not started yet.
        folder: its private folder, which the keeper removes when this process dies.
    """
    owned.end_orphans()
    if not owned.LINUX:
        return False
    named = manager.kernel_spec.metadata.get("kernel_provisioner", {}).get("provisioner_name")
    factory = KernelProvisionerFactory.instance(parent=manager.parent)
    if (named or factory.default_provisioner_name) != "local-provisioner":
        return False  # the kernel runs elsewhere; its provisioner looks after it
    manager.provisioner = _Kept(
        kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager
    )
    manager.provisioner.folder = folder
    return True


class _Kept(LocalProvisioner):  # type: ignore[misc]
    """Starts the keeper in place of the kernel; what it is told, the keeper is told alone."""

    folder: Path

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        environment = dict(kwargs["env"])
        if shutil.which(cmd[0], path=environment.get("PATH", os.defpath)) is None:
            raise FileNotFoundError(errno.ENOENT, "The kernel's program is not there", cmd[0])
        if "LD_PRELOAD" in environment:
            environment[keeper.PRELOAD] = environment.pop("LD_PRELOAD")
        environment[keeper.IS_KEEPER] = "1"
        kwargs["env"] = environment
        # -I and -S: nothing of the user's is imported, and it starts in a few milliseconds.
        above = [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid()), str(self.folder)]
        return await super().launch_kernel([*above, *cmd], **kwargs)

    async def send_signal(self, signum: int) -> None:
        # Not to its group, and no SIGKILL: it could not end the others then.
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM if signum == signal.SIGKILL else signum)
