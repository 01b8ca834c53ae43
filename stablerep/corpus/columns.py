"""Which column of a source is which: caption, labels, cluster, split, attributes of people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stablerep.corpus.options import Options
from stablerep.errors import InputError

CAPTION_COLUMNS = ("text", "caption")


@dataclass(frozen=True)
class Columns:
    """The columns of a source by their role.

    ``cluster`` is a column of the source, or ``caption`` or ``id`` of the table; ``split`` is None where no column says it.
    """

    caption: str | None
    labels: tuple[str, ...]
    cluster: str
    split: str | None
    people: tuple[str, ...]


def choose_columns(kinds: Mapping[str, str], class_labels: Collection[str], options: Options, where: str) -> Columns:
    """The columns that are asked for, or that a source of this shape is expected to have.

    Labels are the column ``label``, or else every class label. The cluster is the one label, or else the caption if the source
    has captions, or else the image.

    Args:
        kinds: maps each column to its type: ``text`` for strings, ``nested`` for lists and structures.
        class_labels: those of them that hold classes whose names are known.
        where: names the source in messages.
    """

    def check(option: str, name: str, wanted: str) -> str:
        if name not in kinds:
            raise InputError(f"{option} is {name!r}, but {where} has the columns {', '.join(kinds)}.")
        if name in ("id", "split") and option in ("labels", "people"):
            raise InputError(
                f"{option} is {name!r}, which says which image this is or where it belongs; {wanted} says what it shows."
            )
        if kinds[name] == "nested":
            raise InputError(f"column {name!r} of {where} holds lists or structures; {wanted} holds words or numbers.")
        return name

    if options.labels is not None:
        labels = tuple(check("labels", name, "a label column") for name in options.labels)
    elif "label" in kinds and kinds["label"] != "nested":
        labels = ("label",)
    else:
        labels = tuple(name for name in kinds if name in class_labels)
    people = tuple(check("people", name, "a column about people") for name in options.people)
    split = check("split", options.split, "a split column") if options.split else "split" if "split" in kinds else None
    caption = _caption(kinds, labels, options, where)
    if options.templates is not None and caption is not None:
        raise InputError(f"templates make captions from labels, but {where} has captions in its column {caption!r}.")
    if options.cluster is None:
        cluster = labels[0] if len(labels) == 1 else "id" if caption is None else "caption"
    elif options.cluster in ("id", "caption", caption):
        cluster = "id" if options.cluster == "id" else "caption"
    else:
        cluster = check("cluster", options.cluster, "a cluster column")
    if cluster == "caption" and caption is None:
        raise InputError(f"cluster is 'caption', but {where} has no captions of its own; give another column, or 'id'.")
    return Columns(caption, labels, cluster, None if options.resplit else split, people)


def _caption(kinds: Mapping[str, str], labels: tuple[str, ...], options: Options, where: str) -> str | None:
    if not options.captions:
        return None
    if options.caption_column is not None and options.caption_column not in kinds:
        raise InputError(
            f"caption_column is {options.caption_column!r}, but {where} has the columns {', '.join(kinds)}."
        )
    named = [options.caption_column] if options.caption_column else [name for name in CAPTION_COLUMNS if name in kinds]
    if len(named) > 1:
        raise InputError(f"{where} has both {' and '.join(named)}; choose with caption_column.")
    if named and kinds[named[0]] != "text":
        raise InputError(
            f"column {named[0]!r} of {where} holds {kinds[named[0]]}; a caption column holds text, one caption in each row."
        )
    if not named and not labels:
        raise InputError(
            f"{where} has no column {' or '.join(CAPTION_COLUMNS)} and no labels among {', '.join(kinds) or 'no columns'}; "
            "give caption_column or labels, or captions=False for images alone."
        )
    return named[0] if named else None
