"""Paths of a machine, taken out of what is published: the folders of a path name people, and nobody else has them.

A path keeps its last part. What is text by nature (the prose, code and pictures of a notebook) is searched for this
machine's own folders alone, since in other hands ``/a/b`` can be anything; values, error messages and printed output
are searched for every absolute path.
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from pathlib import Path, PurePath, PureWindowsPath

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_STOP = r"\s\"'`,;:()<>|\[\]{}\\"
# Two parts at least: "/C15" is no path. After a letter, a dot or a slash comes the rest of a relative path or address.
_ABSOLUTE = re.compile(
    rf"(?<![\w./~<-])(?:(?:file:/+|~[\w.-]*/|/(?=[^/{_STOP}]+/))[^{_STOP}]+|[A-Za-z]:(?:\\+[^{_STOP}/]+)+)"
)

# A value that is a path and nothing else, maybe after a word such as "local-dir:"; its folders may have blanks.
_VALUE = re.compile(r"((?:[\w-]{2,}:)?)((?:/[^/\n]+/|~[\w.-]*/|[A-Za-z]:\\)[^\n\"'<>|]*)")


def own_folders(*more: Path) -> list[str]:
    """Folders of this machine, longest first: home, the interpreter's, the one for temporary files, and ``more``."""
    found = {Path.home(), Path(sys.prefix), Path(sys.base_prefix), Path(tempfile.gettempdir()), *more}
    found |= {folder.resolve() for folder in found}
    found -= {Path("/"), Path("/usr"), Path("/usr/local")}  # which are everybody's
    return sorted({str(folder) for folder in found if folder.is_absolute()}, key=lambda folder: (-len(folder), folder))


class Shortener:
    """Shortens paths, of which it knows this machine's own by :func:`own_folders`, and writes down what it shortened.

    Attributes:
        found: the place of every value that was shortened, with the name that was kept.
    """

    def __init__(self, folders: list[str]) -> None:
        self.found: list[tuple[str, str]] = []
        ours = "|".join(map(re.escape, folders))
        self._ours = re.compile(rf"(?:file:/*|(?<![\w/]))(?:{ours})(?![\w.-])(?:[/\\]+[^{_STOP}]*)?")

    def text(self, text: str, place: str, *, anywhere: bool) -> str:
        """Text without paths: this machine's own, or with ``anywhere`` every absolute one."""

        def last(match: re.Match) -> str:
            name = self._last_part(match[0].rstrip("/\\."), place)
            return name + ("." if match[0].endswith(".") else "")

        pieces = _COLOUR.split(text)  # every second one is a colour
        pieces[::2] = [self._ours.sub(last, piece) for piece in pieces[::2]]
        if anywhere:
            pieces[::2] = [_ABSOLUTE.sub(last, piece) for piece in pieces[::2]]
        return "".join(pieces)

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
        kept = copy.deepcopy(notebook)
        for number, cell in enumerate(kept["cells"], 1):
            place, given = f"cell {number}", "injected-parameters" in cell["metadata"].get("tags", ())
            self._shorten(cell, "source", place, anywhere=given)
            cell["metadata"] = self.values(cell["metadata"], place)
            for output in cell.get("outputs", ()):
                for name in ("text", "evalue", "traceback"):  # of printed lines, and of errors
                    self._shorten(output, name, place, anywhere=True)
                for kind in output.get("data", {}):
                    if not kind.startswith("image/p") and not kind.endswith("json"):  # which are no text
                        self._shorten(output["data"], kind, place, anywhere=kind == "text/plain")
        kept["metadata"] = self.values(notebook["metadata"])
        kept["metadata"].get("papermill", {}).pop("environment_variables", None)
        return kept

    def _shorten(self, holder: dict, name: str, place: str, *, anywhere: bool) -> None:
        """Shorten in place what a notebook may have under a name: text, in one string or in lines."""
        content = holder.get(name)
        if isinstance(content, list):
            holder[name] = [self.text(line, place, anywhere=anywhere) for line in content]
        elif content:
            holder[name] = self.text(content, place, anywhere=anywhere)

    def sentences(self) -> list[str]:
        """What was shortened, a sentence for each place."""
        by_place: dict[str, dict[str, None]] = {}
        for place, name in self.found:
            by_place.setdefault(place, {})[name] = None
        return [
            f"{place or 'a value'} held the path of {', '.join(names)}; only the name is kept."
            for place, names in by_place.items()
        ]


def holds_path(path: Path, folders: list[str]) -> bool:
    """Whether a table (``.parquet``) or a file of JSON or plain text holds a path. Other files are not read."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        columns = pyarrow.parquet.read_table(path).columns
        texts = [one for one in columns if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)]
        text = "\n".join(value or "" for column in texts for value in column.unique().to_pylist())
    elif path.suffix in (".json", ".txt", ".csv"):
        text = path.read_text(errors="replace")
    else:
        return False
    shortener = Shortener(folders)
    shortener.text(text, "", anywhere=path.suffix in (".json", ".parquet"))
    return bool(shortener.found)
