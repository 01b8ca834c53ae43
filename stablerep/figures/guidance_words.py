"""Where accuracy over the guidance scale is highest, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def best_scales(guidance: pd.DataFrame, probe: str) -> dict[str, float]:
    """The guidance scale at which each arm has its highest accuracy on a probe.

    Args:
        guidance: ``arm``, ``probe``, ``guidance_scale`` and ``accuracy``.
    """
    mine = guidance[guidance["probe"] == probe].sort_values("accuracy", ascending=False).drop_duplicates("arm")
    return mine.set_index("arm")["guidance_scale"].to_dict()


def tops(peaks: pd.DataFrame, names: Sequence[str]) -> str:
    """Where the curve of each arm is highest, and how many points it loses a factor of two from there.

    Args:
        peaks: ``arm``, ``best``, ``low``, ``high``, ``bend``, ``bend_low`` and ``bend_high``, the last three shares of 1.
    """
    rows = peaks.set_index("arm").loc[list(names)]
    return "; ".join(
        f"{row.Index} is best at w = {row.best:.1f} [{row.low:.1f}, {row.high:.1f}] and loses "
        f"{100 * row.bend:z.1f} points [{100 * row.bend_low:z.1f}, {100 * row.bend_high:z.1f}] a factor of two from there"
        for row in rows.itertuples()
    ).replace("-", "−")
