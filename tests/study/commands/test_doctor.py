"""The doctor: what is there is told, what is lacking comes with a command, and nothing stops the report."""

from __future__ import annotations

import math
import re
import tomllib

import pytest

from stablerep import torchvision_shim
from stablerep.corpus import emoji
from stablerep.study.commands import doctor
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


def found(topic: str, findings=None) -> list[doctor.Finding]:
    return [finding for finding in (findings or doctor.examine()) if finding.topic == topic]


def test_every_topic_is_told_and_leaves_no_trace(places):
    findings = doctor.examine([("smoke", "about 3 minutes."), ("laptop", "about 25 minutes.")])
    topics = {finding.topic for finding in findings}
    assert topics >= {
        "packages",
        "pins",
        "torchvision",
        "device",
        "corpus",
        "generator",
        "data",
        "datasets",
        "browser",
        "runs",
    }
    assert [f.text for f in findings if f.topic.startswith("preset ")] == ["about 3 minutes.", "about 25 minutes."]
    assert all(finding.text and finding.state in doctor.STATES for finding in findings)
    assert list(places.iterdir()) == []


def test_report_has_a_line_for_each_finding_and_each_command(monkeypatch):
    findings = [
        doctor.Finding("corpus", "ok", "17 pairs."),
        doctor.Finding("generator", "missing", "none.", "stablerep train"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda costs: findings)
    lines = doctor.report().splitlines()
    assert lines[0].split() == ["ok", "corpus", "17", "pairs."]
    assert lines[1].split() == ["missing", "generator", "none."]
    assert lines[2].split(maxsplit=1) == ["->", "stablerep train"]
    assert lines[-1] == "1 thing that the study needs is missing."
    findings.append(findings[-1])
    assert doctor.report().splitlines()[-1] == "2 things that the study needs are missing."
    del findings[1:]
    assert doctor.report().splitlines()[-1] == "Nothing that the study needs is missing."


def test_findings_keep_their_promise():
    with pytest.raises(ValueError, match="state is 'bad'; valid states are ok, missing, note"):
        doctor.Finding("corpus", "bad", "x")
    with pytest.raises(ValueError, match="must name the command"):
        doctor.Finding("corpus", "missing", "x")


# Versions


def test_pins_are_read_from_a_constraints_file(tmp_path):
    lines = "# exact versions\n\nnumpy==2.4.6\ntorch==2.13.0  # any build\nJinja2==3 ; python_version > '3'\na[b]==1\nc>=2\n"
    (tmp_path / "constraints.txt").write_text(lines)
    pins = doctor.read_pins(tmp_path / "constraints.txt")
    assert pins == {"numpy": "2.4.6", "torch": "2.13.0", "Jinja2": "3", "a": "1"}


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
    (finding,) = found("pins", doctor._versions())
    if agrees:
        assert finding.state == "ok" and "all 1 installed" in finding.text
    else:
        assert finding.state == "note" and f"torch {installed} (pinned {pinned})" in finding.text
        assert finding.fix.startswith("pip install")
    assert "absent" not in finding.text


def test_packages_that_are_not_installed_are_missing(monkeypatch):
    there = doctor.installed_version
    monkeypatch.setattr(
        doctor, "installed_version", lambda name: None if name in ("timm", "papermill") else there(name)
    )
    told = found("packages", doctor._versions())
    assert [finding.state for finding in told] == ["ok", "missing"]
    assert "timm, papermill" in told[1].text and told[1].fix.startswith("pip install")
    assert "timm" not in told[0].text and "numpy" in told[0].text


# torchvision


@pytest.mark.parametrize(("library", "words"), [(None, "by itself"), (object(), "torchvision_shim")])
def test_torchvision_tells_how_it_works(monkeypatch, library, words):
    monkeypatch.setattr(torchvision_shim, "ensure_torchvision_imports", lambda: library is not None)
    monkeypatch.setattr(torchvision_shim, "_library", library)
    (finding,) = doctor._torchvision()
    assert finding.state == "ok" and words in finding.text


def test_torchvision_that_cannot_be_imported_does_not_stop_the_report(monkeypatch):
    def broken():
        raise OSError("undefined symbol\nand much more")

    monkeypatch.setattr(torchvision_shim, "ensure_torchvision_imports", broken)
    (finding,) = doctor._torchvision()
    assert finding.state == "missing" and finding.text.endswith("OSError: undefined symbol") and finding.fix


# Corpus, generator, data


def test_corpus_is_counted(monkeypatch, tmp_path):
    (finding,) = doctor._corpus()
    assert finding.state == "ok" and f"{emoji.manifest()['pairs']} embedded pairs" in finding.text
    monkeypatch.setattr(emoji, "DATA", tmp_path)
    (finding,) = doctor._corpus()
    assert (
        finding.state == "missing"
        and "noto.jsonl.xz" in finding.text
        and finding.fix == "python scripts/build_corpus.py"
    )
    monkeypatch.setattr(emoji, "manifest", lambda: (_ for _ in ()).throw(FileNotFoundError("manifest.json")))
    (finding,) = doctor._corpus()
    assert finding.state == "missing" and "FileNotFoundError" in finding.text


def test_generator_needs_its_index(monkeypatch, tmp_path):
    monkeypatch.setattr("stablerep.__file__", str(tmp_path / "__init__.py"))
    (finding,) = doctor._generator()
    assert finding.state == "missing" and finding.fix == "stablerep train-generator"
    folder = tmp_path / "generator" / "emoji_diffusion"
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (folder / "unet" / "weights.safetensors").write_bytes(bytes(2_000_000))
    (finding,) = doctor._generator()
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


def test_optional_tools_are_notes_with_a_command(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    told = doctor._tools()
    assert [(finding.topic, finding.state) for finding in told] == [("datasets", "note"), ("browser", "note")]
    assert [finding.fix.split()[0] for finding in told] == ["pip", "apt-get"]
    extras = tomllib.loads((provenance.PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extra,) = re.findall(r"\.\[(\w+)\]", told[0].fix)
    assert any(requirement.startswith("datasets") for requirement in extras[extra])
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/x" if name == "google-chrome" else None)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object())
    assert [(finding.state, finding.fix) for finding in doctor._tools()] == [("ok", ""), ("ok", "")]


# Runs and cache


def test_runs_are_counted(places):
    store = RunStore()
    store.obtain(
        Step("probe", 1), parameters={}, inputs={}, compute=lambda f: (f / "a").write_bytes(bytes(3_000_000)) and {}
    )
    with pytest.raises(ZeroDivisionError):
        store.obtain(Step("probe", 2), parameters={}, inputs={}, compute=lambda folder: 1 / 0)
    (finding,) = doctor._store()
    assert finding.state == "ok" and finding.text == f"1 complete, 1 incomplete, 3.0 MB, in {places / 'runs'}."


def test_store_that_cannot_be_written_is_missing(places, monkeypatch):
    (places / "file").write_text("")
    monkeypatch.setenv("STABLEREP_RUNS", str(places / "file" / "runs"))
    (finding,) = doctor._store()
    assert (
        finding.state == "missing"
        and str(places / "file") in finding.text
        and finding.fix == "export STABLEREP_RUNS=FOLDER"
    )


def test_drawn_images_are_measured(places):
    (finding,) = doctor._cache()
    assert finding.state == "note" and str(places / "cache") in finding.text
    (places / "cache").mkdir()
    (places / "cache" / "noto-32px.npy").write_bytes(bytes(1_500_000))
    (finding,) = doctor._cache()
    assert finding.state == "ok" and "1.5 MB" in finding.text


# Speed


def test_speed_is_a_rate_over_several_products():
    speed = doctor.measure_speed(seconds=0.01)
    assert speed["device"] in ("cpu", "cuda") and speed["repeats"] >= 3
    assert math.isfinite(speed["gflops"]) and speed["gflops"] > 0


def test_speed_is_the_median_of_the_products_after_the_first(monkeypatch):
    import torch

    ticks = iter([0.0, 0.0, 9.0, 9.0, 10.0, 10.0, 12.0, 12.0, 17.0, 17.0])  # products of 9, 1, 2 and 5 seconds
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor.measure_speed(seconds=1) == {
        "device": "cpu",
        "gflops": pytest.approx(2 * 1024**3 / 2e9),
        "repeats": 3,
    }


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf])
def test_speed_needs_some_time(wrong):
    with pytest.raises(ValueError, match="seconds is "):
        doctor.measure_speed(wrong)
