"""Stored results of the chapter ``compare`` that no test of an archive has to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from stablerep.study import chapters
from stablerep.study.archive import export, trace
from stablerep.study.chapters import resolve
from stablerep.study.notebooks import execution
from stablerep.study.store.folder import write_json
from stablerep.study.store.provenance import gather, hash_file


@pytest.fixture(autouse=True, scope="module")
def stored(tmp_path_factory) -> Iterator[Path]:
    """Three tables and their record, in place of the project's results."""
    root = tmp_path_factory.mktemp("results")
    sums = {}
    for number, name in enumerate(("arms", "differences", "seeds")):
        path = root / "compare" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame({"arm": ["A", "B"], "number": number}).to_parquet(path, index=False)
        sums[path.name] = hash_file(path)
    write_json(root / "compare" / "record.json", {
        "notebook": "compare", "parameters": resolve("compare", {"preset": "reference"}).model_dump(), "sha256": sums,
        "corpus": "0" * 16, "generator": "1" * 16,
        "provenance": {**gather(), "created": "2026-01-02T03:04:05+00:00"},
    })  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for module in (chapters, export, trace, execution):
            patch.setattr(module, "STORED", root)
        yield root / "compare"
