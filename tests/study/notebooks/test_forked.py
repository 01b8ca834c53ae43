"""Kernels and processes that are forked from a server which has imported what they need."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from stablerep.errors import FailedError
from stablerep.study.notebooks import forked
from stablerep.study.notebooks.execution import execute_notebook
from stablerep.study.notebooks.kernels import run_papermill
from stablerep.study.root import project_root
from stablerep.study.store.runs import RunStore

pytestmark = pytest.mark.skipif(not forked.AVAILABLE, reason="kernels are forked on Linux alone")
PYTHON = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}


def printed(tmp_path, *cells: str) -> list[str]:
    """What cells print in a kernel that is forked."""
    notebook, target = new_notebook(cells=[new_code_cell(one) for one in cells], metadata=PYTHON), tmp_path / "x.ipynb"
    run_papermill(notebook, target, "x", {}, False, forked=True)
    found = nbformat.read(target, as_version=4).cells
    return ["".join(one.text for one in cell.outputs) for cell in found if cell.cell_type == "code"]


def test_a_kernel_has_imported_what_chapters_need_and_knows_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hidden")
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    said = printed(
        tmp_path,
        "import sys; print('stablerep.figures' in sys.modules, 'timm' in sys.modules)",
        "import os; print(os.environ.get('HF_TOKEN'), os.environ['STABLEREP_RUNS'], os.getcwd())",
        "from stablerep.study.store.code import library_hash; print(library_hash.cache_info().currsize)",
    )
    assert said == ["True True\n", f"None {tmp_path / 'runs'} {project_root()}\n", "1\n"]


def test_kernels_share_nothing_random(tmp_path):
    ask = "import random, uuid, tempfile; print(random.random(), uuid.uuid4(), tempfile.mktemp())"
    first, second = (printed(tmp_path, ask)[0].split() for _ in range(2))
    assert not set(first) & set(second)


def test_a_page_is_the_same_from_either_kernel(tmp_path):
    """But for times and keys of cells, which papermill counts."""

    def page(name: str, fork: bool) -> list:
        store = RunStore(tmp_path / name)
        run = execute_notebook("images_per_caption", {"live": False}, store=store, log=None, forked=fork)
        return [cell.get("outputs") for cell in nbformat.read(run.path("images_per_caption.ipynb"), as_version=4).cells]

    assert page("forked", True) == page("anew", False)


def test_a_cell_that_fails_and_a_kernel_that_dies_are_told_of(tmp_path):
    with pytest.raises(FailedError, match="x: cell 1 failed with ValueError: no"):
        printed(tmp_path, "raise ValueError('no')")
    with pytest.raises(FailedError, match="the kernel died"):
        printed(tmp_path, "import os; os._exit(3)")


PROGRAM = """
import sys, threading, time
from pathlib import Path
from nbformat.v4 import new_code_cell, new_notebook
from stablerep.study.notebooks.kernels import run_papermill

if __name__ == "__main__":
    cell = new_code_cell(f"import os, time; open({sys.argv[1]!r} + '/pid', 'w').write(str(os.getpid())); time.sleep(300)")
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}, "language_info": {"name": "python"}}
    run_papermill(new_notebook(cells=[cell], metadata=about), Path(sys.argv[1], "x.ipynb"), "x", {}, False, forked=True)
"""


@pytest.mark.slow
def test_a_kernel_ends_with_the_process_that_started_it(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "program.py"), str(tmp_path)])
    pid, until = tmp_path / "pid", time.monotonic() + 120
    while not (pid.is_file() and pid.read_text()):
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    kernel = psutil.Process(int(pid.read_text()))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([kernel], timeout=10)
    assert not alive


def _found(variables: dict[str, str], told) -> None:
    forked.begin(variables)
    told.put((os.environ.get("WANTED"), os.environ.get("STRANGE")))


def test_a_process_has_the_environment_of_the_one_that_starts_it(monkeypatch):
    """The server may have begun when that was another."""
    context = forked.process_context()
    told = context.Queue()
    monkeypatch.setenv("STRANGE", "1")
    monkeypatch.setenv("WANTED", "2")
    variables = {name: value for name, value in os.environ.items() if name != "STRANGE"}
    process = context.Process(target=_found, args=(variables, told))
    process.start()
    assert told.get(timeout=60) == ("2", None)
    process.join()


def test_elsewhere_kernels_and_processes_begin_anew(monkeypatch, tmp_path):
    monkeypatch.setattr(forked, "AVAILABLE", False)
    assert forked.process_context().get_start_method() == "spawn"
    forked.preload({})
    assert printed(tmp_path, "import sys; print('stablerep.figures' in sys.modules)") == ["False\n"]
