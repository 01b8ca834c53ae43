"""People among the images of a corpus: who is shown, and what belongs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from stablerep.corpus import Corpus


def people_in(corpus: Corpus) -> Corpus:
    """The images of people whose attributes are known."""
    table = corpus.table
    shown = (table[list(corpus.people)].notna() & (table[list(corpus.people)].astype(str) != "")).all(axis=1)
    if "subgroup" in table:  # of the emoji, whose families and symbols are left out, and pairs in two tones
        shown &= table["subgroup"].str.startswith("person") & (table["tone"] != "mixed")
    return corpus.where(shown.to_numpy())


def with_clusters(corpus: Corpus) -> pd.DataFrame:
    """The rows of a corpus, with ``cluster``: what belongs together. Images are alone where the corpus has labels for clusters."""
    by = "id" if corpus.cluster in (*corpus.labels, *corpus.people) else corpus.cluster
    return corpus.table.assign(cluster=corpus.table[by].astype(str))
