"""Executing notebooks, with papermill in the place of which something only copies."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from typer.testing import CliRunner

from stablerep.errors import InputError, MissingError, StorageError
from stablerep.study.chapters import resolve
from stablerep.study.commands.main import app
from stablerep.study.notebooks import execution
from stablerep.study.notebooks.chapter import ASKED, RECORD_FOLDER
from stablerep.study.notebooks.execution import execute_notebook, place_chapter
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.root import project_root
from stablerep.study.store.runs import RunStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))  # restored afterwards: executing a notebook sets it
    return RunStore()


@pytest.fixture
def executed(monkeypatch):
    """Papermill that copies: what it was asked for is listed."""
    asked = []

    def copy(source, target, *, parameters, **options):
        if isinstance(source, nbformat.NotebookNode):
            asked.append((source, parameters, options))
            nbformat.write(source, target)
        else:
            asked.append((Path(source).name, parameters, options))
            shutil.copy(source, target)

    monkeypatch.setattr(papermill, "execute_notebook", copy)
    return asked


def test_notebook_is_executed_with_full_parameters(store, executed):
    said = []
    run = execute_notebook("compare", {"preset": "smoke", "guidance_scale": 4}, store=store, log=said.append)
    ((source, parameters, options),) = executed
    assert source == "compare.ipynb"
    assert parameters == resolve("compare", {"preset": "smoke", "guidance_scale": 4}).model_dump()
    assert options["cwd"] == str(project_root())
    assert said == ["compare: executing notebooks/compare.ipynb"]
    written = json.loads(run.path("compare.ipynb").read_text())
    about = written["metadata"]["stablerep"]
    assert (about["chapter"], about["key"], about["preset"]) == ("compare", run.key, "smoke")
    assert about["changed"] == {"guidance_scale": 4.0} and about["parameters"] == parameters
    assert about["inputs"] == run.info["inputs"] and set(about["inputs"]) == {
        "notebook",
        "library",
        "stored",
        "corpus",
        "generator",
    }
    assert about["runs"] == [] and about["headline"] is None  # the copy asked for nothing and drew nothing


def test_what_the_kernel_leaves_goes_into_the_notebook(store, monkeypatch):
    """A chapter's tables become files of the run; the runs behind them and the headline become metadata."""
    arms = pd.DataFrame(
        {
            "arm": ["SimCLR real"],
            "probe": ["linear group"],
            "accuracy": [0.5],
            "low": [0.4],
            "high": [float("nan")],
            "views": [3],
        }
    )

    def leave(source, target, **options):
        shutil.copy(source, target)
        folder = Path(os.environ[RECORD_FOLDER])
        folder.mkdir()
        arms.to_parquet(folder / "arms.parquet")
        (folder / ASKED).write_text('{"runs": ["evaluation-0123456789abcdef"], "accepted": []}')

    monkeypatch.setattr(papermill, "execute_notebook", leave)
    run = execute_notebook("compare", {"preset": "smoke"}, store=store, log=None)
    assert set(run.info["files"]) == {"compare.ipynb", "tables/arms.parquet"}
    about = json.loads(run.path("compare.ipynb").read_text())["metadata"]["stablerep"]
    assert about["runs"] == ["evaluation-0123456789abcdef"]
    row = {"arm": "SimCLR real", "probe": "linear group", "value": 0.5, "low": 0.4, "high": None}
    assert about["headline"] == {"keys": ["arm", "probe"], "value": "accuracy", "unit": "accuracy", "rows": [row]}
    assert RECORD_FOLDER not in os.environ


@pytest.mark.slow
def test_a_checkout_in_a_folder_with_braces_executes_its_notebooks(store, tmp_path, monkeypatch):
    """Papermill fills in what braces in a path name, and gave an error where a path has them."""
    folder = tmp_path / "{1..3} {x}"
    folder.mkdir()
    path = foreign(folder, "print(6 * 7)")
    monkeypatch.setattr(execution, "notebook_path", lambda name: path)
    found = json.loads(execute_notebook("corpus", {}, store=store, log=None).path("corpus.ipynb").read_text())
    assert found["cells"][-1]["outputs"][0]["text"] == ["42\n"]


def test_same_notebook_is_executed_once(store, executed):
    first = execute_notebook("corpus", {"size": 33}, store=store, log=None)
    assert execute_notebook("corpus", {"size": 33, "flags": None}, store=store, log=None) == first
    assert len(executed) == 1
    assert execute_notebook("corpus", {"size": 34}, store=store, log=None).key != first.key


