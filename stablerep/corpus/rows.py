"""From a source's columns to the table of a corpus: ids, captions and splits, each row checked and named when it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from stablerep.corpus.columns import Columns
from stablerep.corpus.options import Options
from stablerep.corpus.splits import CARVED, LEAST_CARVED, SHARES, SPLIT_NAMES, split_by_hash, trusted
from stablerep.corpus.templates import captions_from_labels, check_templates, default_templates
from stablerep.errors import InputError

Place = Callable[[int], str]


def assemble(
    rows: pd.DataFrame,
    ids: Sequence[object],
    named: Sequence[str | None],
    columns: Columns,
    options: Options,
    place: Place,
) -> tuple[pd.DataFrame, list[str]]:
    """The table of a corpus, and notes on what was decided.

    Args:
        rows: the source's columns. ids: one for each row, unique.
        named: the split that files or folders name for each row, or None.
        place: says where row i stands, for messages.
    """
    from tqdm import tqdm

    stages = tqdm(total=3, desc="checking and splitting rows", delay=5, ncols=90)
    ids = _checked_ids(ids, place)
    stages.update()
    notes: list[str] = []
    captions = _captions(rows, ids, columns, options, place)
    stages.update()
    if columns.split is not None:
        splits = _named_in_column(rows[columns.split], columns.split, place)
    else:
        known, note = (False, None) if options.resplit else trusted(named)
        notes += [note] if note else []
        splits = list(named) if known else None
    units, strata = _units(rows, ids, captions, columns, place)
    if splits is None:
        ranked = split_by_hash(units, strata, validation=SHARES["validation"], test=SHARES["test"])
        splits = [ranked[unit] for unit in units]
        why = "A new split was asked for" if options.resplit else "Nothing names a split"
        notes.append(f"{why}, so 70 % are for training, 10 % for validation and 20 % for testing, {_rule(columns)}.")
    else:
        notes += _complete(splits, units, strata)
    stages.update()
    stages.close()
    keep = {*columns.labels, *columns.people, columns.cluster}
    taken = {"id", "caption", "split", *({columns.caption} - keep)}
    further = rows.drop(columns=[name for name in rows if name in taken])
    front = pd.DataFrame({"id": ids, "caption": captions, "split": splits}, dtype=str)
    return pd.concat([front, further.reset_index(drop=True)], axis=1), notes


def has_names(labels: pd.Series) -> bool:
    """Whether labels are words rather than bare numbers."""
    return labels.dtype == "category" or pd.api.types.is_string_dtype(labels.dropna())


def templates_for(columns: Columns, named: Sequence[str], options: Options) -> tuple[str, ...]:
    """The templates of a source without captions whose labels ``named`` have names; empty when there is none."""
    if columns.caption is not None or not named or not options.captions:
        return ()
    if options.templates is not None:
        check_templates(options.templates, named, "the source")
        return options.templates
    return default_templates(named, columns.people)


def refuse_repeated(values: Iterable[object], what: str, place: Place, hint: str = "") -> None:
    """Raise ``InputError`` naming the second row of a value that occurs twice, and what to do about it."""
    values = list(values)
    if len(set(values)) == len(values):
        return
    first: dict[object, int] = {}
    for i, value in enumerate(values):
        if first.setdefault(value, i) != i:
            raise InputError(f"{place(i)}: the {what} {str(value)!r} was there before ({place(first[value])}){hint}.")


def _checked_ids(ids: Sequence[object], place: Place) -> list[str]:
    for i, name in enumerate(ids):
        if not isinstance(name, (str, int)) or not str(name).strip():
            told = "missing" if name is None or name != name else repr(name)
            raise InputError(f"{place(i)}: the id is {told}; it must be text or a whole number.")
    texts = [str(name) for name in ids]
    refuse_repeated(texts, "id", place)
    return texts


def _captions(rows: pd.DataFrame, ids: list[str], columns: Columns, options: Options, place: Place) -> list[str]:
    if columns.caption is not None:
        captions = rows[columns.caption].tolist()
        for i, text in enumerate(captions):
            if not (isinstance(text, str) and text.strip()):
                hint = f" (a list of {len(text)}; keep one caption in a row)" if isinstance(text, list) else ""
                raise InputError(f"{place(i)}: {columns.caption} is empty or no text{hint}.")
        return captions
    named = [name for name in columns.labels if has_names(rows[name])] if options.captions else []
    if templates := templates_for(columns, named, options):
        return captions_from_labels(rows, ids, named, templates, place)
    if options.templates is not None:
        raise InputError(f"templates need labels with names; {', '.join(columns.labels) or 'no column'} has none.")
    return [""] * len(rows)


def _named_in_column(values: pd.Series, column: str, place: Place) -> list[str]:
    known = {name: SPLIT_NAMES.get(str(name).strip().lower()) for name in values.unique()}
    splits = values.map(known).tolist() if all(known.values()) else [known.get(name) for name in values]
    for i, split in enumerate(splits):
        if split is None:
            raise InputError(
                f"{place(i)}: {column} is {values.iloc[i]!r}; valid are {', '.join(SPLIT_NAMES)}, or resplit=True to split by hash."
            )
    return splits


def _units(
    rows: pd.DataFrame, ids: list[str], captions: list[str], columns: Columns, place: Place
) -> tuple[list[str], list[str]]:
    """What is ranked as one thing, and within what.

    A cluster falls wholly into one part, unless it is a label that shall be probed: a class that was never seen in training
    could not be. Then captions, or images where there are none, are ranked within the label.
    """
    nothing = [""] * len(rows)
    if columns.cluster == "caption":
        return captions, nothing
    if columns.cluster == "id":
        return ids, rows[columns.labels[0]].astype(str).tolist() if columns.labels else nothing
    values = rows[columns.cluster].astype(str).tolist()
    if columns.cluster in columns.labels:
        return (ids if columns.caption is None else captions), values
    for i, missing in enumerate(rows[columns.cluster].isna()):
        if missing:
            raise InputError(f"{place(i)}: {columns.cluster} is missing; every row needs one to be split by.")
    return values, nothing


def _rule(columns: Columns) -> str:
    if columns.cluster not in columns.labels:
        return f"each {columns.cluster} wholly on one side, by its hash"
    return f"by the hash of the {'caption' if columns.caption else 'id'} within each {columns.cluster}"


def _complete(splits: list[str | None], units: list[str], strata: list[str]) -> list[str]:
    """Give a tenth of train to a missing validation part (in place), and say what else is missing."""
    there = set(splits)
    if there >= {"train", "test"} and "validation" not in there:
        train = [i for i, split in enumerate(splits) if split == "train"]
        if len({units[i] for i in train}) < LEAST_CARVED:
            return ["The source has no validation part, and too few training rows to make one."]
        ranked = split_by_hash((units[i] for i in train), (strata[i] for i in train), validation=CARVED, test=0)
        for i in train:
            splits[i] = ranked[units[i]]
        return [
            f"The source has no validation part; a tenth of its training part ({splits.count('validation'):,} images) serves, chosen by hash."
        ]
    missing = [name for name in SHARES if name not in there]
    return (
        [f"The source has no {' and no '.join(missing)} part; load_corpus(..., resplit=True) splits by hash instead."]
        if missing
        else []
    )
