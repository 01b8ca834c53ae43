"""Drawing: pure functions from a results table to a matplotlib figure; tables for pages are in :mod:`stablerep.figures.tables`.

A drawing function leaves a sentence with its main numbers as the figure's label, which becomes its alt text; :func:`show` displays it, and :func:`show_table` a table.
"""

from stablerep.figures import people_tables, tables
from stablerep.figures.bias import distances, planted_grid, planted_shares
from stablerep.figures.canvas import METHOD_COLOURS, colour_of, for_phones, in_percent
from stablerep.figures.composition import foil_examples, preferred_captions
from stablerep.figures.copies import copies, copy_curves, copy_pictures, planted_duplicates, set_sizes
from stablerep.figures.disparity import disparities, replaced
from stablerep.figures.edits import edit_gaps, edit_grid, edit_shares
from stablerep.figures.evidence import evidence, gaps, leads, of_first_method
from stablerep.figures.explained import explained
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
from stablerep.figures.people_and_things import finds
from stablerep.figures.shown import show
from stablerep.figures.strips import retrieved, strip
from stablerep.figures.table_cells import show_table
from stablerep.figures.whole_captions import extremes, parts_of_captions, properties, ranks

__all__ = [
    "METHOD_COLOURS",
    "colour_of",
    "comparison",
    "confusion",
    "contrasts",
    "copies",
    "copy_curves",
    "copy_pictures",
    "counted",
    "curves",
    "designs_of",
    "disparities",
    "distances",
    "diversity",
    "edit_gaps",
    "edit_grid",
    "edit_shares",
    "evidence",
    "explained",
    "extremes",
    "faithfulness",
    "finds",
    "foil_examples",
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
    "parts_of_captions",
    "people",
    "people_tables",
    "planted_duplicates",
    "planted_grid",
    "planted_shares",
    "positives",
    "preferred_captions",
    "properties",
    "qualities",
    "ranks",
    "replaced",
    "retrieved",
    "sample_grid",
    "scaled",
    "scaling",
    "scenes_of",
    "set_measures",
    "set_sizes",
    "shares",
    "show",
    "show_table",
    "splits",
    "strip",
    "sweep",
    "tables",
]