def test_execution_is_named_by_source_library_and_stored_results(store, executed, monkeypatch):
    keys = {execute_notebook("corpus", {}, store=store, log=None).key}
    monkeypatch.setattr(execution, "stored_hash", lambda name: "other results")
    keys.add(execute_notebook("corpus", {}, store=store, log=None).key)
    monkeypatch.setattr(execution, "source_text", lambda name: b"other source")
    keys.add(execute_notebook("corpus", {}, store=store, log=None).key)
    monkeypatch.setattr("stablerep.study.store.code.library_hash", lambda: "other library")
    keys.add(execute_notebook("corpus", {}, store=store, log=None).key)
    assert len(keys) == len(executed) == 4


def test_failed_cell_leaves_no_run(store, monkeypatch):
    def fail(source, target, **options):
        shutil.copy(source, target)
        raise papermill.PapermillExecutionError(4, 5, "1 / 0", "ZeroDivisionError", "division by zero", ["Traceback"])

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(RuntimeError, match="corpus: cell 5 failed with ZeroDivisionError: division by zero") as error:
        execute_notebook("corpus", {}, store=store, log=None)
    assert "\n" not in str(error.value)
    assert not store.list()["complete"].any()


def test_wrong_parameters_start_nothing(store, executed):
    with pytest.raises(ParameterError, match="guidance_scale is 0.5"):
        execute_notebook("compare", {"guidance_scale": 0.5}, store=store)
    assert executed == [] and not store.root.exists()


def test_chapter_is_placed_where_the_book_reads_it(store, executed, tmp_path):
    run = execute_notebook("corpus", {}, store=store, log=None)
    target = place_chapter(run, "corpus", tmp_path / "chapters")
    assert target == tmp_path / "chapters" / "corpus.ipynb"
    assert target.read_bytes() == run.path("corpus.ipynb").read_bytes()


# Notebooks from elsewhere


def foreign(folder: Path, *sources: str, parameters: str = "") -> Path:
    from nbformat import write
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    write(
        new_notebook(cells=[*cells, *map(new_code_cell, sources)], metadata={"kernelspec": kernel}),
        folder / "foreign.ipynb",
    )
    return folder / "foreign.ipynb"


@pytest.mark.slow
def test_a_trusted_notebook_does_not_see_secrets(tmp_path, monkeypatch):
    """It prints its whole environment: variables that are secrets by their name are not there, the others are."""
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "hunter2-token")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2-password")
    monkeypatch.setenv("AN_ORDINARY_VARIABLE", "ordinary-value")
    path = foreign(tmp_path, "import os\nprint(dict(os.environ), count + 1)", parameters="count = 1  # of something")
    out = execution.execute_file(path, {"count": 4}, tmp_path / "out.ipynb", trust=True, loud=False)
    text = out.read_text()
    assert "ordinary-value" in text and "} 5" in text
    assert "hunter2" not in text
    assert not list(tmp_path.glob(".*.part*"))


def test_notebooks_from_elsewhere_need_trust(tmp_path, executed):
    path, out = foreign(tmp_path, "print(1)"), tmp_path / "out.ipynb"
    with pytest.raises(
        ValueError, match="^.*foreign.ipynb is not one of the project's notebooks. .*read it, then add --trust.$"
    ):
        execution.execute_file(path, {}, out)
    link = tmp_path / "corpus.ipynb"
    link.symlink_to(path)
    with pytest.raises(ValueError, match="add --trust"):
        execution.execute_file(link, {}, out)
    with pytest.raises(ValueError, match="`stablerep run corpus` executes it"):
        execution.execute_file(project_root() / "notebooks" / "corpus.ipynb", {}, out, trust=True)
    for name, content in (("broken.ipynb", "{"), ("list.ipynb", "[]")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match="could not be read as a notebook"):
            execution.execute_file(tmp_path / name, {}, out, trust=True)
    (tmp_path / "latin.ipynb").write_bytes(b'{\n "metadata": "caf\xe9"}')
    with pytest.raises(ValueError, match="^latin.ipynb, line 2: byte 0xe9 is not UTF-8; save the file as UTF-8"):
        execution.execute_file(tmp_path / "latin.ipynb", {}, out, trust=True)
    with pytest.raises(MissingError, match="there is no file .*absent.ipynb"):
        execution.execute_file(tmp_path / "absent.ipynb", {}, out, trust=True)
    with pytest.raises(ValueError, match="notes.txt is not a notebook; give the path of an .ipynb file"):
        execution.execute_file(tmp_path / "notes.txt", {}, out, trust=True)
    assert executed == [] and not out.exists()


def test_parameters_of_a_copied_chapter_are_those_of_its_schema(tmp_path, executed):
    copy = foreign(tmp_path, 'chapter = open_chapter("compare", globals())')
    with pytest.raises(ParameterError, match="did you mean guidance_scale"):
        execution.execute_file(copy, {"guidance_scael": 4}, tmp_path / "out.ipynb", trust=True)
    execution.execute_file(copy, {"preset": "smoke", "seeds": 2}, tmp_path / "out.ipynb", trust=True, loud=False)
    ((_, parameters, _),) = executed
    assert parameters == resolve("compare", {"preset": "smoke", "seeds": 2}).model_dump()


