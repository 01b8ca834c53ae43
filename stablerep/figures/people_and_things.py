"""Images of people are not shown as what resembles an animal or a thing, nor these as what resembles people: such pairs repeat an old insult."""

from __future__ import annotations

import re
from functools import cache

import pandas as pd

PEOPLE = "people-body"  # of the emoji's groups; hands and other parts of the body are in it
_WORDS = re.compile(
    r"\b(people|persons?|humans?|m[ae]n|wom[ae]n|boys?|girls?|child(ren)?|bab(y|ies)|faces? of)\b", re.I
)


def names_people(caption: str) -> bool:
    """Whether a caption is of people or parts of their bodies: by its group, where it is the name of an emoji, else by its words."""
    group = _groups().get(caption)
    return group == PEOPLE if group else bool(_WORDS.search(caption))


def apart(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be shown beside their caption: of people for a caption of people, of others for any other.

    Args:
        table: ``caption``, of the row in which an image would stand, and ``shows``, the caption of the image.
    """
    same = table["caption"].map(names_people) == table["shows"].map(names_people)
    return table[same | (table["caption"] == table["shows"])]


def left_out(table: pd.DataFrame) -> str:
    """How many images :func:`apart` leaves out, and why, in a few sentences; empty where it leaves out none."""
    kept = apart(table)
    lacking = table[~table.index.isin(kept.index)]
    if lacking.empty:
        return ""
    many = f"{len(lacking)} images are" if len(lacking) > 1 else "1 image is"
    people = lacking["shows"].map(names_people)
    ways = [
        "of people or parts of the body for an animal or a thing" if people.any() else "",
        "of animals or things for people" if not people.all() else "",
    ]
    return (
        f"{many} left out here: {' or '.join(filter(None, ways))}. Such finds show how little the features know; as pictures they would repeat an old insult "
        "that image search has produced before."
    )


def finds(table: pd.DataFrame) -> str:
    """What is to be said of finds beside captions: how many are of the broad class of their caption, and what is left out.

    Args:
        table: of :func:`stablerep.audits.neighbours.strip`. Captions of other corpora have no class, so that nothing is said of it.
    """
    found = table[table["kind"] == "found"]
    of_caption, of_image = (found[column].map(_groups().get) for column in ("caption", "shows"))
    said = []
    if not found.empty and of_caption.notna().all() and of_image.notna().all():
        said.append(
            f"{(of_caption == of_image).sum()} of the {len(found)} images that were found are of the same broad group of emoji as their caption; none can be of the same "
            "concept, as only concepts that the encoder has not seen are searched."
        )
    return " ".join(filter(None, [*said, left_out(found)]))


@cache
def _groups() -> dict[str, str]:
    from stablerep.corpus import load_corpus

    table = load_corpus("emoji").table
    return dict(zip(table["caption"], table["group"]))
