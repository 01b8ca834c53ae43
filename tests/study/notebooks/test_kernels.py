"""Kernels side by side: each with sockets of its own, and nothing left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from stablerep.study.notebooks.kernels import IpcKernelManager, public_environment


def test_no_two_managers_share_a_socket():
    managers = [IpcKernelManager() for _ in range(3)]
    assert len({manager.ip for manager in managers}) == 3
    for manager in managers:
        assert Path(manager.connection_file).parent == Path(manager.ip).parent == manager.folder
        assert manager.folder.stat().st_mode & 0o077 == 0 and len(f"{manager.ip}-10") < 100
        asyncio.run(manager.cleanup_resources())
        assert not manager.folder.exists()


def test_variables_that_name_secrets_are_left_out(monkeypatch):
    for name in ("HF_TOKEN", "aws_secret_access_key", "DB_PASSWORD", "GOOGLE_CREDENTIALS", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    seen = public_environment()
    assert "hidden" not in seen.values() and seen["OMP_NUM_THREADS"] == "3" and "PATH" in seen


SEVERAL = """
import asyncio, sys
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from stablerep.study.notebooks.kernels import IpcKernelManager

async def one(number):
    book = new_notebook(cells=[new_code_cell(f"print({number})")])
    await NotebookClient(book, kernel_manager_class=IpcKernelManager, startup_timeout=120).async_execute()
    return book.cells[0].outputs[0].text.strip()

async def main():
    print(sorted(await asyncio.gather(*map(one, range(4)))))

asyncio.run(main())
"""


@pytest.mark.slow
def test_kernels_that_start_at_one_moment_do_not_hear_each_other(tmp_path):
    """Two processes with four kernels each, all started in one folder at once, as the workers of a sweep are."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SEVERAL], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert out == "['0', '1', '2', '3']\n"
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_ends_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    NotebookClient(
        new_notebook(cells=[new_code_cell("x = 1")]), kernel_manager_class=IpcKernelManager, startup_timeout=120
    ).execute()
    assert not list(tmp_path.glob("stablerep-*"))


def test_a_kernel_that_is_told_to_end_says_nothing(monkeypatch):
    """It would log the interrupt as an error, on the terminal of whoever builds the book."""
    asked = {}

    async def start(manager, **kwargs):
        asked.update(kwargs)

    monkeypatch.setattr(AsyncKernelManager, "start_kernel", start)
    asyncio.run(IpcKernelManager().start_kernel(extra_arguments=["--more"]))
    assert asked["extra_arguments"] == ["--log-level=CRITICAL", "--more"] and "env" in asked
