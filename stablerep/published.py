"""Numbers from the paper and its neighbours, each with its evidence grade; nothing here was measured by us."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

TABLE = Path(__file__).parent / "published.csv"


def read_published(*, exhibit: str | None = None, primary_only: bool = True) -> pd.DataFrame:
    """Published rows: ``exhibit, method, data, setting, metric, value, evidence, source``.

    Only rows whose evidence is ``primary`` may be quoted as "the paper reports"; the others need their grade beside them.
    """
    table = pd.read_csv(TABLE, keep_default_na=False)
    if primary_only:
        table = table[table["evidence"] == "primary"]
    return table if exhibit is None else table[table["exhibit"] == exhibit].reset_index(drop=True)


def figure_6() -> pd.DataFrame:
    """ImageNet linear-probe accuracy against millions of captions (figure 6; the authors' repository, probe without BatchNorm).

    Columns: ``method`` (StableRep+ synthetic, CLIP real), ``captions`` (number), ``accuracy`` (percent).
    """
    rows = []
    for row in read_published(exhibit="Fig6").itertuples():
        size = re.match(r"(\d+)M captions", row.setting)
        if size and "without BN" in row.setting and row.method in ("StableRep+", "CLIP"):
            name = "StableRep+ synthetic" if row.method == "StableRep+" else "CLIP real"
            rows.append({"method": name, "captions": int(size[1]) * 1_000_000, "accuracy": float(row.value)})
    return pd.DataFrame(rows).sort_values(["method", "captions"], ignore_index=True)
