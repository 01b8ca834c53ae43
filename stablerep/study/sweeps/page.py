"""The page that sums up a sweep: what was run, the headline numbers against what was swept, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.study.markdown import markdown_table

if TYPE_CHECKING:
    from pathlib import Path

    from stablerep.study.sweeps.sweep import Sweep

SEED = "seed"


def over_seeds_of(results: pd.DataFrame, swept: list[str], keys: list[str]) -> pd.DataFrame:
    """Mean over swept seeds of each number, with a 95 % Student-t interval over seeds; without several seeds, the number and its own interval.

    Returns:
        ``swept`` without the seed, ``keys``, ``value``, ``low``, ``high``, ``seeds``.
    """
    from stablerep.statistics import over_seeds

    by = [name for name in [*swept, *keys] if name != SEED]
    rows = []
    for place, part in results.groupby(by, sort=False, dropna=False):
        row = dict(zip(by, place if isinstance(place, tuple) else (place,)))
        if len(part) > 1:
            found = over_seeds(part["value"])
            rows.append(row | {"value": found["mean"], "low": found["low"], "high": found["high"], "seeds": len(part)})
        else:
            rows.append(row | part.iloc[0][["value", "low", "high"]].to_dict() | {"seeds": 1})
    return pd.DataFrame(rows)


def write_page(sweep: Sweep, results: pd.DataFrame) -> Path:
    """Write ``summary.md`` and, where something numeric was swept, ``summary.png`` into the sweep's folder."""
    from stablerep.study.chapters import chapter

    about = chapter(sweep.notebook).HEADLINE
    swept = [
        name if name not in about.keys else f"parameter {name}"
        for name in dict.fromkeys(name for one in sweep.swept for name in one)
    ]
    states = pd.Series([row["status"] for row in sweep.rows]).replace("found", "done").value_counts()
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    parts = [
        f"# Sweep of {sweep.notebook}: {', '.join(swept)}",
        f"{len(sweep.rows)} combinations: {counted}. Preset `{sweep.parameters[0].preset}`.",
    ]
    if not results.empty:
        keys = list(about.keys)
        means = over_seeds_of(results, swept, keys)
        repeated = SEED in swept and means["seeds"].max() > 1
        intervals = "95 % Student-t intervals over seeds" if repeated else "95 % intervals as in the chapter"
        numeric = [
            name
            for name in swept
            if name != SEED and pd.api.types.is_numeric_dtype(means[name]) and means[name].nunique() > 1
        ]
        if numeric:
            _draw(means, numeric[0], swept, keys, about.unit, sweep.folder / "summary.png")
            others = [name for name in swept if name not in (numeric[0], SEED)]
            held = f" Values of {', '.join(others)} are averaged in the figure, not in the table." if others else ""
            alt = f"{about.unit.capitalize()} against {numeric[0]}, a line for each of {', '.join(keys)}."
            parts.append(
                f":::{{figure}} summary.png\n:alt: {alt}\n\nThe {about.unit} against {numeric[0]}; bars: {intervals}.{held}\n:::"
            )
        parts += ["## Numbers", f"Mean and {intervals}.", _markdown(_shown(means, about.unit))]
    parts += ["## Combinations", _markdown(sweep.table().drop(columns=["error", "path"]).reset_index())]
    failed = [(n, row["error"]) for n, row in enumerate(sweep.rows, 1) if row["status"] == "failed"]
    if failed:
        parts += ["## What failed", *(f"Combination {n}:\n\n```text\n{error}\n```" for n, error in failed)]
    target = sweep.folder / "summary.md"
    with written_aside(target) as aside:
        aside.write_text("\n\n".join(parts) + "\n")
    return target


def _draw(means: pd.DataFrame, x: str, swept: list[str], keys: list[str], unit: str, target: Path) -> None:
    import matplotlib

    from stablerep import figures

    with matplotlib.rc_context({"backend": "agg"}):
        figure = figures.sweep(means, x, keys, unit)
    with written_aside(target) as aside:
        figure.savefig(aside, dpi=130, format="png")


def _shown(means: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Numbers as a reader wants them: shares in percent, with the interval behind."""
    percent = unit != "captions"
    scale, digits = (100, 1) if percent else (1, 0)

    def text(row) -> str:
        interval = "" if pd.isna(row.low) else f" [{scale * row.low:.{digits}f}, {scale * row.high:.{digits}f}]"
        return f"{scale * row.value:.{digits}f}{' %' if percent else ''}{interval}"

    return means.drop(columns=["value", "low", "high"]).assign(
        **{unit: [text(row) for row in means[["value", "low", "high"]].itertuples()]}
    )


def _markdown(table: pd.DataFrame) -> str:
    def text(value) -> str:
        shown = "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
        return shown.replace("|", "\\|")

    return markdown_table(
        [text(name) for name in table.columns],
        [[text(value) for value in row] for row in table.itertuples(index=False)],
    )