def test_other_notebooks_have_the_parameters_of_their_cell(tmp_path, executed):
    path = foreign(tmp_path, "print(a)", parameters="a = 1")
    with pytest.raises(ValueError, match="foreign.ipynb has no parameter 'b'; it has a."):
        execution.execute_file(path, {"b": 1}, tmp_path / "out.ipynb", trust=True)
    assert executed == []


BARE = {"cells": [], "nbformat": 4, "nbformat_minor": 5}
V3 = {
    "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "old"},
    "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "code", "input": "n = 1", "outputs": [], "language": "python", "collapsed": False, "metadata": {}},
    ]}],
}  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [
        {}, {"language_info": {"name": "python"}}, {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        {"kernelspec": {"name": "conda-env-sd-py", "display_name": "Python [conda env:sd]", "language": "python"}},
    ],
    ids=["bare", "language", "kernel", "environment"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_notebooks_lack_a_kernel_or_begin_with_a_mark(tmp_path, executed, metadata, encoding):
    path = tmp_path / "мои {n} тетради.ipynb"
    path.write_text(json.dumps(BARE | {"metadata": metadata}), encoding=encoding, newline="\r\n")
    assert execution.execute_file(path, {}, tmp_path / "out.ipynb", trust=True, loud=False) == tmp_path / "out.ipynb"
    ((given, _, options),) = executed
    assert given.metadata.kernelspec.name == options["kernel_name"] == "python3"
    assert given.metadata.language_info.name == given.metadata.kernelspec.language == "python"


def test_a_notebook_of_an_earlier_format_is_upgraded(tmp_path, executed):
    (tmp_path / "old.ipynb").write_text(json.dumps(V3))
    execution.execute_file(tmp_path / "old.ipynb", {}, tmp_path / "out.ipynb", trust=True, loud=False)
    written = nbformat.read(tmp_path / "out.ipynb", as_version=nbformat.NO_CONVERT)
    assert written.nbformat == 4 and [cell.source for cell in written.cells] == ["n = 1"]


def test_a_notebook_in_another_language_is_refused(tmp_path, executed):
    kernel = {"name": "ir", "display_name": "R", "language": "R"}
    (tmp_path / "r.ipynb").write_text(json.dumps(BARE | {"metadata": {"kernelspec": kernel}}))
    with pytest.raises(InputError, match="r.ipynb is written in R; only notebooks in Python are executed."):
        execution.execute_file(tmp_path / "r.ipynb", {}, tmp_path / "out.ipynb", trust=True)


def test_an_output_that_cannot_be_written_is_told_before_anything_runs(tmp_path, executed):
    path = foreign(tmp_path, "print(1)")
    (tmp_path / "file").write_text("")
    for output in (tmp_path, tmp_path / "file" / "out.ipynb"):
        with pytest.raises(StorageError, match=f"{output} cannot be written"):
            execution.execute_file(path, {}, output, trust=True)
    assert executed == []


@pytest.mark.slow
def test_values_reach_a_notebook_as_they_were_written(tmp_path):
    """Through the command line, papermill and a kernel, into a folder whose name has braces."""
    cell = "day = ''\ntime = ''\nanswer = ''\ntag = ''\nlr = 0.1"
    path = foreign(tmp_path, "print([day, time, answer, tag, lr])", parameters=cell)
    bare = json.loads(path.read_text())
    bare["metadata"] = {}
    path.write_text(json.dumps(bare))
    pairs = ("day=2024-03-01", "time=16:9", "answer=NO", "tag=#tag", "lr=1e-3")
    out = tmp_path / "{n}" / "my out.ipynb"
    arguments = ["execute", str(path), "-o", str(out), "--trust", *(part for pair in pairs for part in ("-p", pair))]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = nbformat.read(out, as_version=4)
    assert written.cells[-1].outputs[0].text == "['2024-03-01', '16:9', 'NO', '#tag', 0.001]\n"
    record = written.metadata.papermill
    assert (record.input_path, record.output_path) == ("foreign.ipynb", "my out.ipynb")


def test_many_identities_are_those_of_each_and_hash_what_they_read_once(monkeypatch):
    wanted = [("compare", resolve("compare", {"seed": k})) for k in range(3)] + [("corpus", resolve("corpus", {}))]
    hashed, real = [], execution.current_inputs
    monkeypatch.setattr(execution, "current_inputs", lambda name, p: hashed.append(name) or real(name, p))
    found = execution.notebook_identities(wanted)
    assert hashed == ["compare", "corpus"]
    assert found == [execution.notebook_identity(name, p) for name, p in wanted]
