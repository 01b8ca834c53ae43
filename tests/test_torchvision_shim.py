"""The repair of torchvision beside a CPU-only torch, each time in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(code: str, *, path: Path | None = None) -> subprocess.CompletedProcess:
    """Run ``code``; ``path`` comes before every installed package."""
    folders = [str(p) for p in (path, ROOT) if p]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300, cwd="/"
    )


def fake_torchvision(folder: Path, code: str) -> Path:
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(code)
    return folder


CALL = "from stablerep.torchvision_shim import ensure_torchvision_imports as ensure\n"


def test_torchvision_can_be_imported_after_the_call_and_a_second_call_does_nothing():
    by_itself = python("import torchvision")
    done = python(
        CALL
        + """
first, second = ensure(), ensure()
import torch, torchvision
from torchvision.transforms import v2
size = v2.Resize(4)(torch.zeros(3, 8, 8)).shape
print(first, second, tuple(size))
"""
    )
    assert done.returncode == 0, done.stderr
    repaired = by_itself.returncode != 0  # where torchvision works by itself there is nothing to repair
    assert done.stdout.split("\n")[0] == f"{repaired} False (3, 4, 4)"
    if repaired:
        assert "torchvision::nms" in by_itself.stderr


def test_where_torchvision_works_nothing_is_declared(tmp_path):
    done = python(
        CALL
        + "import stablerep.torchvision_shim as shim\nprint(ensure(), ensure(), shim._library)\nimport torchvision, sys\n"
        "print(torchvision.works, 'torch' in sys.modules)",
        path=fake_torchvision(tmp_path, "works = 'yes'"),
    )
    assert done.stdout.split() == ["False", "False", "None", "yes", "False"], done.stderr


def test_without_torchvision_nothing_is_done():
    done = python("import importlib.util\nimportlib.util.find_spec = lambda name: None\n" + CALL + "print(ensure())")
    assert done.stdout.split() == ["False"], done.stderr


def test_another_error_is_passed_on(tmp_path):
    done = python(CALL + "ensure()", path=fake_torchvision(tmp_path, "raise RuntimeError('no such driver')"))
    assert done.returncode != 0 and "RuntimeError: no such driver" in done.stderr


def test_an_import_that_failed_half_way_is_begun_again_with_the_operators_declared(tmp_path):
    """The second import must run the whole package anew, the first one's submodules included."""
    fake_torchvision(tmp_path, "from torchvision import part\npart.check()\nready = part.RUNS")
    (tmp_path / "torchvision" / "part.py").write_text(
        "import os\nRUNS = int(os.environ.get('RUNS', 0)) + 1\nos.environ['RUNS'] = str(RUNS)\n"
        "def check():\n    if RUNS == 1:\n        raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    (tmp_path / "torch").mkdir()  # stands in for torch and notes what is declared
    (tmp_path / "torch" / "__init__.py").write_text("from torch import library")
    (tmp_path / "torch" / "library.py").write_text(
        "declared = []\nclass Library:\n    def __init__(self, namespace, kind):\n        declared.append((namespace, kind))\n"
        "    def define(self, schema):\n        declared.append(schema.split('(')[0])\n"
    )
    code = (
        "print(ensure(), ensure())\nimport torch, torchvision\nprint(torchvision.ready)\nprint(torch.library.declared)"
    )
    done = python(CALL + code, path=tmp_path)
    assert done.stdout.splitlines() == ["True False", "2", "[('torchvision', 'DEF'), 'nms', 'qnms']"], done.stderr
