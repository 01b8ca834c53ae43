"""The doctor: what is there is told, what is lacking comes with a command, and nothing stops the report."""

from __future__ import annotations

import re
import tomllib
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from stablerep import torchvision_shim
from stablerep.corpus import emoji
from stablerep.study.commands import doctor
from stablerep.study.commands.main import app
from stablerep.study.plans import speed
from stablerep.study.store import provenance
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Every place that the doctor looks at lies in the test's own folder."""
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("STABLEREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("STABLEREP_DATA", raising=False)
    monkeypatch.setattr(doctor, "PROJECT", tmp_path)
    return tmp_path


def test_every_topic_is_told_and_leaves_no_trace(places):
    findings = doctor.examine()
    topics = ["packages", "pins", "torchvision", "device", "corpus", "generator", "data", "datasets", "runs"]
    assert [finding.topic for finding in findings] == topics
    assert all(finding.text and finding.state in ("ok", "missing", "note") for finding in findings)
    assert list(places.iterdir()) == []


def test_report_has_a_line_for_each_finding_and_each_command():
    findings = [
        doctor.Finding("corpus", "ok", "17 pairs."),
        doctor.Finding("generator", "missing", "none.", "stablerep train"),
    ]
    lines = doctor.report(findings).splitlines()
    assert lines[0].split() == ["ok", "corpus", "17", "pairs."]
    assert lines[1].split() == ["missing", "generator", "none."]
    assert lines[2].split(maxsplit=1) == ["->", "stablerep train"]
    assert lines[-1] == "1 thing that the study needs is missing."
    assert doctor.report(findings + findings[1:]).splitlines()[-1] == "2 things that the study needs are missing."
    assert doctor.report(findings[:1]).splitlines()[-1] == "Nothing that the study needs is missing."


def test_costs_are_estimated_where_nothing_is_missing(monkeypatch):
    monkeypatch.setattr(speed, "measure_speed", lambda threads: 1.0)
    monkeypatch.setattr(
        "stablerep.study.plans.planning.preset_costs", lambda speed, workers: [("smoke", "about 3 minutes.")]
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0 and re.search("note +preset smoke +about 3 minutes.", result.stdout)
    monkeypatch.setattr(speed, "measure_speed", lambda threads: pytest.fail("there is nothing to measure with"))
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == "torch" else "1")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0 and "not installed: torch." in result.stdout and "preset" not in result.stdout
    assert result.stdout.endswith("1 thing that the study needs is missing.\n")


# Versions


def test_pins_are_read_from_a_constraints_file(places, monkeypatch):
    lines = "# exact versions\n\nnumpy==2.4.6\ntorch==2.13.0  # any build\nJinja2==3 ; python_version > '3'\na[b]==1\nc>=2\n"
    (places / "constraints.txt").write_text(lines)
    versions = {"numpy": "2.4.6", "torch": "2.13.0", "Jinja2": "3.1", "a": "2", "c": "2.5"}
    monkeypatch.setattr(doctor, "installed_version", versions.get)
    assert doctor._pins().text.startswith("2 differ from constraints.txt: Jinja2==3; python_version")
    assert doctor._pins().text.endswith("(3.1 is installed), a[b]==1 (2 is installed).")


@pytest.mark.parametrize(
    ("installed", "pinned", "agrees"),
    [
        ("2.13.0+cpu", "2.13.0", True), ("2.13.0", "2.13.0", True), ("2.13.0+cpu", "2.13.0+cpu", True),
        ("2.13.0+cu130", "2.13.0+cpu", False), ("2.13.1+cpu", "2.13.0", False), ("2.13.0", "2.13.0+cpu", False),
    ],
)  # fmt: skip
def test_versions_are_held_against_the_pins(places, monkeypatch, installed, pinned, agrees):
    (places / "constraints.txt").write_text(f"torch=={pinned}\nabsent==1\n")
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == "absent" else installed)
    finding = doctor._pins()
    if agrees:
        assert finding.state == "ok" and "all 1 installed" in finding.text
    else:
        assert finding.state == "note" and f"torch=={pinned} ({installed} is installed)" in finding.text
        assert finding.fix.startswith("pip install")
    assert "absent" not in finding.text


