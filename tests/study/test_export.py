"""Exports: what is in them, that they check themselves, and that every damage is found."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stablerep.study.commands import app
from stablerep.study.export import METADATA, export, verify_export
from tests.study.traced import executed_chapter, small_store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    store, runs = small_store(folder / "runs")
    executed_chapter(folder / "chapters", store, [run.key for run in runs.values()])
    notes = export(folder / "export", ["compare"], store, folder=folder / "chapters")
    return folder, store, runs, notes


@pytest.fixture
def copy(world, tmp_path) -> Path:
    return Path(shutil.copytree(world[0] / "export", tmp_path / "export"))


def graph_of(path: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads((path / METADATA).read_text())["@graph"]}


def test_an_export_is_whole_and_describes_everything(world):
    folder, store, runs, notes = world
    out = folder / "export"
    assert notes == []
    wrong, files, records = verify_export(out)
    assert wrong == [] and records == len(runs) and files == len([p for p in out.rglob("*") if p.is_file()])
    graph = graph_of(out)
    assert graph[METADATA]["about"] == {"@id": "./"} and graph["./"]["license"] == {"@id": "LICENSE"}
    assert {part["@id"] for part in graph["./"]["hasPart"]} | {METADATA} == {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    for run in runs.values():
        action = graph[f"#{run.key}"]
        assert action["@type"] == "CreateAction" and action["endTime"] == run.info["provenance"]["created"]
        assert {"@id": f"runs/{run.key}/run.json"} in action["result"]
        values = {v["name"]: json.loads(v["value"]) for o in action["object"] if (v := graph[o["@id"]])["@type"] == "PropertyValue"}
        assert values == run.info["parameters"]
    assert {"@id": f"#{runs['set 0'].key}"} in graph[f"#{runs['trained 0'].key}"]["object"]
    assert {"@id": "#corpus-emoji"} in graph[f"#{runs['untrained'].key}"]["object"] and graph["#corpus-emoji"]["identifier"] == "emoji"
    for entity in graph.values():  # every reference leads somewhere
        for name in ("object", "result", "hasPart", "mentions"):
            assert all(one["@id"] in graph or one["@id"] == METADATA for one in entity.get(name, ()))


def test_weights_come_along_only_when_asked_for(world, tmp_path):
    folder, store, runs, _ = world
    assert not list((folder / "export").rglob("*.safetensors")) and len(list((folder / "export").rglob("results.parquet"))) == len(runs)
    export(tmp_path / "all", ["compare"], store, folder=folder / "chapters", weights=True)
    assert len(list((tmp_path / "all").rglob("*.safetensors"))) == len(runs)
    assert verify_export(tmp_path / "all")[0] == []


def test_two_exports_are_the_same_bytes(world, tmp_path):
    folder, store, _, _ = world
    for name in ("a.zip", "b.zip"):
        export(tmp_path / name, ["compare"], store, folder=folder / "chapters")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert verify_export(tmp_path / "a.zip") == verify_export(folder / "export")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for name in archive.namelist():
            assert archive.read(name) == (folder / "export" / name).read_bytes()


def test_nothing_is_written_over(world, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="there exists; an export goes to a new place"):
        export(tmp_path / "there", ["compare"], world[1], folder=world[0] / "chapters")


def test_paths_and_names_of_people_stay_at_home(world, tmp_path, monkeypatch):
    """A parameter under the home folder keeps its last part; the export says so and is still whole."""
    monkeypatch.setenv("HOME", "/home/somebody")
    store, runs = small_store(tmp_path / "runs")
    extra = store.obtain(
        "pretraining", version=3, inputs={"images": "x"}, compute=lambda folder: None,
        parameters={"encoder": {"name": "local-dir:/home/somebody/models/mine"}, "method": "clip", "steps": 1, "views_per_step": 4, "seed": 0},
    )  # fmt: skip
    executed_chapter(tmp_path / "chapters", store, [extra.key])
    notes = export(tmp_path / "out", ["compare"], store, folder=tmp_path / "chapters")
    assert notes == [f"{extra.key}: parameters.encoder.name was the path of mine, of which only the name is kept."]
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"somebody" not in path.read_bytes(), path
    assert json.loads((tmp_path / "out" / "runs" / extra.key / "run.json").read_text())["parameters"]["encoder"]["name"] == "mine"
    assert verify_export(tmp_path / "out")[0] == []


def test_runs_that_are_gone_are_said(tmp_path):
    store, runs = small_store(tmp_path / "runs")
    executed_chapter(tmp_path / "chapters", store, [run.key for run in runs.values()])
    store.remove(runs["probed 0"].key)
    notes = export(tmp_path / "out", ["compare"], store, folder=tmp_path / "chapters")
    assert notes == [f"{runs['probed 0'].key} is no longer in the store; what is known of it is its key."]
    assert verify_export(tmp_path / "out")[0] == []


# Damage


@given(st.data())
def test_any_changed_byte_is_found(world, tmp_path_factory, data):
    out = world[0] / "export"
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name != METADATA)
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        assert any(path.relative_to(out).as_posix() in sentence for sentence in verify_export(out)[0])
    finally:
        path.write_bytes(before)


def test_missing_and_extra_files_are_found(copy):
    record = next(copy.glob("runs/*/run.json"))
    record.unlink()
    (copy / "notes.txt").write_text("x")
    wrong = verify_export(copy)[0]
    assert any(sentence == f"{record.relative_to(copy).as_posix()} is missing or damaged." for sentence in wrong)
    assert "notes.txt is not part of the export." in wrong


def altered(copy: Path, name: str, change) -> list[str]:
    """What is wrong when a file is changed and its checksum in the metadata too, as one who wants to deceive would."""
    content = json.loads((copy / name).read_text())
    change(content)
    raw = json.dumps(content).encode()
    (copy / name).write_bytes(raw)
    metadata = json.loads((copy / METADATA).read_text())
    for entity in metadata["@graph"]:
        if entity["@id"] == name:
            entity |= {"sha256": hashlib.sha256(raw).hexdigest(), "contentSize": str(len(raw))}
    (copy / METADATA).write_text(json.dumps(metadata))
    return verify_export(copy)[0]


def test_a_record_of_other_parameters_does_not_give_its_key(copy):
    name = sorted(p.relative_to(copy).as_posix() for p in copy.glob("runs/pretraining-*/run.json"))[0]
    (sentence,) = altered(copy, name, lambda info: info["parameters"].update(steps=6))
    assert sentence == f"{name} does not give its own key, {name.split('/')[1]}."


def test_a_notebook_of_unknown_runs_is_found(copy):
    (sentence,) = altered(copy, "notebooks/compare.ipynb", lambda book: book["metadata"]["stablerep"]["runs"].append("evaluation-" + "0" * 16))
    assert "asked for evaluation-0000000000000000, which the export does not describe" in sentence


@pytest.mark.parametrize("content", ["", "{", "[]", '{"@graph": []}', '{"@graph": [{"@id": "./"}]}'])
def test_damaged_metadata(copy, content):
    (copy / METADATA).write_text(content)
    assert verify_export(copy)[0] == [f"{METADATA} is missing or damaged."]
    (copy / METADATA).unlink()
    assert verify_export(copy)[0] == [f"{METADATA} is missing or damaged."]


def test_names_that_leave_the_export_are_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../outside.txt", "x")
        archive.writestr(METADATA, "{}")
    assert verify_export(path)[0] == ["../outside.txt points out of the export."]
    assert not (tmp_path.parent / "outside.txt").exists()


def test_by_command(world, tmp_path, monkeypatch):
    folder, store, _, _ = world
    monkeypatch.setenv("STABLEREP_RUNS", str(store.root))
    out = tmp_path / "out.zip"
    result = CliRunner().invoke(app, ["export", str(out), "compare", "--book", str(folder / "chapters")])
    assert result.exit_code == 0 and result.stdout.endswith("records of 7 runs\n"), result.stderr
    result = CliRunner().invoke(app, ["verify", str(out)])
    assert result.exit_code == 0 and result.stdout.endswith("7 runs are whole.\n")
    data = bytearray(out.read_bytes())
    data[300] ^= 1
    out.write_bytes(data)
    assert CliRunner().invoke(app, ["verify", str(out)]).exit_code in (1, 2)
    (tmp_path / "text").write_text("x")
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "text")])
    assert result.exit_code == 2 and "is neither a folder nor a zip" in result.stderr
