"""Kernels that talk over sockets in the file system and do not know secrets: parallel notebooks do not race for ports, nothing is on the
network, and no notebook can print a password that happens to be in the environment."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from jupyter_client import AsyncKernelManager

SECRET = re.compile(r"token|secret|passw|credential|private|api_?key|access_?key|auth", re.IGNORECASE)


def public_environment() -> dict[str, str]:
    """The environment without the variables whose names say that they hold a secret."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)}


class IpcKernelManager(AsyncKernelManager):
    """A kernel manager with IPC transport, whose connection file and sockets lie in a private folder of their own.

    Left to itself, jupyter_client names the sockets ``kernel-ipc-1``, ``-2``, ... in the current folder and takes the first numbers that it
    does not see there: two kernels that start at one moment then talk to each other's sockets.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.transport = "ipc"
        self.folder = Path(
            tempfile.mkdtemp(prefix="stablerep-")
        )  # a short path: that of a socket has at most 107 bytes
        self.connection_file, self.ip = str(self.folder / "kernel.json"), str(self.folder / "ipc")

    async def start_kernel(self, **kwargs) -> None:
        await super().start_kernel(**{"env": public_environment()} | kwargs)

    async def cleanup_resources(self, restart: bool = False) -> None:
        await super().cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)
