"""Small programs in the place of ``stablerep``, which get a task's arguments, and what looks at their processes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

FAIL = (
    sys.executable, "-c",
    "import sys; print('out'); sys.exit(f'first\\nno such {sys.argv[1]}') if sys.argv[1] != 'good' else None",
)  # fmt: skip
# Appends who it is and below which process to a file, works, and says that it is done. The first attempt takes long, the second not.
WORK = (
    sys.executable, "-c",
    "import os, pathlib, sys, time\n"
    "mark = pathlib.Path(sys.argv[1]); before = mark.read_text() if mark.exists() else ''\n"
    "mark.write_text(before + f'{os.getpid()} {os.getppid()}\\n')\n"
    "time.sleep(0 if before else float(sys.argv[2]))\n"
    "print('done')",
)  # fmt: skip
# A process with two below it, one of which has a session of its own, as a kernel has. The file says who they are. Those below ignore SIGINT,
# and so does the one on top when it is told to.
FAMILY = (
    sys.executable, "-c",
    "import os, signal, subprocess, sys, time\n"
    "deaf = 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(60)'\n"
    "below = [subprocess.Popen([sys.executable, '-c', deaf], stdout=subprocess.PIPE, start_new_session=new) for new in (False, True)]\n"
    "[one.stdout.readline() for one in below]\n"
    "if sys.argv[2] == 'deaf': signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "with open(sys.argv[1] + '.part', 'w') as file: file.write(' '.join(map(str, [os.getpid(), *(one.pid for one in below)])))\n"
    "os.rename(sys.argv[1] + '.part', sys.argv[1])\n"
    "time.sleep(60)",
)  # fmt: skip


def notebook(folder: Path, source: str) -> tuple[str, ...]:
    """The arguments of a ``stablerep`` command that executes a notebook of one cell."""
    import nbformat

    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=kernel), folder / "in.ipynb"
    )
    return "execute", str(folder / "in.ipynb"), "-o", str(folder / "out.ipynb"), "--trust"


def alive(pid: int) -> bool:
    """Whether a process lives; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float = 60):
    """Wait until something is so; the limit only guards against waiting for ever."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def written(path: Path) -> str:
    return wait_for(lambda: path.exists() and path.read_text())
