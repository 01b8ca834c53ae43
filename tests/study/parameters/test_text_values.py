"""Text from the command line, as the schema or as papermill reads it."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papermill.cli import _resolve_type
from pydantic import BaseModel, Field

from stablerep.errors import InputError
from stablerep.study.chapters import schemas
from stablerep.study.parameters.text_values import papermill_value, schema_value


class Schema(BaseModel):
    text: str = ""
    choice: Literal["NO", "1"] = "NO"
    whole: Annotated[int, Field(ge=1)] = 1
    number: Annotated[float, Field(ge=1)] = 1
    truth: bool = True
    words: list[Literal["a", "b"]] = []
    numbers: list[Annotated[float, Field(ge=1)]] = []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "NO", "NO"), ("text", "2024-03-01", "2024-03-01"), ("text", "16:9", "16:9"), ("text", "#tag", "#tag"),
        ("text", "1e-3", "1e-3"), ("text", "[a", "[a"), ("choice", "1", "1"), ("whole", "3", 3), ("number", "1e-3", 0.001),
        ("number", "4", 4), ("truth", "no", False), ("truth", "true", True), ("truth", "maybe", "maybe"), ("whole", "two", "two"),
        ("words", "a,b", ["a", "b"]), ("words", "[a, b]", ["a", "b"]), ("words", '["a", "b"]', ["a", "b"]), ("words", "a", ["a"]),
        ("numbers", "1, 2.5", [1, 2.5]), ("numbers", "[]", []), ("text", "", ""), ("text", " a ", " a "), ("whole", "", None), ("numbers", " ", None),
    ],
)  # fmt: skip
def test_text_is_read_as_the_field_says(name, text, value):
    found = schema_value(Schema.model_fields[name], text)
    assert found == value and type(found) is type(value)


def test_a_list_that_is_not_closed_is_refused():
    with pytest.raises(InputError, match=r"'\[1, 2' could not be read as a list; write a,b or \[a, b\]."):
        schema_value(Schema.model_fields["numbers"], "[1, 2")


@given(st.text())
def test_text_of_a_text_field_never_changes(text):
    assert schema_value(Schema.model_fields["text"], text) == text


@given(
    st.text()
    | st.from_regex(r"[-+]?[0-9_]*\.?[0-9]*(e-?[0-9]+)?", fullmatch=True)
    | st.sampled_from(["True", "None", "nan", "1_0"])
)
def test_without_a_schema_the_type_is_that_of_papermill(text):
    ours, theirs = papermill_value(text), _resolve_type(text)
    assert type(ours) is type(theirs) and repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", schemas())
def test_every_preset_value_comes_back_from_its_text(name):
    from stablerep.study.chapters import resolve

    p = resolve(name, {"preset": "smoke"})
    texts = {
        key: ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in p.model_dump().items()
    }
    read = {key: schema_value(schemas()[name].model_fields[key], text) for key, text in texts.items()}
    assert resolve(name, read) == p