def test_packages_that_are_not_installed_are_missing(monkeypatch):
    assert doctor._packages().state == "ok" and "numpy" in doctor._packages().text
    there = doctor.installed_version
    monkeypatch.setattr(
        doctor, "installed_version", lambda name: None if name in ("timm", "papermill") else there(name)
    )
    found = doctor._packages()
    assert (found.state, found.text) == ("missing", "not installed: timm, papermill.")
    assert found.fix.startswith("pip install")
    assert {finding.topic for finding in doctor.examine()} == {"packages", "pins"}  # nothing else could be looked at


# torchvision


@pytest.mark.parametrize(
    ("operators", "words"), [({"nms": 1, "roi_align": 1}, "by itself"), ({"nms": 1}, "torchvision_shim")]
)
def test_torchvision_tells_how_it_works(monkeypatch, operators, words):
    monkeypatch.setattr("torch.ops.torchvision", SimpleNamespace(**operators), raising=False)
    finding = doctor._torchvision()
    assert finding.state == "ok" and words in finding.text


def test_torchvision_that_cannot_be_imported_does_not_stop_the_report(monkeypatch):
    def broken():
        raise OSError("undefined symbol\nand much more")

    monkeypatch.setattr(torchvision_shim, "ensure_torchvision_imports", broken)
    finding = doctor._torchvision()
    assert finding.state == "missing" and finding.text.endswith("OSError: undefined symbol") and finding.fix


# Corpus, generator, data


def test_corpus_is_counted(monkeypatch, tmp_path):
    finding = doctor._corpus()
    assert finding.state == "ok" and f"{emoji.manifest()['pairs']} embedded pairs" in finding.text
    monkeypatch.setattr(emoji, "DATA", tmp_path)
    finding = doctor._corpus()
    assert (
        finding.state == "missing"
        and "noto.jsonl.xz" in finding.text
        and finding.fix == "python scripts/build_corpus.py"
    )
    monkeypatch.setattr(emoji, "manifest", lambda: (_ for _ in ()).throw(FileNotFoundError("manifest.json")))
    finding = doctor._corpus()
    assert finding.state == "missing" and "FileNotFoundError" in finding.text


def test_generator_needs_its_index(monkeypatch, tmp_path):
    monkeypatch.setattr("stablerep.generator.folders.EMBEDDED", folder := tmp_path / "emoji_diffusion")
    finding = doctor._generator()
    assert finding.state == "missing" and finding.fix == "stablerep train-generator FOLDER"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "weights.safetensors").write_bytes(bytes(2_000_000))
    finding = doctor._generator()
    assert finding.state == "ok" and "2.0 MB" in finding.text


def test_data_folder_is_looked_into(monkeypatch, tmp_path):
    (finding,) = doctor._data()
    assert finding.state == "note" and "STABLEREP_DATA is not set" in finding.text and finding.fix.startswith("export")
    (tmp_path / "data" / "cifar10").mkdir(parents=True)
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path / "data"))
    present, absent = doctor._data()
    assert (present.topic, present.state) == ("data cifar10", "ok")
    assert (absent.topic, absent.state) == ("data fairface64", "note") and absent.fix.startswith("ln -s")
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path / "nowhere"))
    (finding,) = doctor._data()
    assert finding.state == "missing" and "nowhere" in finding.text


def test_the_hub_is_a_note_with_a_command(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    told = doctor._datasets()
    assert (told.state, told.fix.split()[0]) == ("note", "pip")
    extras = tomllib.loads((provenance.PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extra,) = re.findall(r"\.\[(\w+)\]", told.fix)
    assert any(requirement.startswith("datasets") for requirement in extras[extra])
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object())
    assert (doctor._datasets().state, doctor._datasets().fix) == ("ok", "")


# Runs


def test_runs_are_counted(places):
    store = RunStore()
    store.obtain(
        Step("probe", 1), parameters={}, inputs={}, compute=lambda f: (f / "a").write_bytes(bytes(3_000_000)) and {}
    )
    with pytest.raises(ZeroDivisionError):
        store.obtain(Step("probe", 2), parameters={}, inputs={}, compute=lambda folder: 1 / 0)
    finding = doctor._store()
    assert finding.state == "ok" and finding.text == f"1 complete, 1 incomplete, 3.0 MB, in {places / 'runs'}."


def test_store_that_cannot_be_written_is_missing(places, monkeypatch):
    (places / "file").write_text("")
    monkeypatch.setenv("STABLEREP_RUNS", str(places / "file" / "runs"))
    finding = doctor._store()
    assert (
        finding.state == "missing"
        and str(places / "file") in finding.text
        and finding.fix == "export STABLEREP_RUNS=FOLDER"
    )
