"""Paths of a machine, taken out of what is published: the folders of a path name people, and nobody else has them.

A path keeps its last part. What is text by nature (the prose, code and pictures of a notebook) is searched for this machine's own folders alone,
since in other hands ``/a/b`` can be anything; values, error messages and printed output are searched for every absolute path.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PureWindowsPath

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_STOP = r"\s\"'`,;:()<>|\[\]{}\\"
# Two parts at least: "/C15" is no path. After a letter, a dot or a slash comes the rest of a relative path or of an address.
_ABSOLUTE = re.compile(
    rf"(?<![\w./~<-])(?:(?:file:/+|~[\w.-]*/|/(?=[^/{_STOP}]+/))[^{_STOP}]+|[A-Za-z]:(?:\\+[^{_STOP}/]+)+)"
)

# A value that is a path and nothing else, maybe after a word such as "local-dir:"; its folders may have blanks in their names.
_VALUE = re.compile(r"((?:[\w-]{2,}:)?)((?:/[^/\n]+/|~[\w.-]*/|[A-Za-z]:\\)[^\n\"'<>|]*)")


def own_folders(*more: Path) -> list[str]:
    """Folders of this machine, longest first: home, the interpreter's, the one for temporary files, and ``more``."""
    found = {Path.home(), Path(sys.prefix), Path(sys.base_prefix), Path(tempfile.gettempdir()), *more}
    found |= {folder.resolve() for folder in found}
    found -= {Path("/"), Path("/usr"), Path("/usr/local")}  # which are everybody's
    return sorted({str(folder) for folder in found if folder.is_absolute()}, key=lambda folder: (-len(folder), folder))


@dataclass
class Shortener:
    """Shortens paths and writes down what it shortened.

    Attributes:
        folders: of :func:`own_folders`.
        found: the place of every value that was shortened, with the name that was kept.
    """

    folders: Iterable[str]
    found: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ours = "|".join(map(re.escape, self.folders)) or r"(?!)"
        self._ours = re.compile(rf"(?:file:/*|(?<![\w/]))(?:{ours})(?![\w.-])(?:[/\\]+[^{_STOP}]*)?")

    def text(self, text: str, place: str, *, anywhere: bool) -> str:
        """Text without paths: this machine's own, or with ``anywhere`` every absolute one."""

        def last(match: re.Match) -> str:
            name = self._last_part(match[0].rstrip("/\\."), place)
            return name + ("." if match[0].endswith(".") else "")

        def one(piece: str) -> str:
            piece = self._ours.sub(last, piece)
            return _ABSOLUTE.sub(last, piece) if anywhere else piece

        return "".join(piece if _COLOUR.fullmatch(piece) else one(piece) for piece in _COLOUR.split(text))

    def _last_part(self, path: str, place: str) -> str:
        """The last part of a path; that of a home folder would be the name of a person."""
        pure = (PureWindowsPath if ":" in path else PurePath)(path)
        name = "the home folder" if pure == Path.home() or pure.parent.name in ("home", "Users") else pure.name
        self.found.append((place, name))
        return name

    def values(self, content: object, place: str = "") -> object:
        """JSON values without paths, in names as well as in values."""
        if isinstance(content, str):
            whole = _VALUE.fullmatch(content)
            return whole[1] + self._last_part(whole[2], place) if whole else self.text(content, place, anywhere=True)
        if isinstance(content, dict):
            return {
                self.text(str(key), place, anywhere=True): self.values(value, f"{place}.{key}".lstrip("."))
                for key, value in content.items()
            }
        if isinstance(content, list):
            return [self.values(value, f"{place}[{number}]") for number, value in enumerate(content)]
        return content

    def notebook(self, notebook: dict) -> dict:
        """An executed notebook without paths; what papermill noted of the environment is dropped."""
        cells = [self._cell(cell, f"cell {number}") for number, cell in enumerate(notebook.get("cells", ()), 1)]
        metadata = self.values(notebook["metadata"])
        if "papermill" in metadata:
            metadata["papermill"] = {
                key: value for key, value in metadata["papermill"].items() if key != "environment_variables"
            }
        return {**notebook, "cells": cells, "metadata": metadata}

    def _cell(self, cell: dict, place: str) -> dict:
        given = "injected-parameters" in cell["metadata"].get("tags", ())
        kept = {
            "source": self._lines(cell["source"], place, anywhere=given),
            "metadata": self.values(cell["metadata"], place),
        }
        if "outputs" in cell:
            kept["outputs"] = [self._output(output, place) for output in cell["outputs"]]
        return {**cell, **kept}

    def _output(self, output: dict, place: str) -> dict:
        kept = dict(output)
        for name in ("text", "evalue", "traceback"):  # of printed lines, and of errors
            if name in kept:
                kept[name] = self._lines(kept[name], place, anywhere=True)
        for kind, content in kept.get("data", {}).items():
            if isinstance(content, (str, list)) and not kind.startswith("image/p"):  # not the base64 of PNG
                kept["data"] = kept["data"] | {kind: self._lines(content, place, anywhere=kind == "text/plain")}
        return kept

    def _lines(self, text: str | list, place: str, *, anywhere: bool) -> str | list:
        """Text as Jupyter keeps it: one string, or lines."""
        if isinstance(text, list):
            return [self.text(line, place, anywhere=anywhere) if isinstance(line, str) else line for line in text]
        return self.text(text, place, anywhere=anywhere)

    def sentences(self) -> list[str]:
        """What was shortened, a sentence for each place."""
        by_place: dict[str, dict[str, None]] = {}
        for place, name in self.found:
            by_place.setdefault(place, {})[name] = None
        return [
            f"{place or 'a value'} held the path of {', '.join(names)}; only the name is kept."
            for place, names in by_place.items()
        ]


def holds_path(path: Path, folders: Iterable[str]) -> bool:
    """Whether a table (``.parquet``) or a file of JSON or plain text holds an absolute path. Other files are not read."""
    shortener = Shortener(folders)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.parquet

        for column in pyarrow.parquet.read_table(path).columns:
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                for value in pyarrow.compute.unique(column).to_pylist():
                    shortener.text(value or "", "", anywhere=True)
    elif path.suffix in (".json", ".txt", ".csv"):
        shortener.text(path.read_text(errors="replace"), "", anywhere=path.suffix == ".json")
    return bool(shortener.found)
