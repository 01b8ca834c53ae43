"""A command that does not outlive its parent: ``python -m stablerep.study.sweeps.child PARENT PROGRAM ARGUMENTS...``.

Linux sends it a signal when its parent dies, even by SIGKILL; a Jupyter kernel below it ends by itself when its own
parent is gone. Elsewhere the command runs like any other. It can be interrupted even where the sweep cannot, such as in
the background of a script.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the process that asked for this command is gone.")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(program[0], program)  # what was set stays


if __name__ == "__main__":
    main()
