"""What follows from the schemas, by hand and against pydantic."""

from __future__ import annotations

import json
import shutil
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from stablerep.errors import MissingError
from stablerep.study.chapters import chapter, resolve, schemas
from stablerep.study.commands.main import app
from stablerep.study.notebooks.schema import json_schema, parameters_cell, sync_notebook, sync_readme, write_schemas
from stablerep.study.parameters.base import Batched, Seeded, knob
from stablerep.study.parameters.description import describe_schema
from stablerep.study.root import project_root


class Example(Seeded):
    count: int = knob("a", unit="images", cost="linear", ge=1, le=30)
    least: int = knob("b", ge=4)
    share: float = knob("c", gt=0, le=0.5)
    momentum: float = knob("d", ge=0, lt=1)
    most: float = knob("e", le=2)
    word: Literal["one", "two", "three"] = knob("f")
    several: list[int] = knob("g", min_length=2)
    free: str = knob("h")


def test_valid_values_in_words():
    found = {row.name: (row.kind, row.valid) for row in describe_schema(Example)}
    assert found["count"] == ("whole number", "1 to 30")
    assert found["least"] == ("whole number", "4 or more")
    assert found["share"] == ("number", "above 0, at most 0.5")
    assert found["momentum"] == ("number", "0, below 1")
    assert found["most"] == ("number", "at most 2")
    assert found["word"] == ("text", "one, two or three")
    assert found["several"] == ("list of whole numbers", "2 or more")
    assert found["free"] == ("text", "") and found["live"] == ("truth value", "")
    assert found["seed"][1] == "0 to 2147483648"
    row = describe_schema(Example)[3]
    assert (row.name, row.unit, row.cost, row.help, row.choices) == ("count", "images", "linear", "a", ())


@pytest.mark.parametrize("name", schemas())
def test_a_cell_has_one_plain_line_for_each_parameter(name):
    lines = parameters_cell(name).splitlines()
    assert [line.split(" = ")[0] for line in lines] == list(schemas()[name].model_fields)
    for line in lines:
        code, _, comment = line.partition("  # ")
        assert comment and "=" not in comment and "#" not in comment


def test_sync_writes_what_differs(tmp_path):
    path = tmp_path / "corpus.ipynb"
    shutil.copy(project_root() / "notebooks" / "corpus.ipynb", path)
    before = path.read_bytes()
    assert not sync_notebook(path)
    content = json.loads(before)
    (cell,) = (cell for cell in content["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    cell["source"] = ["seed = 1"]
    path.write_text(json.dumps(content))
    changed = path.read_bytes()
    assert sync_notebook(path, check=True) and path.read_bytes() == changed
    assert sync_notebook(path) and path.read_bytes() == before
    with pytest.raises(
        MissingError, match="bias_representation.ipynb is missing; the chapter bias_representation has no notebook yet"
    ):
        sync_notebook(tmp_path / "bias_representation.ipynb")
    with pytest.raises(ValueError, match="absent.ipynb is not a notebook of the book, which has corpus"):
        sync_notebook(tmp_path / "absent.ipynb")
    cell["metadata"] = {}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="has 0 cells tagged parameters"):
        sync_notebook(path)


def test_readme_lists_the_chapters(tmp_path):
    path = tmp_path / "README.md"
    shutil.copy(project_root() / "README.md", path)
    before = path.read_text()
    for name in schemas():
        module = chapter(name)
        assert f"| `{name}` | {module.QUESTION} | {', '.join(module.CLAIMS)} |" in before
    assert not sync_readme(path)
    path.write_text(before.replace("| `bias_representation` |", "| `people` |"))
    changed = path.read_text()
    assert sync_readme(path, check=True) and path.read_text() == changed
    assert sync_readme(path) and path.read_text() == before and not sync_readme(path)
    path.write_text("No list is here.")
    assert not sync_readme(path) and path.read_text() == "No list is here."


def test_sync_by_command(tmp_path, monkeypatch):
    shutil.copytree(project_root() / "notebooks", tmp_path / "notebooks")
    shutil.copy(project_root() / "README.md", tmp_path / "README.md")
    monkeypatch.setattr("stablerep.study.root.project_root", lambda: tmp_path)
    assert CliRunner().invoke(app, ["notebooks", "sync", "--check"]).exit_code == 0
    path, readme = tmp_path / "notebooks" / "bias_representation.ipynb", tmp_path / "README.md"
    before = path.read_text(), readme.read_text()
    path.write_text(before[0].replace("seeds = None", "seeds = 3"))
    result = CliRunner().invoke(app, ["notebooks", "sync", "--check"])
    assert result.exit_code == 1 and result.stderr.startswith(
        "notebooks/bias_representation.ipynb differs from the chapters"
    )
    assert path.read_text() != before[0]
    readme.write_text(before[1].replace("| `bias_representation` |", "| `people` |"))
    result = CliRunner().invoke(app, ["notebooks", "sync", "--check"])
    assert result.exit_code == 1 and result.stderr.startswith(
        "notebooks/bias_representation.ipynb, README.md differ from the chapters"
    )
    assert (
        CliRunner().invoke(app, ["notebooks", "sync"]).stdout
        == "rewritten: notebooks/bias_representation.ipynb, README.md\n"
    )
    assert (path.read_text(), readme.read_text()) == before
    assert CliRunner().invoke(app, ["notebooks", "sync", "--check"]).exit_code == 0


@pytest.mark.parametrize("name", schemas())
def test_json_schema_knows_defaults_and_needs_nothing(name):
    schema = json_schema(name)
    assert (
        schema["$schema"].endswith("2020-12/schema")
        and "required" not in schema
        and schema["additionalProperties"] is False
    )
    laptop = resolve(name, {}).model_dump()
    assert {key: about["default"] for key, about in schema["properties"].items()} == laptop
    assert all(about["description"] and {"unit", "cost"} <= set(about) for about in schema["properties"].values())
    assert ("multiple of positives" in schema["description"]) == issubclass(schemas()[name], Batched)
    lists = [key for key, value in laptop.items() if isinstance(value, list)]
    assert [key for key, about in schema["properties"].items() if about.get("uniqueItems")] == lists


@given(st.sampled_from(list(schemas())), st.data())
def test_json_schema_and_resolve_agree_on_numbers(name, data):
    """Against the independent validator of the jsonschema package, for one number of a chapter at a time."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(name)
    about = schema["properties"]
    numbers = [
        key
        for key in about
        if about[key]["type"] in ("integer", "number") and key not in ("positives", "views_per_step")
    ]
    key = data.draw(st.sampled_from(numbers))
    kind = st.integers(-2, 120) if about[key]["type"] == "integer" else st.floats(-1, 40, allow_nan=False)
    value = data.draw(kind)
    try:
        resolve(name, {key: value})
        accepted = True
    except (ValueError, ValidationError):
        accepted = False
    assert jsonschema.Draft202012Validator(schema).is_valid({key: value}) == accepted


def test_schemas_as_files(tmp_path):
    write_schemas(tmp_path / "schemas")
    assert {path.name for path in (tmp_path / "schemas").iterdir()} == {f"{name}.schema.json" for name in schemas()}
    assert json.loads((tmp_path / "schemas" / "bias_representation.schema.json").read_text()) == json_schema(
        "bias_representation"
    )
    assert json.loads(CliRunner().invoke(app, ["notebooks", "schema", "bias_representation"]).stdout) == json_schema(
        "bias_representation"
    )
    assert CliRunner().invoke(app, ["notebooks", "schema", "audit"]).exit_code == 2
