"""What a sweep ends with: the table of all its results, and a page with the headline numbers against what was swept,
and what failed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.figures.canvas import in_percent
from stablerep.study.chapters import Headline, chapter
from stablerep.study.markdown import markdown_table
from stablerep.study.sweeps.sweep import Sweep

SEED = "seed"


def over_seeds_of(results: pd.DataFrame, swept: list[str], keys: list[str]) -> pd.DataFrame:
    """Mean over swept seeds of each number, with a 95 % Student-t interval over seeds; without several seeds, the
    number and its own interval.

    Returns:
        ``swept`` without the seed, ``keys``, ``value``, ``low``, ``high``, ``seeds``.
    """
    from stablerep.statistics import over_seeds

    by = [name for name in [*swept, *keys] if name != SEED]
    rows = []
    for place, part in results.groupby(by, sort=False, dropna=False):
        if len(part) > 1:
            found = over_seeds(part["value"])
            numbers = {"value": found["mean"], "low": found["low"], "high": found["high"]}
        else:
            numbers = part.iloc[0][["value", "low", "high"]].to_dict()
        rows.append(dict(zip(by, place)) | numbers | {"seeds": len(part)})
    return pd.DataFrame(rows)


def write_results(sweep: Sweep) -> Path:
    """Write ``results.csv`` and :func:`the page <page_text>`, whose path is returned, into the sweep's folder."""
    results, page = sweep.results(), sweep.folder / "summary.md"
    # The file is opened here: pandas takes some names of folders for addresses.
    with written_aside(sweep.folder / "results.csv") as aside, open(aside, "wb") as file:
        results.to_csv(file, index=False)
    with written_aside(page) as aside:
        aside.write_text(page_text(sweep, results))
    return page


def page_text(sweep: Sweep, results: pd.DataFrame) -> str:
    """The page; its figure, ``summary.png``, is drawn into the sweep's folder where something numeric was swept."""
    about = chapter(sweep.notebook).HEADLINE
    names = dict.fromkeys(name for one in sweep.swept for name in one)
    swept = [f"parameter {name}" if name in about.keys else name for name in names]
    states = pd.Series([row["status"] for row in sweep.rows]).replace("found", "done").value_counts()
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    parts = [
        f"# Sweep of {sweep.notebook}: {', '.join(swept)}",
        f"{len(sweep.rows)} combinations: {counted}. Preset `{sweep.parameters[0].preset}`.",
    ]
    if not results.empty:
        parts += _numbers(over_seeds_of(results, swept, list(about.keys)), swept, about, sweep.folder / "summary.png")
    parts += ["## Combinations", _markdown(sweep.table().drop(columns=["error", "path"]).reset_index())]
    failed = [(number, row["error"]) for number, row in enumerate(sweep.rows, 1) if row["status"] == "failed"]
    if failed:
        parts += ["## What failed", *(f"Combination {number}:\n\n```text\n{error}\n```" for number, error in failed)]
    return "\n\n".join(parts) + "\n"


def _numbers(means: pd.DataFrame, swept: list[str], about: Headline, target: Path) -> list[str]:
    """The figure, drawn to ``target``, and the table of numbers."""
    import matplotlib

    from stablerep import figures

    keys, unit = list(about.keys), about.unit
    repeated = SEED in swept and means["seeds"].max() > 1
    intervals = "95 % Student-t intervals over seeds" if repeated else "95 % intervals as in the chapter"
    parts = ["## Numbers", f"Mean and {intervals}.", _markdown(_shown(means, unit))]
    axes = [name for name in swept if name != SEED]
    numeric = [name for name in axes if pd.api.types.is_numeric_dtype(means[name]) and means[name].nunique() > 1]
    if not numeric:
        return parts
    x = numeric[0]
    with matplotlib.rc_context({"backend": "agg"}):
        figure = figures.sweep(means, x, keys, unit)
    with written_aside(target) as aside:
        figure.savefig(aside, dpi=130, format="png")
    others = ", ".join(name for name in axes if name != x)
    held = f" Values of {others} are averaged in the figure, not in the table." if others else ""
    alt = f"{unit.capitalize()} against {x}, a line for each of {', '.join(keys)}."
    block = f":::{{figure}} {target.name}\n:alt: {alt}\n\nThe {unit} against {x}; bars: {intervals}.{held}\n:::"
    return [block, *parts]


def _shown(means: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Numbers as a reader wants them: shares in percent, with the interval behind."""

    def number(value: float) -> str:
        return (
            f"{100 * value:.1f}"
            if in_percent(unit)
            else f"{value:.0f}"
            if float(value).is_integer()
            else f"{value:.4g}"
        )

    def text(row) -> str:
        interval = "" if pd.isna(row.low) else f" [{number(row.low)}, {number(row.high)}]"
        return f"{number(row.value)}{' %' if in_percent(unit) else ''}{interval}"

    return means.drop(columns=["value", "low", "high"]).assign(**{unit: list(map(text, means.itertuples()))})


def _markdown(table: pd.DataFrame) -> str:
    def text(value) -> str:
        missing = not isinstance(value, list) and pd.isna(value)
        shown = "" if missing else f"{value:g}" if isinstance(value, float) else str(value)
        return shown.replace("|", "\\|")

    return markdown_table(
        [text(name) for name in table.columns],
        [[text(value) for value in row] for row in table.itertuples(index=False)],
    )
