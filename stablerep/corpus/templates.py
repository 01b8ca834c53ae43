"""Captions made from class names, for sources that have labels and no captions.

Which of a few templates an image gets is set by the hash of its id. A class therefore has a few captions, shared by all its
images, and StableRep, whose positives are images of one caption, is close to supervised contrast there (Khosla et al. 2020).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pandas as pd

from stablerep.corpus.hashing import short_hash
from stablerep.errors import InputError

ONE_LABEL = (
    "a photo of a {}",
    "a small photo of a {}",
    "a blurry photo of a {}",
    "a close-up of a {}",
    "a picture of one {}",
)
_PLACE = re.compile(r"\{([^{}]*)\}")


def default_templates(labels: Sequence[str], people: Sequence[str]) -> tuple[str, ...]:
    """A few templates; several labels are listed in their order, from the back, and with the first one at the end."""
    if len(labels) == 1:
        return ONE_LABEL
    what = "a photo of a person" if set(labels) <= set(people) else "a photo"
    orders = {tuple(labels), tuple(reversed(labels)), (*labels[1:], labels[0])}
    return tuple(sorted(f"{what}: {', '.join(f'{{{name}}}' for name in order)}" for order in orders))


def check_templates(templates: Sequence[str], labels: Sequence[str], where: str) -> None:
    """Raise ``InputError`` for a template without a place, or with one that is no label."""
    if not templates:
        raise InputError("templates is empty; give one or more, such as 'a photo of a {}'.")
    for template in templates:
        names = _PLACE.findall(template)
        if not names:
            raise InputError(f"template {template!r} has no place for a class; write {{}} or {{{labels[0]}}}.")
        if "" in names and len(labels) > 1:
            raise InputError(
                f"template {template!r} has {{}}, but {where} has the labels {', '.join(labels)}; name one."
            )
        if strange := [name for name in names if name and name not in labels]:
            raise InputError(
                f"template {template!r} names {strange[0]!r}; the labels of {where} are {', '.join(labels)}."
            )


def captions_from_labels(
    rows: pd.DataFrame, ids: Sequence[str], labels: Sequence[str], templates: Sequence[str], place: Callable[[int], str]
) -> list[str]:
    """A caption for each row; underscores in the names of classes become blanks, "a" before a vowel becomes "an".

    Raises ``InputError`` naming the row whose label is missing.
    """
    words = {name: [_words(value) for value in rows[name]] for name in labels}
    for name, values in words.items():
        if "" in values:
            raise InputError(f"{place(values.index(''))}: {name} is empty, so no caption can be made from it.")
    made: dict[tuple[str, ...], str] = {}
    captions = []
    for i, key in enumerate(ids):
        chosen = templates[short_hash(f"caption:{key}") % len(templates)] if len(templates) > 1 else templates[0]
        values = tuple(words[name][i] for name in labels)
        if (caption := made.get((chosen, *values))) is None:
            named = dict(zip(labels, values)) | {"": values[0]}
            caption = _fill(chosen, named, articles=chosen in ONE_LABEL)
            made[(chosen, *values)] = caption
        captions.append(caption)
    return captions


def _fill(template: str, named: dict[str, str], *, articles: bool) -> str:
    filled = _PLACE.sub(lambda match: named[match[1]], template)
    if articles and named[""][0].lower() in "aeiou":
        return filled.replace(f" a {named['']}", f" an {named['']}")
    return filled


def _words(value: object) -> str:
    return (
        " ".join(str(value).replace("_", " ").split())
        if isinstance(value, str)
        else ""
        if pd.isna(value)
        else str(value)
    )
