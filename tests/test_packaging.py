"""What a clone or an installed package must have: declared dependencies, its data files, cheap imports."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import stablerep

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]


def imported(folder: str) -> dict[str, str]:
    """Third-party packages imported anywhere under a folder, and one file that imports each."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            found |= {name.split(".")[0]: path.relative_to(ROOT).as_posix() for name in names}
    own = {"stablerep", *(path.stem for path in (ROOT / "scripts").rglob("*.py"))}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names | own}


def declared(*extras: str) -> set[str]:
    needs = PROJECT["dependencies"] + [need for extra in extras for need in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(Requirement(need).name) for need in needs}


@pytest.mark.parametrize(
    ("folder", "extras"), [("stablerep", ("hub", "cluster")), ("tests", ("test",)), ("scripts", ())]
)
def test_what_is_imported_is_declared(folder, extras):
    distributions = packages_distributions()
    undeclared = {}
    for name, path in imported(folder).items():
        providers = {canonicalize_name(provider) for provider in distributions.get(name, [name])}
        if not providers & declared(*extras):
            undeclared[name] = path
    assert undeclared == {}


def test_data_files_are_part_of_the_package():
    package = ROOT / "stablerep"
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]["stablerep"]
    shipped = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    data = {
        p
        for p in package.rglob("*")
        if p.is_file() and p.suffix not in (".py", ".pyc") and "__pycache__" not in p.parts
    }
    assert data and sorted(map(str, data - shipped)) == []


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in (ROOT / "stablerep").rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_versions_agree():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {stablerep.__version__}\n" in citation
    assert SETTINGS["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "stablerep.__version__"


def test_the_package_is_imported_without_its_heavy_dependencies():
    heavy = {"torch", "diffusers", "transformers", "timm", "matplotlib", "pandas"}
    code = f"import sys, stablerep, stablerep.study.book.build; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_the_ci_script_runs_the_tests_last():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.strip()]
    assert lines[-2:] == ["make book PRESET=smoke", "make test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_make_names_what_it_can_make():
    done = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT)
    named = {line.split()[1] for line in done.stdout.splitlines()}
    assert {"book", "test", "reference", "clean", "help"} <= named
