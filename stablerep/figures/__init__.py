"""Drawing: pure functions from a results table to a matplotlib figure; tables for pages are in :mod:`stablerep.figures.tables`.

Colours are the colour-blind-safe set of Wong (2011); figures have a white ground, so that they read the same on a dark page.
"""

from stablerep.figures import people_tables, tables
from stablerep.figures.canvas import ARM_COLOURS, METHOD_COLOURS, in_percent
from stablerep.figures.evidence import evidence
from stablerep.figures.images import (
    designs_of,
    diversity,
    faithfulness,
    image_grid,
    sample_grid,
    scenes_of,
    set_measures,
)
from stablerep.figures.learning import comparison, curves, positives, scaling, sweep
from stablerep.figures.people import confusion, contrasts, groups, people, shares, splits

__all__ = [
    "ARM_COLOURS",
    "METHOD_COLOURS",
    "comparison",
    "confusion",
    "contrasts",
    "curves",
    "designs_of",
    "diversity",
    "evidence",
    "faithfulness",
    "groups",
    "image_grid",
    "in_percent",
    "people",
    "people_tables",
    "positives",
    "sample_grid",
    "scaling",
    "scenes_of",
    "set_measures",
    "shares",
    "splits",
    "sweep",
    "tables",
]
