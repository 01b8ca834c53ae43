"""Papermill with kernels that talk over sockets in the file system and do not know secrets.

Parallel notebooks do not race for ports, nothing is on the network, and no notebook can print a password that happens
to be in the environment.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from stablerep.checkpoint import written_aside
from stablerep.errors import FailedError
from stablerep.study.root import project_root

SECRET = re.compile(r"token|secret|passw|credential|private|api_?key|access_?key|auth", re.IGNORECASE)


def public_environment() -> dict[str, str]:
    """The environment without the variables whose names say that they hold a secret."""
    return {name: value for name, value in os.environ.items() if not SECRET.search(name)}


class IpcKernelManager(AsyncKernelManager):
    """A kernel manager with IPC transport, whose connection file and sockets lie in a private folder of their own.

    Left to itself, jupyter_client names the sockets ``kernel-ipc-1``, ``-2``, ... in the current folder and takes the
    first numbers that it does not see there: two kernels that start at one moment then share each other's sockets.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.transport = "ipc"
        self.folder = Path(tempfile.mkdtemp(prefix="stablerep-"))  # short: the path of a socket has at most 107 bytes
        self.connection_file, self.ip = str(self.folder / "kernel.json"), str(self.folder / "ipc")

    async def start_kernel(self, **kwargs) -> None:
        # a kernel that is told to end logs that as an error; what cells say comes by messages
        quiet = ["--log-level=CRITICAL", *kwargs.pop("extra_arguments", [])]
        await super().start_kernel(**{"env": public_environment(), "extra_arguments": quiet} | kwargs)

    async def cleanup_resources(self, restart: bool = False) -> None:
        await super().cleanup_resources(restart)
        if not restart:
            shutil.rmtree(self.folder, ignore_errors=True)


def run_papermill(
    source: Path | NotebookNode, target: Path, name: str, values: dict, loud: bool, *,
    save_each_cell: bool = True, forked: bool = False,
) -> None:  # fmt: skip
    """Execute ``source`` into ``target`` in the project's folder; ``loud`` shows what its cells say on stderr.

    ``save_each_cell`` writes ``target`` before and after every cell, which of a chapter with its pictures takes a second in all. ``forked``: the kernel begins with
    what it needs imported (:mod:`.forked`).
    Raises ``FailedError`` when a cell failed (what was executed is in ``target``), the kernel died, or there is none.
    """
    # It fills in what braces in a path name.
    source, output = (
        re.sub("[{}]", r"\g<0>\g<0>", str(one)) if isinstance(one, Path) else one for one in (source, target)
    )
    try:
        papermill.execute_notebook(
            source, output,
            parameters=values, cwd=str(project_root()), progress_bar=False, log_output=False,
            request_save_on_cell_execute=save_each_cell, stderr_file=sys.stderr if loud else None, start_timeout=120, kernel_name="python3",
            kernel_manager_class=f"{__package__}.forked.ForkedKernelManager" if forked else f"{__name__}.{IpcKernelManager.__name__}",
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        failure = f"cell {error.exec_count} failed with {error.ename}: {error.evalue}; what was executed is {target}."
        raise FailedError(f"{name}: {failure}") from error
    except DeadKernelError as error:
        failure = "the kernel died; it was killed, or memory ran out. Run the same command again to continue."
        raise FailedError(f"{name}: {failure}") from error
    except NoSuchKernel as error:
        raise FailedError(f"{name}: there is no kernel python3; `pip install ipykernel` supplies it.") from error


def add_metadata(path: Path, source: str, target: str, **metadata: object) -> None:
    """Add metadata to an executed notebook; of the paths in papermill's leave the names alone: folders are private."""
    written = json.loads(path.read_text(encoding="utf-8"))
    written["metadata"] |= metadata
    if record := written["metadata"].get("papermill"):
        record |= {"input_path": source, "output_path": target}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(written, indent=1, ensure_ascii=False), encoding="utf-8")
