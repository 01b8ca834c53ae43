"""What numbers of a small study allow to say: intervals, averages over data sets, power laws, verdicts.

| question | module |
|---|---|
| how far would a mean move with other items or concepts? | :mod:`stablerep.statistics.resampling` |
| and with other seeds too? | :mod:`stablerep.statistics.crossed` |
| how accurate are the arms of a comparison, how far apart, at what cost? | :mod:`stablerep.statistics.arms` |
| what do several data sets, proportions or claims say together? | :mod:`stablerep.statistics.aggregate` |
| how does the error fall with size, and does that hold for the largest? | :mod:`stablerep.statistics.power_law` |
| where over a grid does an arm peak, and how fast does it rise? | :mod:`stablerep.statistics.peaks` |
| how much does a share change with each of several properties? | :mod:`stablerep.statistics.slopes` |
| how many of one thing are worth one of another? | :mod:`stablerep.statistics.exchange` |
| is a claim reproduced? | :mod:`stablerep.statistics.verdict` |
"""

from stablerep.statistics.aggregate import holm, interquartile_mean, iqm_with_interval
from stablerep.statistics.arms import Pair, costs, differences, seed_means, summarize, views_sentence
from stablerep.statistics.crossed import CrossedMean, crossed_mean
from stablerep.statistics.power_law import PowerLaw, fit_power_law, power_law_sentences, power_laws
from stablerep.statistics.resampling import bootstrap_mean, interval, mean_with_interval, over_seeds
from stablerep.statistics.verdict import MARGIN, WORDS, Verdict, family, verdict

__all__ = [
    "MARGIN", "WORDS", "CrossedMean", "Pair", "PowerLaw", "Verdict", "bootstrap_mean", "costs", "crossed_mean", "differences", "family",
    "fit_power_law", "holm", "interquartile_mean", "interval", "iqm_with_interval", "mean_with_interval", "over_seeds",
    "power_law_sentences", "power_laws", "seed_means", "summarize", "verdict", "views_sentence",
]  # fmt: skip
