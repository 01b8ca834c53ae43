"""Processes and kernels forked from a server that has imported once what they all need.

Half of what the page of a chapter takes goes into imports, and a book has some twenty pages. Linux only: elsewhere libraries do not stand a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

from stablerep.study.notebooks.execution import environment
from stablerep.study.notebooks.kernels import IpcKernelManager
from stablerep.study.root import project_root

AVAILABLE = sys.platform == "linux"


def process_context() -> BaseContext:
    """How processes start: forked from the server; where that is not possible, anew. Not from this process: a GPU cannot be shared with a fork."""
    if not AVAILABLE:
        return multiprocessing.get_context("spawn")
    forkserver.set_forkserver_preload(["stablerep.study.notebooks.preloaded"])
    return multiprocessing.get_context("forkserver")


def preload(variables: Mapping[str, str]) -> None:
    """Let the server begin with its imports, which take some seconds of a core; this returns at once.

    Args:
        variables: for its environment. Libraries read how many threads they may have while they are imported, so that this holds for all that
            the server forks, now and later.
    """
    if AVAILABLE:
        process_context()
        with environment(dict(variables)):
            forkserver.ensure_running()


def begin(variables: Mapping[str, str]) -> None:
    """In a process that begins: take over the environment of the one that started it, which is not the server's, and end when that ends, however it
    comes about."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    os.environ.clear()
    os.environ.update(variables)


class ForkedKernelManager(IpcKernelManager):
    """An :class:`.IpcKernelManager` whose kernel is forked from the server, where that is possible."""

    async def start_kernel(self, **kwargs) -> None:
        if AVAILABLE:
            self.provisioner = self.provisioner or _Forked(kernel_spec=self.kernel_spec, parent=self)
        await super().start_kernel(**kwargs)


class _Forked(LocalProvisioner):
    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict:
        arguments = cmd[cmd.index("-f") :]  # what python is told comes before
        folder = kwargs.get("cwd") or str(project_root())
        process = process_context().Process(target=_kernel, args=(arguments, kwargs["env"], folder))
        process.start()
        self.process, self.pid = _Process(process), process.pid
        return self.connection_info


class _Process:
    """What a provisioner asks of ``subprocess.Popen``, of a process of multiprocessing."""

    stdin = stdout = stderr = None

    def __init__(self, process: multiprocessing.Process) -> None:
        self._process = process
        self.terminate, self.kill = process.terminate, process.kill

    def poll(self) -> int | None:
        return None if self._process.is_alive() else self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._process.pid, number)


def _kernel(arguments: list[str], variables: dict[str, str], folder: str) -> None:
    from ipykernel.kernelapp import IPKernelApp

    begin(variables)
    os.setsid()  # an interrupt from the keyboard is for the book
    os.chdir(folder)
    IPKernelApp.launch_instance(argv=arguments)
