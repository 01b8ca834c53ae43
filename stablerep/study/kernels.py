"""Kernels that talk over sockets in the file system and do not know secrets: parallel notebooks do not race for ports, nothing is on the
network, and no notebook can print a password that happens to be in the environment."""

import os
import re

from jupyter_client import AsyncKernelManager

SECRET = re.compile(r"token|secret|passw|credential|private|api_?key|access_?key|auth", re.IGNORECASE)


def public_environment() -> dict[str, str]:
    """The environment without the variables whose names say that they hold a secret."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)}


class IpcKernelManager(AsyncKernelManager):
    """A kernel manager with IPC transport; its connection files and sockets are in Jupyter's own runtime folder."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.transport = "ipc"

    async def start_kernel(self, **kwargs) -> None:
        await super().start_kernel(**{"env": public_environment()} | kwargs)
