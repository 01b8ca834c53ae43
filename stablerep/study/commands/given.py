"""What a reader gives for the parameters of chapters, as pairs, options and a file: from text to values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stablerep.errors import InputError, readable


def chapter_fields(chapter: str | None = None) -> dict[str, Any]:
    """By name, the fields of the parameters of a chapter, of all chapters, or none where there is no such chapter."""
    from stablerep.study.chapters import schemas

    chosen = [schema for name, schema in schemas().items() if chapter in (None, name)]
    return {name: field for schema in chosen for name, field in schema.model_fields.items()}


def given_parameters(
    pairs: list[str], file: Path | None = None, *, fields: dict[str, Any], options: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """``["w=4", "seeds=2"]``, options and a YAML file to a dictionary; what the file says counts least.

    Args:
        fields: those of the schema (:func:`chapter_fields`); other names get the types that papermill gives them.
        options: texts or truth values by name; None is not given.

    Raises:
        InputError, MissingError: a pair without ``=``, two values of one parameter, or a file that is not a mapping.
    """
    given, texts = {}, []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InputError(f"{pair!r} is not name=value, for example guidance_scale=4.")
        texts.append((name, text))
    for name, text in [*texts, *options.items()]:
        if text is None:
            continue
        value = _value(name, text, fields) if isinstance(text, str) else text
        if name in given and given[name] != value:
            raise InputError(f"{name} is given twice, as {given[name]} and as {value}; give it once.")
        given[name] = value
    return (_read_mapping(file) if file else {}) | given


def _value(name: str, text: str, fields: dict[str, Any]) -> Any:
    """A value as the schema has it, or as papermill does where there is none."""
    from stablerep.study.parameters.text_values import papermill_value, schema_value

    try:
        return schema_value(fields[name], text) if name in fields else papermill_value(text)
    except InputError as error:
        raise InputError(f"the value of {name}, {error}") from None


def _read_mapping(file: Path) -> dict[str, Any]:
    import yaml
    from papermill.iorw import NoDatesSafeLoader  # a date stays the text that was written

    from stablerep.corpus.text_files import read_text

    with readable(file):
        text = read_text(file)
    try:
        found = yaml.load(text, NoDatesSafeLoader) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{file} could not be read as YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} holds a {type(found).__name__}; it must map parameter names to values.")
    return found
