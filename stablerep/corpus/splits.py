"""Which part a row belongs to: what the names of files and folders say, and a ranking by hash where they say nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
CARVED = 0.1  # of the training part, where a source has train and test and nothing to choose on
LEAST_CARVED = 10  # units; of fewer a tenth is nothing

# A word of its own between hyphens, underscores, dots and digits: "val2017" and "train-00000-of-00002", but not the class "test strips".
_NAMED = re.compile(rf"(?:^|(?<=[-_.\d]))(?:{'|'.join(SPLIT_NAMES)})(?=$|[-_.\d])")


def split_named(name: str) -> str | None:
    """The split that the name of a file (without its suffix) or of a folder speaks of, or None; also None for two of them."""
    found = {SPLIT_NAMES[word] for word in _NAMED.findall(name.lower())}
    return found.pop() if len(found) == 1 else None


def split_of_file(stem: str, folders: Sequence[str]) -> str | None:
    """What a file of many rows says: its first folder, else its own name (the Hub's pattern), else its nearest folder."""
    return next((split for name in (*folders[:1], stem, *folders[:0:-1]) if (split := split_named(name))), None)


def splits_of_folders(folders: Sequence[Sequence[str]]) -> list[str | None]:
    """What the folders of single images say; ``folders`` holds the folders that lead to each image.

    The first folder counts, or the first behind folders that all images share (``images/train2017/``). Deeper ones may be
    classes, among which there are trains and test strips.
    """
    shared = 0
    while folders and all(len(path) > shared and path[shared] == folders[0][shared] for path in folders):
        shared += 1
    levels = [
        [split_named(path[level]) if len(path) > level else None for path in folders] for level in range(shared + 1)
    ]
    # Alike for all images, a shared folder says something only where the next level says nothing.
    return next(
        (level for level in reversed(levels) if level and all(level)),
        max(levels, key=lambda level: sum(map(bool, level))),
    )


def trusted(named: Sequence[str | None]) -> tuple[bool, str | None]:
    """Whether names may set the split, and a note if some of them speak of one and yet may not.

    They may if every row has one and there is something to train on, or all rows belong to one part.
    """
    missing, found = sum(name is None for name in named), {name for name in named if name}
    if not missing:
        if "train" in found or len(found) <= 1:
            return bool(found), None
        return (
            False,
            f"Files or folders are named for {' and '.join(sorted(found))}, but none for train; those names do not count as splits.",
        )
    if found:
        return False, (
            f"Names of files or folders speak of a split ({', '.join(sorted(found))}) for {len(named) - missing:,} of {len(named):,} rows; "
            "a split is taken from names only if every row has one."
        )
    return False, None


def split_of(
    units: Mapping[str, str], *, validation: float = SHARES["validation"], test: float = SHARES["test"]
) -> dict[str, str]:
    """Assign each unit (a concept, a caption, an image) to ``train``, ``validation`` or ``test``, stratified.

    ``units`` maps unit to stratum (of concepts: the subgroup). Within a stratum units are ranked by the hash of their name: the
    order of the rows, the designs chosen or a seed never move a unit.
    """
    by_stratum: dict[str, list[str]] = {}
    for unit, stratum in units.items():
        by_stratum.setdefault(stratum, []).append(unit)
    split = {}
    for members in by_stratum.values():
        members.sort(key=lambda c: hashlib.sha256(f"split:{c}".encode("utf-8", "surrogatepass")).digest())
        for rank, unit in enumerate(members):
            place = (rank + 0.5) / len(members)
            split[unit] = "test" if place < test else "validation" if place < test + validation else "train"
    return split


def split_by_hash(units: Iterable[str], strata: Iterable[str], *, validation: float, test: float) -> dict[str, str]:
    """As :func:`split_of`; without strata where these are too small to give every part something."""
    stratum: dict[str, str] = {}
    for unit, name in zip(units, strata):  # a unit that occurs in two strata counts for the first in the alphabet
        stratum[unit] = min(stratum.get(unit, name), name)
    split = split_of(stratum, validation=validation, test=test)
    wanted = {"train", *(["validation"] if validation else []), *(["test"] if test else [])}
    return (
        split
        if wanted <= set(split.values())
        else split_of(dict.fromkeys(stratum, ""), validation=validation, test=test)
    )
