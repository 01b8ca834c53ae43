"""What numbers of a small study allow to say: intervals, averages over data sets, power laws, verdicts.

| question | module |
|---|---|
| how far would a mean or a difference move with other items, concepts or seeds? | :mod:`stablerep.statistics.resampling` |
| how accurate are the arms of a comparison, how far apart, at what cost? | :mod:`stablerep.statistics.arms` |
| what do several data sets, proportions or claims say together? | :mod:`stablerep.statistics.aggregate` |
| how does the error fall with size, and does that hold for the largest? | :mod:`stablerep.statistics.power_law` |
| is a claim reproduced? | :mod:`stablerep.statistics.verdict` |
"""

from stablerep.statistics.aggregate import holm, interquartile_mean, iqm_with_interval, proportion_with_interval
from stablerep.statistics.arms import claim_verdict, costs, differences, seed_means, summarize, views_sentence
from stablerep.statistics.power_law import PowerLaw, fit_power_law
from stablerep.statistics.resampling import (
    bootstrap_mean,
    crossed_bootstrap,
    interval,
    mean_with_interval,
    over_seeds,
    paired_difference,
    paired_difference_over_seeds,
)
from stablerep.statistics.verdict import WORDS, Verdict, verdict

__all__ = [
    "WORDS", "PowerLaw", "Verdict", "bootstrap_mean", "claim_verdict", "costs", "crossed_bootstrap", "differences", "fit_power_law", "holm",
    "interquartile_mean", "interval", "iqm_with_interval", "mean_with_interval", "over_seeds", "paired_difference",
    "paired_difference_over_seeds", "proportion_with_interval", "seed_means", "summarize", "verdict", "views_sentence",
]  # fmt: skip
