"""Running notebooks: parameters checked first, papermill in the project's folder, results kept in the run store."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stablerep.checkpoint import written_aside
from stablerep.study.parameters import SCHEMAS, Parameters, resolve
from stablerep.study.runs import Run, RunStore

if TYPE_CHECKING:
    import pandas as pd

NOTEBOOK_VERSION = 1


def project_root() -> Path:
    """The checkout: the folder that holds ``notebooks/`` and ``_config.yml``.

    Raises:
        FileNotFoundError: the library was installed without its checkout.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "notebooks").is_dir():
        raise FileNotFoundError("the notebooks are not here; clone the repository and install it with `pip install -e .`.")
    return root


@dataclass(frozen=True)
class Chapter:
    """What a notebook works with: its parameters, its tables, the stored reference."""

    name: str
    parameters: Parameters

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables to draw: computed when ``live``, else the stored ones."""
        from stablerep.study.chapters import chapter_tables

        return chapter_tables(self.name, self.parameters)

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
        from stablerep.study.experiments import EVALUATION_VERSION

        if self.stored is None:
            return "There is no stored reference yet."
        record = stored_record(self.name)
        own = {k: v for k, v in record["parameters"].items() if k not in ("live", "preset")}
        changed = {k: v for k, v in own.items() if getattr(self.parameters, k, None) != v}
        listed = ", ".join(f"{k} = {v}" for k, v in changed.items()) or "the same parameters"
        older = "probe_designs" in own and record.get("evaluation_version", 2) < EVALUATION_VERSION
        note = " It was scored by an earlier version of the linear probe, which tried five penalties instead of up to 45." if older else ""
        return f"The stored reference was computed with {listed} on {record['provenance']['created'][:10]}.{note}"

    def parameter_table(self) -> pd.DataFrame:
        """Name, value, unit, cost and meaning of every parameter."""
        import pandas as pd

        rows = []
        for name, info in type(self.parameters).model_fields.items():
            extra = info.json_schema_extra or {}
            value = getattr(self.parameters, name)
            value = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append([name, value, extra["unit"], extra["cost"], info.description])
        return pd.DataFrame(rows, columns=["parameter", "value", "unit", "cost", "meaning"]).set_index("parameter").rename_axis(None)


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
    return Chapter(name, resolve(name, given))


def source_text(name: str) -> bytes:
    """The committed notebook. Raises ``FileNotFoundError`` for a missing one."""
    path = project_root() / "notebooks" / f"{name}.ipynb"
    if not path.exists():
        raise FileNotFoundError(f"notebooks/{name}.ipynb is missing.")
    return path.read_bytes()


def stored_hash(name: str) -> str:
    """Hash of the stored results that a notebook may draw."""
    digest = hashlib.sha256()
    for file in sorted((project_root() / "results" / name).glob("*")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def execute_notebook(name: str, given: dict[str, Any], *, store: RunStore | None = None, log: Callable | None = print) -> Run:
    """Execute a notebook with papermill, or find its execution of the same source, library and parameters.

    Returns:
        A run with ``<name>.ipynb``.

    Raises:
        ParameterError: before anything starts.
        RuntimeError: a cell failed; the executed part is kept in the store's working folder.
    """
    from stablerep.study.provenance import hash_package

    parameters = resolve(name, given)
    store = store or RunStore()
    inputs = {"notebook": hashlib.sha256(source_text(name)).hexdigest()[:16], "library": hash_package(), "stored": stored_hash(name)}

    def compute(folder: Path) -> dict:
        import os

        import papermill

        earlier = os.environ.get("STABLEREP_RUNS")
        os.environ["STABLEREP_RUNS"] = str(store.root)  # the kernel works in the project's folder, maybe another than ours
        values = parameters.model_dump()
        if log:
            log(f"{name}: executing notebooks/{name}.ipynb")
        source, target = project_root() / "notebooks" / f"{name}.ipynb", folder / f"{name}.ipynb"
        try:
            papermill.execute_notebook(
                str(source), str(target), parameters=values, cwd=str(project_root()), progress_bar=False, log_output=False,
                stderr_file=sys.stderr if log else None, start_timeout=120, kernel_name="python3",
                kernel_manager_class="stablerep.study.kernels.IpcKernelManager",
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            raise RuntimeError(
                f"{name}: cell {error.exec_count} failed with {error.ename}: {error.evalue}; what was executed is {target}."
            ) from error
        finally:
            if earlier is None:
                del os.environ["STABLEREP_RUNS"]
            else:
                os.environ["STABLEREP_RUNS"] = earlier
        written = json.loads((folder / f"{name}.ipynb").read_text())
        defaults = resolve(name, {"preset": parameters.preset}).model_dump()
        changed = {k: v for k, v in values.items() if v != defaults[k]}
        written["metadata"]["stablerep"] = {"preset": parameters.preset, "changed": changed}
        (folder / f"{name}.ipynb").write_text(json.dumps(written, indent=1, ensure_ascii=False))
        return {}

    return store.obtain(
        "notebook",
        version=NOTEBOOK_VERSION,
        parameters={"name": name, **parameters.model_dump()},
        inputs=inputs,
        compute=compute,
    )


def place_chapter(run: Run, name: str, folder: Path) -> Path:
    """Copy an executed notebook to where the book reads it."""
    target = folder / f"{name}.ipynb"
    with written_aside(target) as aside:
        aside.write_bytes(run.path(f"{name}.ipynb").read_bytes())
    return target


def given_parameters(pairs: list[str], file: Path | None = None) -> dict[str, Any]:
    """``["w=4", "seeds=2"]`` and a YAML file to a dictionary; values are read as YAML, the pairs win.

    Raises:
        ValueError: a pair without ``=``, or a file that is not a mapping.
    """
    import yaml

    given: dict[str, Any] = {}
    if file is not None:
        try:
            given = yaml.safe_load(file.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"{file} could not be read as YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(given, dict):
            raise ValueError(f"{file} holds a {type(given).__name__}; it must map parameter names to values.")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{pair!r} is not name=value, for example guidance_scale=4.")
        try:
            given[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"the value of {name}, {value!r}, could not be read.") from None
    return given


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
