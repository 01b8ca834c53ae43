"""How threads wait for each other: what OpenMP itself says it was told."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


def policy(code: str, **chosen: str) -> str:
    """What OpenMP reports when torch is loaded in a new process."""
    kept = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | {"OMP_DISPLAY_ENV": "true"} | chosen, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"OMP_WAIT_POLICY\s*=\s*'(\w+)'", done.stderr)
    if found is None:
        pytest.skip("this torch does not say how it waits")
    return found[1]


def test_threads_sleep_while_they_wait():
    assert policy("import stablerep, torch") == "PASSIVE"


def test_who_chose_otherwise_keeps_it():
    assert policy("import stablerep, torch", OMP_WAIT_POLICY="active") == "ACTIVE"
