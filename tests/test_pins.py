"""Three files name the dependencies; these tests fail when they disagree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_PINNED = {"hub"}  # extras that are not part of the pinned environment


def read_pins(lines: list[str]) -> dict[str, str]:
    """Version by name from lines of ``name==version``; anything else is an error."""
    pins = {}
    for line in lines:
        name, version = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.!]+)", line).groups()
        assert canonicalize_name(name) not in pins, f"{name} is pinned twice"
        pins[canonicalize_name(name)] = version
    return pins


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return read_pins([line for line in lines if line and not line.startswith("#")])


@pytest.fixture(scope="module")
def conda() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def pip_section(conda: dict) -> list[str]:
    (section,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    return section


def ranges() -> list[tuple[str, str]]:
    extras = {name: needs for name, needs in PROJECT["optional-dependencies"].items() if name not in NOT_PINNED}
    return [("base", need) for need in PROJECT["dependencies"]] + [
        (name, need) for name in extras for need in extras[name]
    ]


@pytest.mark.parametrize(("group", "need"), ranges())
def test_every_range_holds_the_pinned_version(pins, group, need):
    requirement = Requirement(need)
    name = canonicalize_name(requirement.name)
    assert name in pins, f"{need} ({group}) has no pin in constraints.txt"
    assert requirement.specifier.contains(pins[name]), f"{need} ({group}) excludes the pin {pins[name]}"


@pytest.mark.parametrize(("group", "need"), ranges())
def test_every_range_has_a_lower_bound(group, need):
    assert any(part.operator in (">=", "~=", "==") for part in Requirement(need).specifier), need


def test_torch_and_jupyter_book_are_where_they_must_be(pins):
    assert pins["torch"] == "2.13.0"  # without a local version, so that CPU and GPU builds both satisfy it
    needs = {canonicalize_name(Requirement(need).name): Requirement(need) for need in PROJECT["dependencies"]}
    assert needs["jupyter-book"].specifier == SpecifierSet(">=1.0.4.post1,<2")


def test_the_project_and_its_installers_are_not_pinned(pins):
    assert not {"stablerep", "pip", "setuptools", "wheel"} & pins.keys()


def test_conda_uses_a_python_that_the_project_allows(conda):
    (python,) = [entry for entry in conda["dependencies"] if isinstance(entry, str) and entry.startswith("python=")]
    version = python.removeprefix("python=")
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert f"Python {version}" in (ROOT / "constraints.txt").read_text()
    assert f"python{version}" in (ROOT / "Makefile").read_text()


def test_conda_installs_the_pinned_versions(conda, pins):
    section = pip_section(conda)
    assert "-c constraints.txt" in section
    (project,) = [entry for entry in section if entry.startswith("-e ")]
    extras = re.findall(r"\w+", project.partition("[")[2])
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    own = read_pins([entry for entry in section if not entry.startswith("-")])
    assert own.items() <= pins.items()


def test_make_and_conda_install_the_same_extras(conda):
    (make,) = re.findall(r"-c constraints\.txt -e '(\S+)'", (ROOT / "Makefile").read_text())
    assert f"-e {make}" in pip_section(conda)


def test_a_line_that_is_no_pin_is_refused():
    with pytest.raises(AttributeError):
        read_pins(["torch>=2"])
    with pytest.raises(AssertionError, match="twice"):
        read_pins(["PyYAML==6", "pyyaml==6"])
