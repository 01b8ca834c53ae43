"""The combinations of a sweep: a grid, pairs, or a list in a file; all of them checked before the first one starts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablerep.errors import InputError, readable
from stablerep.study.chapters import resolve
from stablerep.study.markdown import some_of
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.parameters.paths import anchor_paths
from stablerep.study.parameters.text_values import papermill_value, schema_value

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
MOST = 10_000  # combinations; more is a slip of the keyboard


def grid_values(text: str, fields: Mapping[str, FieldInfo] = {}) -> tuple[str, list[Any]]:
    """A name and its values from ``steps=10,20``, ``seed=0..4`` (both ends count) or ``seed=0..8..2`` (every second).

    YAML parts the values and quotes them; what each one is, the schema says, as with ``-p``. ``caption_counts=[32,64],[64,128]`` has two,
    which are lists.

    Args:
        fields: by name, the fields of the schema; values of other names get the types that papermill gives them.

    Raises:
        InputError: no ``=``, no values, an empty range, or what cannot be parted.
    """
    import yaml

    name, equals, values = text.partition("=")
    if not equals or not name or not values.strip():
        raise InputError(f"{text!r} is not name=values, for example guidance_scale=1,2,4 or seed=0..4.")
    if found := _RANGE.fullmatch(values.strip()):
        first, last, step = int(found[1]), int(found[2]), int(found[3] or 1)
        if last < first or step < 1:
            raise InputError(
                f"the range of {name}, {values}, is empty; write the smaller number first, for example 0..4."
            )
        return name, list(range(first, last + 1, step))
    unread = InputError(f"the values of {name}, {values!r}, could not be read; separate them by commas.")
    try:
        parted = yaml.load(f"[{values}]", yaml.BaseLoader)  # all as text: YAML would take 010 for 8, and NO for false
    except yaml.YAMLError:
        raise unread from None
    if any(isinstance(one, dict) for one in parted):
        raise unread
    return name, [_value(name, one, fields) for one in parted]


def _value(name: str, text: str | list, fields: Mapping[str, FieldInfo]) -> Any:
    return schema_value(fields[name], text) if name in fields else papermill_value(text)


def combinations(
    grid: list[str], *, pairs: bool = False, file: Path | None = None, fields: Mapping[str, FieldInfo] = {}
) -> list[dict[str, Any]]:  # fmt: skip
    """Every combination of the values of a grid, or with ``pairs`` their first, second, ... values together; each combined with every row of a file.

    Args:
        grid: texts of :func:`grid_values`.
        file: a .csv or .tsv file with a header, or a YAML file with a list of mappings.
        fields: of :func:`grid_values`.

    Raises:
        InputError, MissingError: nothing to combine, a name given twice, lists of different lengths as pairs, a file
            that cannot be read, two equal combinations, or more than ``MOST``.
    """
    named = [grid_values(text, fields) for text in grid]
    rows = _rows(file, fields) if file else [{}]
    names = [name for name, _ in named] + list(dict.fromkeys(key for row in rows for key in row))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{twice} is given twice; each parameter of a sweep has one list of values.")
    if not named and not file:
        raise InputError("the sweep has nothing to combine; give -g name=values or --list FILE.")
    lengths = {name: len(values) for name, values in named}
    if pairs and len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise InputError(f"pairs need lists of one length; these have {counts}.")
    columns = [values for _, values in named]
    product = zip(*columns) if pairs and columns else itertools.product(*columns)
    found = [dict(zip(lengths, values)) | row for values in product for row in rows]
    if len(found) > MOST:
        raise InputError(f"the sweep has {len(found):,} combinations; at most {MOST:,} are run.")
    if again := next((one for place, one in enumerate(found) if one in found[:place]), None):
        raise InputError(f"the combination {shown(again)} occurs twice.")
    return found


def shown(values: dict[str, Any]) -> str:
    """A combination as a reader sees it: ``guidance_scale = 4, seed = 0``."""
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _rows(file: Path, fields: Mapping[str, FieldInfo]) -> list[dict[str, Any]]:
    """Mappings from a table or a YAML file."""
    import yaml
    from papermill.iorw import NoDatesSafeLoader  # a date stays the text that was written

    from stablerep.corpus.text_files import DELIMITERS, read_text

    with readable(file):
        text = read_text(file)
    if delimiter := DELIMITERS.get(file.suffix.lower()):
        rows = _table_rows(file, text, delimiter, fields)
    else:
        try:
            rows = yaml.load(text, NoDatesSafeLoader)
        except (yaml.YAMLError, ValueError) as error:
            raise InputError(f"{file} could not be read as YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row for row in rows):
        raise InputError(f"{file} must hold a list of one or more combinations, each with names and values.")
    return rows


def _table_rows(file: Path, text: str, delimiter: str, fields: Mapping[str, FieldInfo]) -> list[dict[str, Any]]:
    """The rows of a table, typed as the schema says; an empty cell is None: not given."""
    import csv
    import io

    try:
        header, *rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row
        ] or [[]]
    except csv.Error as error:
        raise InputError(f"{file} could not be read as a table: {error}.") from None
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise InputError(f"{file} has two columns {twice!r}; each parameter has one.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(
                f"{file}, row {number}: {len(row)} values for the {len(header)} names {', '.join(header)}."
            )
    return [{name: _value(name, cell, fields) if cell else None for name, cell in zip(header, row)} for row in rows]


def resolve_all(notebook: str, found: list[dict[str, Any]], fixed: dict[str, Any]) -> list[Parameters]:
    """The checked parameters of every combination.

    Raises:
        ParameterError: a sentence for each that is wrong, with the combinations where it occurs; nothing has started.
    """
    if both := sorted({name for one in found for name in one} & set(fixed)):
        raise ParameterError(f"{both[0]} is both swept and given; leave one of them out.")
    resolved, problems = [], {}
    for number, one in enumerate(found, 1):
        try:
            resolved.append(resolve(notebook, anchor_paths(fixed | one)))
        except ParameterError as error:
            for line in str(error).splitlines():
                problems.setdefault(line, []).append(number)
    if problems:
        raise ParameterError("\n".join(_placed(line, numbers, len(found)) for line, numbers in problems.items()))
    return resolved


def _placed(sentence: str, numbers: list[int], total: int) -> str:
    """A sentence with the combinations that it is about, unless these are all."""
    if len(numbers) == total:
        return sentence
    named = some_of([str(number) for number in numbers], 5)
    return f"{sentence.rstrip('.')} (combination{'s' if len(numbers) > 1 else ''} {named} of {total})."
