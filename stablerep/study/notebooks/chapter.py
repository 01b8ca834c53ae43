"""What a notebook works with: its checked parameters, its tables, the stored reference; and how notebooks are committed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablerep.checkpoint import written_aside
from stablerep.errors import MissingError
from stablerep.study.parameters.base import SCHEMAS, Parameters, preset_differences, resolve
from stablerep.study.root import project_root

if TYPE_CHECKING:
    import pandas as pd

ASKED = "asked.json"
RECORD_FOLDER = (
    "STABLEREP_RECORD"  # names the folder in which an executed notebook leaves its tables and the runs it asked for
)


@dataclass(frozen=True)
class Chapter:
    """What a notebook works with: its parameters, its tables, the stored reference."""

    name: str
    parameters: Parameters

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables to draw: computed when ``live``, else the stored ones."""
        from stablerep.study.chapters import compute_tables, stored_tables

        if not self.parameters.live:
            return self._recorded(stored_tables(self.name), [])
        from stablerep.study.experiments.study import Study

        study = Study()
        return self._recorded(compute_tables(self.name, self.parameters, study), study.store.asked)

    def _recorded(self, tables: dict[str, pd.DataFrame], asked: list[str]) -> dict[str, pd.DataFrame]:
        """The tables, left with the keys of the runs behind them where the executor of the notebook wants them."""
        if folder := os.environ.get(RECORD_FOLDER):
            for name, table in tables.items():
                with written_aside(Path(folder) / f"{name}.parquet") as aside:
                    table.to_parquet(aside, index=False)
            with written_aside(Path(folder) / ASKED) as aside:
                aside.write_text(json.dumps(asked))
        return tables

    @cached_property
    def stored(self) -> dict[str, pd.DataFrame] | None:
        """The committed reference tables; None when there are none yet."""
        from stablerep.study.chapters import stored_tables

        try:
            return stored_tables(self.name)
        except FileNotFoundError:
            return None

    @property
    def reference(self) -> str:
        """One sentence on what the stored reference is."""
        from stablerep.study.chapters import stored_record
        from stablerep.study.experiments.study import EVALUATION_VERSION

        if self.stored is None:
            return "There is no stored reference yet."
        record = stored_record(self.name)
        own = {k: v for k, v in record["parameters"].items() if k not in ("live", "preset")}
        changed = {k: v for k, v in own.items() if hasattr(self.parameters, k) and getattr(self.parameters, k) != v}
        listed = ", ".join(f"{k} = {v}" for k, v in changed.items()) or "the same parameters"
        older = "probe_designs" in own and record.get("evaluation_version", 2) < EVALUATION_VERSION
        note = (
            " It was scored by an earlier version of the linear probe, which tried five penalties instead of up to 45."
            if older
            else ""
        )
        return f"The stored reference was computed with {listed} on {record['provenance']['created'][:10]}.{note}"

    def parameter_table(self) -> pd.DataFrame:
        """Name, value (beside the preset's where it differs), meaning, valid values with their unit, and cost of every parameter."""
        import pandas as pd

        from stablerep.study.notebooks.schema import describe_schema

        def text(value) -> str:
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

        rows, different = [], preset_differences(self.name, self.parameters)
        for row in describe_schema(type(self.parameters)):
            value = text(getattr(self.parameters, row.name))
            if row.name in different:
                value += f" (preset: {text(different[row.name][1])})"
            rows.append(
                [row.name, value, row.help, f"{row.valid} {row.unit}".strip(), "" if row.cost == "none" else row.cost]
            )
        table = pd.DataFrame(rows, columns=["parameter", "value", "meaning", "valid", "cost"])
        return table.set_index("parameter").rename_axis(None)


def open_chapter(name: str, namespace: dict[str, Any]) -> Chapter:
    """Called in a notebook's first cell after the parameters: checks them and fills in the preset.

    Args:
        namespace: ``globals()`` of the notebook; the names of the chapter's parameters are read from it.
    """
    import warnings

    import pandas as pd
    from tqdm import TqdmWarning

    pd.set_option("display.max_colwidth", None)  # tables in the book are read whole

    warnings.filterwarnings("ignore", category=TqdmWarning)  # progress bars are text here: papermill passes them on
    given = {field: namespace[field] for field in SCHEMAS[name].model_fields if field in namespace}
    unknown = {field: "" for field in _injected(namespace.get("In", ())) if field not in SCHEMAS[name].model_fields}
    return Chapter(name, resolve(name, given | unknown))


def _injected(executed: Sequence[str]) -> list[str]:
    """Names that papermill assigns in the cell it injects, from the sources of the executed cells: those of no parameter would be lost."""
    import ast

    names = []
    for source in executed:
        if source.startswith("# Parameters\n"):
            names += [
                node.id
                for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            ]
    return names


def source_text(name: str) -> bytes:
    """The committed notebook. Raises ``FileNotFoundError`` for a missing one."""
    path = project_root() / "notebooks" / f"{name}.ipynb"
    if not path.exists():
        raise MissingError(f"notebooks/{name}.ipynb is missing.")
    return path.read_bytes()


def strip_outputs(path: Path) -> bool:
    """Remove outputs, counts and volatile metadata from a notebook; True when something changed."""
    before = path.read_text()
    book = json.loads(before)
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k in ("tags", "mystnb")}
    book["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    after = json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    path.write_text(after)
    return after != before
