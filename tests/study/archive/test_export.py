"""Exports: what is in them, what they say of it, and that nothing private is."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import stablerep
from stablerep.study.archive import export as module
from stablerep.study.archive.check import examine_export
from stablerep.study.archive.export import export
from stablerep.study.archive.graph import METADATA, SUMS
from stablerep.study.chapters import chapter_names
from stablerep.study.commands.main import app
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step
from tests.study.archive.traced import executed_chapter, small_store, verify_export


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    store, runs = small_store(folder / "runs")
    key = executed_chapter(folder / "chapters", store, [run.key for run in runs.values()])
    notes = export(folder / "export", ["compare"], store, folder=folder / "chapters")
    return folder, store, {**runs, "notebook": store.find(key)}, notes


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def graph_of(path: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads((path / METADATA).read_text())["@graph"]}


# What is in it


def test_names(world):
    folder, _, runs, notes = world
    stored = {f"reference/compare/{path.name}" for path in (module.STORED / "compare").iterdir()}
    records = {f"runs/{run.key}/run.json" for run in runs.values()}
    tables = {f"runs/{run.key}/results.parquet" for name, run in runs.items() if name != "notebook"}
    whole = {METADATA, SUMS, "LICENSE", "CITATION.cff", "notebooks/compare.ipynb", "tables/compare/arms.parquet"}
    assert names_in(folder / "export") == whole | stored | records | tables and notes == []


def test_weights_come_along_only_when_asked_for(world, tmp_path):
    folder, store, runs, _ = world
    export(tmp_path / "all", ["compare"], store, folder=folder / "chapters", weights=True)
    more = {
        f"runs/{run.key}/{file}"
        for name, run in runs.items()
        if name != "notebook"
        for file in ("weights.safetensors", "recipe.json")
    }
    assert names_in(tmp_path / "all") == names_in(folder / "export") | more
    assert verify_export(tmp_path / "all") == []


def test_files_are_those_of_the_store(world):
    folder, store, runs, _ = world
    out = folder / "export"
    assert (out / "tables/compare/arms.parquet").read_bytes() == runs["notebook"].path(
        "tables/arms.parquet"
    ).read_bytes()
    for run in runs.values():
        assert json.loads((out / "runs" / run.key / "run.json").read_text()) == run.info


def test_checksums_can_be_checked_without_the_project(world):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    assert (
        subprocess.run(
            ["sha256sum", "--strict", "-c", SUMS], cwd=world[0] / "export", capture_output=True, timeout=60
        ).returncode
        == 0
    )
    listed = (world[0] / "export" / SUMS).read_text().splitlines()
    assert len(listed) == len(names_in(world[0] / "export")) - 1 and listed == sorted(
        listed, key=lambda line: line[66:]
    )


def test_two_exports_are_the_same_bytes(world, tmp_path):
    folder, store, _, _ = world
    for name in ("a.zip", "b.zip"):
        export(tmp_path / name, ["compare"], store, folder=folder / "chapters")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert examine_export(tmp_path / "a.zip") == examine_export(folder / "export")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert set(archive.namelist()) == names_in(folder / "export")
        for entry in archive.infolist():
            assert archive.read(entry) == (folder / "export" / entry.filename).read_bytes()
            assert entry.external_attr >> 16 == 0o100644  # else whoever unpacks it cannot read it


def test_figures_and_tables_stand_for_their_chapter(world, tmp_path):
    folder, store, runs, _ = world
    export(tmp_path / "out", ["compare/arms", "compare", runs["notebook"].key[:-3]], store, folder=folder / "chapters")
    assert names_in(tmp_path / "out") == names_in(folder / "export") and verify_export(tmp_path / "out") == []


def test_a_run_alone(world, tmp_path):
    _, store, runs, _ = world
    export(tmp_path / "out", [runs["probed 1"].key[:-4]], store)
    kept = [runs[name].key for name in ("probed 1", "trained 1", "set 1")]
    assert {name for name in names_in(tmp_path / "out") if name.endswith("run.json")} == {
        f"runs/{key}/run.json" for key in kept
    }
    assert verify_export(tmp_path / "out") == [] and examine_export(tmp_path / "out").runs == 3


def test_without_names_every_executed_chapter_is_taken(world, tmp_path):
    folder, store, _, _ = world
    notes = export(tmp_path / "out", store=store, folder=folder / "chapters")
    assert names_in(tmp_path / "out") == names_in(folder / "export")
    assert len(notes) == len(chapter_names()) - 1 and all("was not executed yet" in note for note in notes)
    with pytest.raises(ValueError, match="no chapter was executed yet; `stablerep book` does it."):
        export(tmp_path / "none", store=store, folder=tmp_path)
    with pytest.raises(ValueError, match="bias_representation was not executed yet"):
        export(tmp_path / "none", ["bias_representation"], store, folder=tmp_path)
    assert not (tmp_path / "none").exists()


def test_nothing_is_written_over(world, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="there already exists; give another name for the export"):
        export(tmp_path / "there", ["compare"], world[1], folder=world[0] / "chapters")


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_nothing_is_half_written(world, tmp_path, monkeypatch, name):
    def fails(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(module.shutil, "copyfile", fails)
    monkeypatch.setattr(module.shutil, "copyfileobj", fails)
    with pytest.raises(OSError, match="the disk is full"):
        export(tmp_path / name, ["compare"], world[1], folder=world[0] / "chapters")
    assert list(tmp_path.iterdir()) == []


def test_altered_runs_are_not_exported(tmp_path):
    store, runs = small_store(tmp_path / "runs")
    path = runs["probed 0"].path("results.parquet")
    path.write_bytes(path.read_bytes()[::-1])  # of the same size
    with pytest.raises(ValueError, match=f"{runs['probed 0'].key} cannot be exported: results.parquet was altered"):
        export(tmp_path / "out", [runs["probed 0"].key], store)
    assert not (tmp_path / "out").exists()


def test_runs_that_are_gone_are_said(tmp_path):
    store, runs = small_store(tmp_path / "runs")
    key = executed_chapter(tmp_path / "chapters", store, [run.key for run in runs.values()])
    gone = runs["probed 0"].key
    store.remove(gone)
    store.remove(key)
    notes = export(tmp_path / "out", ["compare"], store, folder=tmp_path / "chapters")
    assert notes == [
        f"compare: its execution, {key}, is no longer in the store, and its own tables with it.",
        f"{gone} is no longer in the store; only its key is known.",
    ]
    found = examine_export(tmp_path / "out")
    assert found.wrong == [] and [note.split()[0] for note in found.notes] == sorted([gone, key])
    graph = graph_of(tmp_path / "out")
    assert graph[f"#{gone}"]["description"].startswith("No longer in the run store")
    assert graph[graph[f"#{key}"]["instrument"]["@id"]]["identifier"] == json.loads((tmp_path / "chapters" / "compare.ipynb").read_text())[
        "metadata"]["stablerep"]["inputs"]["library"]  # fmt: skip


TEXTS = st.text(max_size=8) | st.sampled_from(["/home/x/y", "local-dir:/a/b", "a b", "ä/ö", "%41", "#", "../x"])
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS, lambda some: (
    st.lists(some, max_size=3) | st.dictionaries(TEXTS, some, max_size=3)), max_leaves=6)  # fmt: skip


@settings(max_examples=30)
@given(
    parameters=st.dictionaries(TEXTS, VALUES, max_size=4),
    inputs=st.dictionaries(TEXTS, TEXTS.filter(bool), max_size=3),
    zipped=st.booleans(),
)
def test_every_export_of_any_run_is_whole(tmp_path_factory, parameters, inputs, zipped):
    folder = tmp_path_factory.mktemp("any")
    store = RunStore(folder / "runs")
    first = store.obtain(Step("first", 1), parameters=parameters, inputs=inputs, compute=lambda folder: None)
    second = store.obtain(Step("second", 1), parameters={}, inputs={"first": first.key}, compute=lambda folder: None)
    out = folder / ("out.zip" if zipped else "out")
    notes = export(out, [second.key], store)
    found = examine_export(out)
    assert found.wrong == [] and found.runs == 2 and bool(found.notes) == bool(notes)


# What it says


def test_the_crate_is_described(world):
    out = world[0] / "export"
    metadata = json.loads((out / METADATA).read_text())
    assert metadata["@context"][0] == "https://w3id.org/ro/crate/1.1/context" and "sha256" in metadata["@context"][1]
    graph = graph_of(out)
    assert graph[METADATA]["about"] == {"@id": "./"} and graph[METADATA]["conformsTo"] == {
        "@id": "https://w3id.org/ro/crate/1.1"
    }
    root = graph["./"]
    assert root["license"] == {"@id": "LICENSE"} and root["name"] == "StableRep at small scale: compare"
    assert graph[root["author"]["@id"]]["name"] == "the stablerep contributors"
    assert graph[root["citation"]["@id"]]["@type"] == "ScholarlyArticle"
    created = max(run.info["provenance"]["created"] for run in world[2].values())
    assert root["datePublished"] == created[:10]
    assert {part["@id"] for part in root["hasPart"]} | {METADATA} == names_in(out)
    for name in names_in(out) - {METADATA, SUMS}:
        content = (out / name).read_bytes()
        assert graph[name]["@type"] == "File" and graph[name]["contentSize"] == str(len(content))
        assert graph[name]["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_independent_validator_accepts_it(world, tmp_path, monkeypatch):
    """Offline: the vocabulary comes from another package; it is that of version 1.3, which has all words of 1.1."""
    from rocrate.vocabs import RO_CRATE
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    def read(self, address, **options):
        assert address == "https://w3id.org/ro/crate/1.1/context"
        return SimpleNamespace(status_code=200, headers={"Content-Type": "application/ld+json"}, json=lambda: RO_CRATE)

    monkeypatch.setattr(HttpRequester, "get", read, raising=False)

    def issues(path: Path) -> set[str]:
        settings = models.ValidationSettings(
            rocrate_uri=str(path), profile_identifier="ro-crate-1.1", requirement_severity="RECOMMENDED", offline=True, cache_path=tmp_path / "cache"
        )  # fmt: skip
        return {issue.message for issue in services.validate(settings).get_issues()}

    assert issues(world[0] / "export") == {"The organization SHOULD have a URL."}  # the contributors have none
    broken = Path(shutil.copytree(world[0] / "export", tmp_path / "broken"))
    metadata = json.loads((broken / METADATA).read_text())
    del next(entity for entity in metadata["@graph"] if entity["@id"] == "./")["datePublished"]
    (broken / METADATA).write_text(json.dumps(metadata))
    assert any("datePublished" in message for message in issues(broken))


def test_every_run_is_an_action(world):
    folder, _, runs, _ = world
    graph = graph_of(folder / "export")
    assert {entity["@id"] for entity in graph.values() if entity["@type"] == "CreateAction"} == {
        f"#{run.key}" for run in runs.values()
    }
    for name, run in runs.items():
        action, made = graph[f"#{run.key}"], run.info["provenance"]
        assert action["endTime"] == made["created"] and {"@id": f"runs/{run.key}/run.json"} in action["result"]
        values = {
            v["name"]: json.loads(v["value"])
            for o in action["object"]
            if (v := graph[o["@id"]])["@type"] == "PropertyValue"
        }
        assert values == {
            key: value for key, value in run.info["parameters"].items() if (name, key) != ("notebook", "name")
        }
        software = graph[action["instrument"]["@id"]]
        assert software["@type"] == "SoftwareApplication" and software["softwareVersion"].startswith(
            stablerep.__version__
        )
        assert software.get("identifier") == (made["git"] or {}).get("commit")
    assert {"@id": f"#{runs['set 0'].key}"} in graph[f"#{runs['trained 0'].key}"]["object"]
    assert {"@id": "#corpus-emoji"} in graph[f"#{runs['untrained'].key}"]["object"] and graph["#corpus-emoji"][
        "identifier"
    ] == "emoji"
    execution = graph[f"#{runs['notebook'].key}"]
    assert {"@id": f"#{runs['probed 1'].key}"} in execution["object"] and {
        "@id": "reference/compare/record.json"
    } in execution["object"]
    assert {"@id": "notebooks/compare.ipynb"} in execution["result"] and {
        "@id": "tables/compare/arms.parquet"
    } in execution["result"]


# What nobody else should read


def test_paths_and_names_of_people_stay_at_home(tmp_path, monkeypatch):
    """A value under the home folder keeps its last part; the export says so and is still whole."""
    monkeypatch.setenv("HOME", "/home/somebody")
    store, runs = small_store(tmp_path / "runs")

    def compute(folder):
        pd.DataFrame({"file": ["/home/somebody/a.png"]}).to_parquet(folder / "files.parquet", index=False)

    private = store.obtain(
        Step("pretraining", 3), inputs={"images": "random-local-dir:/home/somebody/models/mine-0"}, compute=compute,
        parameters={"encoder": {"name": "local-dir:/home/somebody/my models/mine"}, "method": "clip", "steps": 1, "views_per_step": 4, "seed": 0},
    )  # fmt: skip
    cell = {
        "cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "source": 'generator = "/elsewhere/somebody/generator"',
        "outputs": [
            {"output_type": "stream", "name": "stderr", "text": ["/opt/somebody/lib/x.py:3: UserWarning: y\n"]},
            {"output_type": "error", "ename": "E", "evalue": "/opt/somebody/x.py", "traceback": ["\x1b[0;32m/opt/somebody/x.py\x1b[0m in y"]},
            {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>/home/somebody/x.html</b>", "text/plain": ["/opt/somebody/z"]}},
        ],
    }  # fmt: skip
    executed_chapter(tmp_path / "chapters", store, [private.key], cells=[cell])
    notes = export(tmp_path / "out", ["compare"], store, folder=tmp_path / "chapters", weights=True)
    assert notes == [
        "compare: cell 2 held the path of generator, x.py, x.html, z; only the name is kept.",
        f"{private.key}: files.parquet holds the path of a folder and is left out.",
        f"{private.key}: parameters.encoder.name held the path of mine; only the name is kept.",
        f"{private.key}: inputs.images held the path of mine-0; only the name is kept.",
    ]
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"somebody" not in path.read_bytes(), path
            assert b"SECRET" not in path.read_bytes(), path
    record = json.loads((tmp_path / "out" / "runs" / private.key / "run.json").read_text())
    assert record["parameters"]["encoder"]["name"] == "local-dir:mine" and record["inputs"] == {
        "images": "random-local-dir:mine-0"
    }
    notebook = json.loads((tmp_path / "out" / "notebooks" / "compare.ipynb").read_text())
    assert (
        notebook["cells"][0]["source"] == "x = '/home/kept/in/code'"
        and notebook["cells"][1]["source"] == 'generator = "generator"'
    )
    found = examine_export(tmp_path / "out")
    assert found.wrong == [] and found.notes == [
        f"{private.key} cannot be checked against its key: a path in its record was shortened."
    ]


def test_a_chapter_of_a_private_folder(tmp_path, monkeypatch):
    """The parameters of a notebook lose the folder too, and still are those of its record."""
    monkeypatch.setattr(
        "stablerep.study.notebooks.execution.current_inputs", lambda name, p: {"library": "0" * 16, "stored": "0" * 16}
    )
    store = RunStore(tmp_path / "runs")
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(
        "tests.study.archive.traced.resolve", lambda name, given: Given(generator=str(tmp_path / "mine"))
    )
    key = executed_chapter(tmp_path / "chapters", store, [])
    notes = export(tmp_path / "out", ["compare"], store, folder=tmp_path / "chapters")
    assert "compare: results/compare changed after it was executed, and is left out." in notes
    assert f"{key}: parameters.generator held the path of mine; only the name is kept." in notes
    assert verify_export(tmp_path / "out") == []
    assert all(
        str(tmp_path).encode() not in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


class Given(dict):
    def model_dump(self) -> dict:
        return dict(self)


# By command


def test_by_command(world, tmp_path, monkeypatch):
    folder, store, _, _ = world
    monkeypatch.setenv("STABLEREP_RUNS", str(store.root))
    out = tmp_path / "out.zip"

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    result = call("export", out, "compare", "--book", folder / "chapters")
    count = len(names_in(folder / "export"))
    assert result.exit_code == 0 and result.stdout == f"{out}: {count} files, records of 8 runs\n", result.stderr
    result = call("verify", out)
    assert result.exit_code == 0 and result.stdout == f"{count} files and 8 runs are whole.\n"
    result = call("export", out, "compare", "--book", folder / "chapters")
    assert result.exit_code == 2 and result.stderr == f"{out} already exists; give another name for the export.\n"
    shutil.copytree(folder / "export", tmp_path / "altered")
    (tmp_path / "altered" / "LICENSE").write_text("none")
    result = call("verify", tmp_path / "altered")
    assert (
        result.exit_code == 1
        and result.stdout == "LICENSE was altered: its size or checksum is not the recorded one.\n"
    )
