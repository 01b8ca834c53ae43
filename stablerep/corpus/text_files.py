"""Text that people write: captions and metadata in .txt, .csv, .tsv and .jsonl, from any editor, with the line of whatever is wrong.

A byte order mark is no part of the text, and lines end with LF or CR LF. Anything but UTF-8 is refused with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from stablerep.corpus.columns import CAPTION_COLUMNS
from stablerep.errors import InputError, MissingError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".txt", *DELIMITERS, ".jsonl")


def _to_stderr(note: str) -> None:
    print(note, file=sys.stderr)


def read_captions(path: Path | str, *, note: Callable[[str], object] = _to_stderr) -> list[str]:
    """The different captions of a file, in the order of their first appearance.

    A ``.txt`` file has one caption a line (blank lines do not count); a ``.csv`` or ``.tsv`` file has a header with a column
    ``caption`` or ``text``; a ``.jsonl`` file has an object with one of these, or a text, in each line.

    Args:
        note: called with a sentence when captions are repeated; they count once.

    Raises:
        MissingError: there is no such file.
        InputError: another kind of file, not UTF-8, no such column, an empty caption or none at all; with file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"{path} is no file; captions are read from a {', '.join(SUFFIXES)} file.")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path.name} is no file of captions; valid are {', '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".txt":
        captions = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    else:
        table = read_table(path, texts=True)
        columns = [name for name in CAPTION_COLUMNS if name in table]
        if len(columns) != 1 and len(table):
            found = (
                f"both {' and '.join(columns)}; keep one"
                if columns
                else f"no column {' or '.join(CAPTION_COLUMNS)}; it has {', '.join(table)}"
            )
            raise InputError(f"{path.name} has {found}.")
        captions = table[columns[0]].tolist() if columns else []
        for number, caption in enumerate(captions, 1):
            if not isinstance(caption, str) or not caption.strip():
                raise InputError(f"{path.name}, row {number}: {columns[0]} is empty or no text.")
        captions = [" ".join(caption.split()) for caption in captions]
    if not captions:
        raise InputError(f"{path.name} has no captions.")
    different = list(dict.fromkeys(captions))
    if repeated := len(captions) - len(different):
        note(f"{path.name} repeats {repeated} of its {len(captions)} captions; each counts once.")
    return different


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, its lines ended by LF alone. Raises ``InputError`` with the line that is not UTF-8."""
    return decode_text(path.read_bytes(), path.name)


def decode_text(data: bytes, where: str) -> str:
    """The same of a file's bytes; ``where`` names the file in messages."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{where}, line 1: the file is in UTF-16; save it as UTF-8.")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8."
        ) from error


def read_table(path: Path, *, texts: bool = False) -> pd.DataFrame:
    """The rows of a ``.csv``, ``.tsv`` or ``.jsonl`` file; rows are counted from 1, without the header.

    Nothing changes silently: a caption "NA" or "007" stays as it is written, and whole numbers stay whole where one is missing.
    ``texts``: lines of JSON may also be plain texts, which become the column ``text``.
    """
    if path.suffix.lower() == ".jsonl":
        return _read_jsonl(path, texts)
    return _read_delimited(path, DELIMITERS[path.suffix.lower()])


def _read_delimited(path: Path, delimiter: str) -> pd.DataFrame:
    """All columns as text, except further columns made of numbers alone."""
    kind = "CSV" if delimiter == "," else "TSV"
    try:
        text = read_text(path)
        header, *rows = [
            r for r in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if r
        ] or [[]]
    except InputError as error:
        raise InputError(f"{path.name} cannot be read as {kind} in UTF-8 ({str(error).rstrip('.')}).") from error
    except csv.Error as error:
        raise InputError(f"{path.name} cannot be read as {kind} in UTF-8 ({error}).") from error
    if len(set(header)) < len(header):
        raise InputError(f"{path.name} names a column twice: {', '.join(header)}.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            what = "comma" if delimiter == "," else "tab"
            raise InputError(
                f"{path.name}, row {number}: {len(row)} values for {len(header)} columns (a value with a {what} needs quotes)."
            )
    table = pd.DataFrame(rows, columns=header, dtype=str)
    for column in table.columns.difference(["id", "file_name", "split", *CAPTION_COLUMNS]):
        numbers = pd.to_numeric(table[column].where(table[column] != ""), errors="coerce")
        if (numbers.notna() == (table[column] != "")).all() and numbers.notna().any():
            table[column] = numbers
    return table


def _read_jsonl(path: Path, texts: bool) -> pd.DataFrame:
    rows, text = [], read_text(path).rstrip()
    # By LF alone: other ends of lines that splitlines knows may stand inside a JSON text.
    for number, line in enumerate(text.split("\n") if text else (), 1):
        try:
            row = json.loads(line)
            json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair passes for JSON but is no text
        except ValueError as error:
            raise InputError(f"{path.name}, row {number}: not JSON ({error}).") from error
        if texts and isinstance(row, str):
            row = {"text": row}
        if not isinstance(row, dict):
            raise InputError(f"{path.name}, row {number}: an object was expected, not {line[:40]}.")
        rows.append(row)
    table = pd.DataFrame(rows, dtype=object)
    for column in table:  # pandas would turn whole numbers with gaps into floats; with gaps they stay as they are
        if column != "id" and not table[column].isna().any():
            table[column] = table[column].infer_objects()
    return table
