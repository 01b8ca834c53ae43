"""Kernels that talk over sockets in the file system: parallel notebooks do not race for ports, and nothing is on the network."""

from jupyter_client import AsyncKernelManager


class IpcKernelManager(AsyncKernelManager):
    """A kernel manager with IPC transport; its connection files and sockets are in Jupyter's own runtime folder."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.transport = "ipc"
