"""Drawing: pure functions from a results table to a matplotlib figure; tables for pages are in :mod:`stablerep.figures.tables`.

A drawing function leaves a sentence with its main numbers as the figure's label, which becomes its alt text; :func:`show` displays it, and :func:`show_table` a table.
"""

from stablerep.figures import people_tables, tables
from stablerep.figures.canvas import METHOD_COLOURS, colour_of, for_phones, in_percent
from stablerep.figures.edits import edit_gaps, edit_grid, edit_shares
from stablerep.figures.evidence import evidence, gaps, leads, of_first_method
from stablerep.figures.generations import generation_grid, generations
from stablerep.figures.guided import counted, grown, guidance, mixtures, scaled
from stablerep.figures.images import (
    designs_of,
    diversity,
    faithfulness,
    image_grid,
    qualities,
    sample_grid,
    scenes_of,
    set_measures,
)
from stablerep.figures.learning import comparison, curves, positives, scaling, sweep
from stablerep.figures.people import confusion, contrasts, groups, people, shares, splits
from stablerep.figures.shown import show
from stablerep.figures.strips import retrieved, strip
from stablerep.figures.table_cells import show_table

__all__ = [
    "METHOD_COLOURS",
    "colour_of",
    "comparison",
    "confusion",
    "contrasts",
    "counted",
    "curves",
    "designs_of",
    "diversity",
    "edit_gaps",
    "edit_grid",
    "edit_shares",
    "evidence",
    "faithfulness",
    "for_phones",
    "gaps",
    "generation_grid",
    "generations",
    "groups",
    "grown",
    "guidance",
    "image_grid",
    "in_percent",
    "leads",
    "mixtures",
    "of_first_method",
    "people",
    "people_tables",
    "positives",
    "qualities",
    "retrieved",
    "sample_grid",
    "scaled",
    "scaling",
    "scenes_of",
    "set_measures",
    "shares",
    "show",
    "show_table",
    "splits",
    "strip",
    "sweep",
    "tables",
]
