"""What things are called: a caption for each cluster, a name for each class."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from stablerep.corpus.captioned import Corpus


def plainest(part: Corpus, cluster: str) -> tuple[Corpus, str, dict[str, str]]:
    """Of each cluster the images of its plainest caption, the cluster's column, and these captions.

    Plainest is a caption that names neither tone nor gender where there is one (:func:`marked`), else one that names fewer of them; of
    these the shortest, and of several as short the first by name.
    """
    table = part.table.assign(length=part.table["caption"].str.len(), marked=marked(part.table))
    table = table.sort_values(["marked", "length", "caption"], kind="stable")
    first = table.drop_duplicates(cluster).drop_duplicates("caption").sort_values(cluster)
    names = dict(zip(first[cluster], first["caption"]))
    return part.where(part.table["caption"] == part.table[cluster].map(names)), cluster, names


def marked(table: pd.DataFrame) -> pd.Series:
    """How many of tone and gender the caption of each row names, 0 to 2, as far as the corpus says (``skin_tone``, ``gender``)."""
    count = pd.Series(0, index=table.index)
    if "skin_tone" in table:
        count += table["skin_tone"] != 0
    if "gender" in table:
        count += table["gender"].isin(["woman", "man"])
    return count


def called(corpus: Corpus, label: str, classes: Iterable, *, repeated: bool) -> dict:
    """What classes are called.

    Args:
        label: the column of the classes. repeated: whether images share captions, as where these are made of classes: then a class is called
            by the shortest caption that is its alone, and else by its name.
    """
    if not repeated:
        return {one: str(one) for one in classes}
    table = corpus.table.dropna(subset=[label])
    alone = table[table.groupby("caption")[label].transform("nunique") == 1]
    captions = alone.assign(length=alone["caption"].str.len()).sort_values(["length", "caption"], kind="stable")
    shortest = captions.drop_duplicates(label).set_index(label)["caption"]
    return {one: shortest.get(one, str(one)) for one in classes}
