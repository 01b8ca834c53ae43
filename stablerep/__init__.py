"""StableRep at small scale: learning from images that a text-to-image model made."""

import os

__version__ = "0.1.0"

# Threads that wait for each other sleep instead of spinning. Spinning saves microseconds on cores of its own; where another process has one
# of the cores, every small operation waits for the thread that was put aside, while the other one burns the time in which that thread could run.
# The numbers are the same bit for bit, unlike with another count of threads. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
